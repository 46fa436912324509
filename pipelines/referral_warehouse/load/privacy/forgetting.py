"""Forgets people in the load file: their rows keep amounts and ids, and lose personal values.

Digests of their ids and addresses are written first, so that no personal value of theirs is stored from then on. Every
step can be repeated after an interruption. Knows the load file and dlt's folder, and nothing that is published.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from referral_warehouse.load.privacy.aging import AgeLimits
from referral_warehouse.load.privacy.forgotten import emails_in, read_forgotten, write_forgotten
from referral_warehouse.load.privacy.mentions import without_mentions
from referral_warehouse.load.privacy.people import Rows, held_rows_of
from referral_warehouse.load.privacy.rewriting import Change, rewrite_load_file
from referral_warehouse.load.privacy.stored_policy import FORGOTTEN, log_rewriting, read_stored, write_stored
from referral_warehouse.load.records.run_tables import RUNS
from referral_warehouse.load.records.schema import EXTRA, OBSERVATIONS, QUARANTINE, ROW_VERSION, TableSchema
from referral_warehouse.load.storage.load_file import LoadFile
from referral_warehouse.load.storage.load_pipeline import LoadPipeline
from referral_warehouse.load.storage.stored_rows import DATASET
from referral_warehouse.settings import Settings
from referral_warehouse.sql_quoting import identifier
from referral_warehouse.workspace.file_kinds import remove_or_raise

LEFT_OUT = "(left out)"
NO_AGE_LIMITS = AgeLimits()
SHORTEST_VALUE = 4
"""Shorter values are not searched in error texts, because they occur in other words."""


def load_packages(settings: Settings, schemas: Mapping[str, TableSchema]) -> None:
    """Load packages that an earlier run left in dlt's folder, so that the folder can be removed."""
    with LoadFile(settings.load_path) as load_file:
        LoadPipeline(load_file, settings.state_dir, schemas).drain()
        load_file.connection.execute("checkpoint")


def record_people(settings: Settings, schemas: Mapping[str, TableSchema], held: Mapping[int, dict[str, Rows]]) -> None:
    """Write the digests by which later rows of these people are recognised.

    Args:
        settings: of the warehouse.
        schemas: the raw tables.
        held: for each person, the rows in the load file by table.
    """
    emails = {
        user_id: set(emails_in([row for rows in tables.values() for row in rows])) for user_id, tables in held.items()
    }
    write_forgotten(settings, read_forgotten(settings, schemas).with_people(emails))


def personal_texts(schemas: Mapping[str, TableSchema], held: Mapping[int, dict[str, Rows]]) -> list[str]:
    """All personal values of these people as text, the longest first."""
    found = {
        str(row[name])
        for tables in held.values()
        for table, rows in tables.items()
        for row in rows
        for name in schemas[table].personal_columns
        if row.get(name) is not None
    }
    return sorted((text for text in found if len(text) >= SHORTEST_VALUE), key=len, reverse=True)


def erase_stored(
    settings: Settings, schemas: Mapping[str, TableSchema], texts: list[str], age_limits: AgeLimits = NO_AGE_LIMITS
) -> None:
    """Rewrite the load file without personal values of everybody who was forgotten, and remove dlt's folder.

    Args:
        settings: of the warehouse.
        schemas: the raw tables.
        texts: personal values that error texts of runs may quote.
        age_limits: texts that are removed because they are too old.
    """
    erased = erasing(settings, schemas, age_limits)
    with LoadFile(settings.load_path) as load_file:
        stored = read_stored(load_file.connection)
        load_file.connection.execute("checkpoint")

    def change(schema: TableSchema, rows: pa.Table) -> pa.Table:
        return _without_texts(erased(schema, rows), texts) if schema.name == RUNS.name else erased(schema, rows)

    def state(connection: duckdb.DuckDBPyConnection) -> None:
        write_stored(connection, stored)
        log_rewriting(connection, FORGOTTEN)

    remove_or_raise(settings.state_dir / "dlt")
    rewrite_load_file(settings.load_path, {**schemas, RUNS.name: RUNS}, change, state)


def erasing(settings: Settings, schemas: Mapping[str, TableSchema], age_limits: AgeLimits = NO_AGE_LIMITS) -> Change:
    """The change of rows that removes values of forgotten people, and texts that are too old."""
    forgotten = read_forgotten(settings, schemas)

    def change(schema: TableSchema, rows: pa.Table) -> pa.Table:
        return age_limits.rows(schema, without_mentions(forgotten, schema, forgotten.rows(schema, rows)))

    return change


def still_held(settings: Settings, schemas: Mapping[str, TableSchema], user_ids: Collection[int]) -> list[str]:
    """Fields of the load file that have a personal value of one of these people."""
    with duckdb.connect(str(settings.load_path), read_only=True) as connection:
        held = held_rows_of(connection, schemas, user_ids)
    return sorted({
        f"{table}.{name}"
        for tables in held.values()
        for table, rows in tables.items()
        for row in rows
        for name in schemas[table].personal_columns
        if table not in (QUARANTINE.name, OBSERVATIONS.name) and row.get(name) is not None
    })  # fmt: skip


def load_totals(settings: Settings, schemas: Mapping[str, TableSchema]) -> dict[str, Any]:
    """Rows, sums of amounts and a digest of all that is not personal, for each raw table."""
    with duckdb.connect(str(settings.load_path), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        return {name: found for name, schema in schemas.items() if (found := _totals(connection, schema)) is not None}


def _totals(connection: duckdb.DuckDBPyConnection, schema: TableSchema) -> dict[str, Any] | None:
    present = [
        name for (name,) in connection.execute(
            "select column_name from duckdb_columns() where schema_name = ? and table_name = ?", [DATASET, schema.name]
        ).fetchall()
    ]  # fmt: skip
    if not present:
        return None
    left_out = {
        *schema.personal_columns,
        ROW_VERSION,
        EXTRA,
        *(("key", "record_id") if schema.name == "quarantine" else ()),
    }
    kept = ", ".join(identifier(name) for name in present if name not in left_out)
    amounts = [field.name for field in schema.fields if field.kind == "money" and field.name in present]
    sums = "".join(f", coalesce(sum({identifier(name)}), 0)::varchar" for name in amounts)
    table = f"{DATASET}.{identifier(schema.name)}"
    row = (
        connection.execute(f"select count(*), sum(hash({kept})::hugeint)::varchar{sums} from {table}").fetchone() or ()
    )
    return {"rows": row[0], "digest": row[1], **dict(zip(amounts, row[2:], strict=True))}


def _without_texts(rows: pa.Table, texts: list[str]) -> pa.Table:
    index = rows.column_names.index("error")
    errors = rows.column(index)
    all_errors = "\n".join(error for error in errors.to_pylist() if error is not None)
    for text in texts:
        if text in all_errors:
            errors = pc.replace_substring(errors, text, LEFT_OUT)
    return rows.set_column(index, rows.schema.field(index), errors)
