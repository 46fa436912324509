"""Rewrites the load file with other values, into a new file, so that no free block keeps an old value.

The new file replaces the old one by a rename. If that is killed, the old file stays, and the next rewriting starts from
the beginning. Rows of dlt's staging tables are not copied: dlt fills them for each package. Copies from before an
upgrade are removed. Knows tables and rows, not why they change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa

from referral_warehouse.errors import ReferralsError
from referral_warehouse.load.records.row_version import with_current_versions
from referral_warehouse.load.records.schema import TableSchema
from referral_warehouse.load.storage.load_file_upgrade import remove_copies
from referral_warehouse.load.storage.stored_rows import DATASET
from referral_warehouse.rewritten_database import copy_changed_rows, copy_rows, empty_copy
from referral_warehouse.sql_quoting import identifier
from referral_warehouse.workspace.disk_space import disk_full_error
from referral_warehouse.workspace.durable_files import sync_file
from referral_warehouse.workspace.file_kinds import remove_or_raise
from referral_warehouse.workspace.load_file_version import copies_before_upgrades

Change = Callable[[TableSchema, pa.Table], pa.Table]
"""Makes the new rows of a raw table; it gets some at a time, with all their columns."""

STAGING = "_staging"


def rewrite_load_file(
    path: Path, schemas: Mapping[str, TableSchema], change: Change, state: Callable[[duckdb.DuckDBPyConnection], object]
) -> None:
    """Put a file with changed rows in the place of a load file that nobody has open.

    Args:
        path: the load file, without a log of changes beside it.
        schemas: the raw tables that may change; all others are copied.
        change: makes the new rows of these.
        state: writes what else belongs into the new file, into the schema ``raw``.

    Raises: DiskFull, ReferralsError; the old file is untouched then.
    """
    new = path.with_name(f"{path.name}.new")
    discard_unfinished(path)
    try:
        with empty_copy(path, new) as connection:
            _copy(connection, schemas, change)
            connection.execute("use new")
            state(connection)
            connection.execute("checkpoint new")
    except duckdb.Error as error:
        discard_unfinished(path)
        raise disk_full_error(error, f"{new} could not be written") or ReferralsError(
            f"The load file could not be rewritten ({type(error).__name__}); it is as it was.",
            "Run the same command again; report this if it happens again.",
        ) from error
    new.chmod(0o600)
    sync_file(new)
    new.replace(path)
    sync_file(path.parent)
    remove_copies(copies_before_upgrades(path))


def discard_unfinished(path: Path) -> None:
    """Remove the files of a rewriting that was killed."""
    for name in (f"{path.name}.new", f"{path.name}.new.wal"):
        remove_or_raise(path.with_name(name))


def _copy(connection: duckdb.DuckDBPyConnection, schemas: Mapping[str, TableSchema], change: Change) -> None:
    tables = connection.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = 'old' and not internal "
        "and not ends_with(schema_name, ?) order by all",
        [STAGING],
    ).fetchall()
    for schema, table in tables:
        place = f"{identifier(schema)}.{identifier(table)}"
        if schema == DATASET and table in schemas:
            copy_changed_rows(connection, place, partial(_changed, schemas[table], change))
        else:
            copy_rows(connection, place)


def _changed(schema: TableSchema, change: Change, rows: pa.Table) -> pa.Table:
    return with_current_versions(schema, change(schema, rows))
