"""Finds a person in the load file, and all rows about one. Reads only; knows raw tables by their declaration."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

import duckdb

from referral_warehouse.load.privacy.forgotten import emails_in, whole_id
from referral_warehouse.load.privacy.policy import Policy
from referral_warehouse.load.records.schema import OBSERVATIONS, QUARANTINE, TableSchema
from referral_warehouse.load.storage.stored_rows import DATASET
from referral_warehouse.sql_quoting import identifier

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Person:
    """A person by the account's user id. ``campaign_id`` is None where the table of users has no row."""

    user_id: int
    campaign_id: int | None


def find_by_id(connection: duckdb.DuckDBPyConnection, schemas: Mapping[str, TableSchema], user_id: int) -> list[Person]:
    """The person with an id, if any row is about one."""
    if not any(rows for rows in held_rows(connection, schemas, user_id).values()):
        return []
    campaigns = connection.execute(f"select campaign_id from {DATASET}.users where id = ?", [user_id]).fetchone()
    return [Person(user_id, campaigns[0] if campaigns else None)]


def find_by_email(
    connection: duckdb.DuckDBPyConnection, schemas: Mapping[str, TableSchema], email: str, policy: Policy
) -> list[Person]:
    """Everybody with an address, however it is spelt in lower and upper case, in the order of their ids."""
    wanted = [email.strip()]
    if policy.pseudonyms is not None:
        wanted += policy.pseudonyms.addresses(wanted)
    found: dict[int, int | None] = {}
    for schema in _about_people(schemas):
        column = next((name for name in ("email", "recipient_email") if name in schema.arrow.names), None)
        if column is None:
            continue
        campaign = "campaign_id" if "campaign_id" in schema.arrow.names else "null"
        for user_id, campaign_id in connection.execute(
            f"select distinct {schema.person}, {campaign} from {DATASET}.{schema.name} "
            f"where lower(trim({column})) in (select lower(unnest(?))) and {schema.person} is not null",
            [wanted],
        ).fetchall():
            found[user_id] = campaign_id if campaign_id is not None else found.get(user_id)
    return [Person(user_id, found[user_id]) for user_id in sorted(found)]


def held_rows(
    connection: duckdb.DuckDBPyConnection, schemas: Mapping[str, TableSchema], user_id: int
) -> dict[str, Rows]:
    """Every row of the load file about a person, by raw table: all versions, the quarantine, observations."""
    return held_rows_of(connection, schemas, [user_id])[user_id]


def held_rows_of(
    connection: duckdb.DuckDBPyConnection, schemas: Mapping[str, TableSchema], user_ids: Collection[int]
) -> dict[int, dict[str, Rows]]:
    """The same for several people, by their ids."""
    present = {
        name for (name,) in connection.execute(
            "select table_name from duckdb_tables() where database_name = current_database() and schema_name = ?",
            [DATASET],
        ).fetchall()
    }  # fmt: skip
    tables = [schema for schema in _about_people(schemas) if schema.name in present]
    loose = [name for name in (QUARANTINE.name, OBSERVATIONS.name) if name in present]
    held: dict[int, dict[str, Rows]] = {
        user_id: {name: [] for name in (*(schema.name for schema in tables), *loose)} for user_id in user_ids
    }
    for schema in tables:
        for row in _rows(connection, schema.name, f"list_contains(?, {schema.person})", list(held)):
            held[row[schema.person]][schema.name].append(row)
    people = {schema.name: schema.person for schema in tables}
    addresses: dict[str, set[int]] = {}
    for user_id, found in held.items():
        for email in {email.strip().casefold() for rows in found.values() for email in emails_in(rows)}:
            addresses.setdefault(email, set()).add(user_id)
    for name in loose:
        for row in _rows(connection, name, f"list_contains({sorted(people)!r}, stream)"):
            for user_id in _about(row, people, held.keys(), addresses):
                held[user_id][name].append(row)
    return held


def _about_people(schemas: Mapping[str, TableSchema]) -> Iterator[TableSchema]:
    return (schema for schema in schemas.values() if schema.person)


def _rows(connection: duckdb.DuckDBPyConnection, table: str, condition: str, *values: Any) -> Rows:
    cursor = connection.execute(f"from {DATASET}.{identifier(table)} where {condition}", list(values))
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _about(
    row: dict[str, Any], people: Mapping[str, str], wanted: Set[int], addresses: Mapping[str, set[int]]
) -> set[int]:
    """Whom of ``wanted``, who have these ``addresses``, a row of the quarantine, or an observation, is about."""
    person = people[row["stream"]]
    texts = [text for text in (row.get("raw"), row.get("before"), row.get("after")) if text]
    values = [found for text in texts if isinstance(found := json.loads(text), dict)]
    own = row.get("record_id", row.get("id"))
    ids = set(map(whole_id, [own] if person == "id" else [found.get(person) for found in values])) - {None}
    if ids:
        return {found for found in ids if found in wanted and found is not None}
    return {user_id for email in emails_in(values) for user_id in addresses.get(email.strip().casefold(), ())}
