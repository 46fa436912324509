"""Recognises rows of forgotten people by salted digests, and removes their personal values before they are stored.

Knows rows, and the file of digests beside the certificates. It does not depend on the load file, so that people stay
forgotten in a new one.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.load.records.coercion import NO_TEXT, Coerced, Reject
from referral_warehouse.load.records.converters import read_int
from referral_warehouse.load.records.schema import OBSERVATIONS, QUARANTINE, TableSchema, id_in
from referral_warehouse.settings import Settings
from referral_warehouse.workspace.directories import FORGOTTEN
from referral_warehouse.workspace.durable_files import write_whole_file
from referral_warehouse.workspace.file_kinds import read_regular

FILE = "people.json"
WHOLE = re.compile(r"\+?(-?[0-9]{1,19})(?:\.0*)?")
"""An id in a row that cannot be read."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """``digests`` are those of ids and addresses; ``schemas`` has the raw tables, which say whom a row is about."""

    salt: str = ""
    digests: frozenset[str] = frozenset()
    schemas: Mapping[str, TableSchema] = field(default_factory=dict)

    def with_person(self, user_id: int, emails: Iterable[str]) -> Forgotten:
        """The same with one more person."""
        return self.with_people({user_id: emails})

    def with_people(self, emails: Mapping[int, Iterable[str]]) -> Forgotten:
        """The same with more people: their addresses by their ids."""
        salted = replace(self, salt=self.salt or secrets.token_hex(32))
        new = {salted.digest("id", str(user_id)) for user_id in emails}
        new |= {salted.digest("e-mail", _address(email)) for found in emails.values() for email in found}
        return replace(salted, digests=self.digests | new)

    def digest(self, kind: str, value: str) -> str:
        return sha256(f"{self.salt}\0{kind}\0{value}".encode("utf-8", "surrogatepass")).hexdigest()

    def is_address(self, email: str) -> bool:
        """Whether an address is that of a forgotten person."""
        return self.digest("e-mail", _address(email)) in self.digests

    def is_person(self, user_id: Any) -> bool:
        """Whether an id is that of a forgotten person."""
        return user_id is not None and self.digest("id", str(user_id)) in self.digests

    def coerced(self, schema: TableSchema, coerced: Coerced) -> Coerced:
        """Parsed rows, those of forgotten people without personal values."""
        if not self.digests:
            return coerced
        rejects = [self.reject(schema.name, reject) for reject in coerced.rejects]
        return replace(coerced, table=self.rows(schema, coerced.table), rejects=rejects)

    def rows(self, schema: TableSchema, rows: pa.Table) -> pa.Table:
        """Rows of a raw table, those of forgotten people without personal values; with the columns that they have."""
        if not self.digests:
            return rows
        if schema.name in (QUARANTINE.name, OBSERVATIONS.name):
            return pa.Table.from_pylist([self._own_row(schema, row) for row in rows.to_pylist()], schema=rows.schema)
        if not schema.person or schema.person not in rows.column_names:
            return rows
        ids = rows.column(schema.person).to_pylist()
        gone = {identifier for identifier in set(ids) if self.is_person(identifier)}
        if not gone:
            return rows
        stays = pa.array([identifier not in gone for identifier in ids])
        for name in schema.personal_columns.keys() & set(rows.column_names):
            index = rows.column_names.index(name)
            column = rows.column(index)
            emptied = pc.if_else(stays, column, pa.scalar(None, column.type))
            rows = rows.set_column(index, rows.schema.field(index), emptied)
        return rows

    def reject(self, table: str, reject: Reject) -> Reject:
        """A row that could not be read: without its text where it is of a forgotten person."""
        if not self._is_about(table, reject):
            return reject
        kept = reject.record_id if reject.known_id is not None else ""
        return replace(reject.without_quotes(), raw=NO_TEXT, record_id=kept, identity=self.digest("row", reject.raw))

    def _own_row(self, schema: TableSchema, row: dict[str, Any]) -> dict[str, Any]:
        """A row of the quarantine, or an observation, which holds values of a row before and after."""
        if schema.name == QUARANTINE.name:
            found = self.reject(
                row["stream"], Reject(row["record_id"] or "", row["reason"] or "", row["raw"] or NO_TEXT)
            )
            return {**row, "record_id": found.record_id, "reason": found.reason, "raw": found.raw}
        about = self.schemas.get(row["stream"])
        if about is None:
            return row
        values = {side: _object(row[side]) for side in ("before", "after") if row[side] is not None}
        ids = [row["id"] if about.person == "id" else found.get(about.person) for found in values.values()]
        if not any(map(self.is_person, ids)):
            return row
        kept = {name: json.dumps({n: v for n, v in found.items() if n not in about.personal_columns})
                for name, found in values.items()}  # fmt: skip
        return {**row, **kept}

    def _is_about(self, table: str, reject: Reject) -> bool:
        """Whether a row is about a forgotten person: by the id of the person, or the address where there is no id."""
        row = _object(reject.raw)
        person = self.schemas[table].person if table in self.schemas else ""
        identifier = whole_id(reject.record_id if person == "id" else row.get(person))
        if identifier is not None:
            return bool(person) and self.is_person(identifier)
        return any(map(self.is_address, emails_in([row])))


NOBODY = Forgotten()


def people_file(settings: Settings) -> Path:
    """The file of digests."""
    return settings.warehouse_dir / FORGOTTEN / FILE


def read_forgotten(settings: Settings, schemas: Mapping[str, TableSchema]) -> Forgotten:
    """Who was forgotten in this deployment. Raises: ConfigurationError where the file cannot be read."""
    path = people_file(settings)
    content = read_regular(path)
    if content is None and not path.exists():
        return Forgotten(schemas=schemas)
    try:
        document = json.loads(content or b"")
        return Forgotten(str(document["salt"]), frozenset(map(str, document["people"])), schemas)
    except (ValueError, LookupError, TypeError, RecursionError):
        raise ConfigurationError(
            f"{path} cannot be read; without it, people who were forgotten would come back.",
            "Copy it from a backup: `private/forgotten/people.json` in a folder that `referrals backup` made.",
        ) from None


def write_forgotten(settings: Settings, forgotten: Forgotten) -> None:
    """Write the digests, whole or not at all."""
    path = people_file(settings)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_whole_file(path, json.dumps({"salt": forgotten.salt, "people": sorted(forgotten.digests)}, indent=2) + "\n")


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def whole_id(value: Any) -> int | None:
    """The id that a value means, such as 7, 7.0, "7" and "7.0"; None where it is none."""
    try:
        return None if isinstance(value, bool) else read_int(value)
    except ValueError:
        found = WHOLE.fullmatch(value.strip()) if isinstance(value, str) else None
        return id_in(found[1]) if found else None


def _address(email: str) -> str:
    return email.strip().casefold()


def emails_in(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The addresses in rows."""
    for row in rows:
        for name in ("email", "recipient_email"):
            if isinstance(row.get(name), str) and row[name]:
                yield row[name]
