"""Removes from the file of a catalog what deleted rows left in it; the catalog must not be open in this process then.

The catalog has the least and the greatest value of each column of each data file, and rows of small tables. Knows no
table: the caller says when rows were deleted.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from referral_warehouse.settings import Settings
from referral_warehouse.settings.lake_target import SQLITE
from referral_warehouse.sql_quoting import literal
from referral_warehouse.warehouse.connection import first_line
from referral_warehouse.workspace.durable_files import sync_file

WAIT_FOR_READERS_S = 5.0


def clean_catalog_file(settings: Settings) -> str | None:
    """Write the file of the catalog without free space. Returns: why that failed, if it did; the file is as it was.

    The free space of PostgreSQL is the server's own.
    """
    catalog = settings.lake_catalog
    if catalog is None or catalog.path is None or not catalog.path.is_file():
        return None
    import duckdb

    try:
        _vacuum(catalog.path) if catalog.kind == SQLITE else _copy(catalog.path)
    except (sqlite3.Error, duckdb.Error, OSError) as error:
        return f"deleted rows may be in the free space of {catalog.path} ({first_line(error)})"
    return None


def _vacuum(path: Path) -> None:
    with closing(sqlite3.connect(path, timeout=WAIT_FOR_READERS_S, isolation_level=None)) as connection:
        connection.execute("vacuum")
        is_busy, *_ = connection.execute("pragma wal_checkpoint(truncate)").fetchone() or (0,)
        if is_busy:
            raise sqlite3.OperationalError("a reader has the file open")


def _copy(path: Path) -> None:
    """Replace a file of DuckDB by a copy: DuckDB has no other way to remove the contents of free blocks."""
    import duckdb

    path = path.resolve()  # a link stays a link
    new = path.with_name(f"{path.name}.new")
    try:
        for name in (new, new.with_name(f"{new.name}.wal")):
            name.unlink(missing_ok=True)
        with duckdb.connect(":memory:", config={"threads": 1}) as connection:
            connection.execute(f"attach {literal(str(path))} as old (read_only)")
            connection.execute(f"attach {literal(str(new))} as new")
            connection.execute("copy from database old to new")
            connection.execute("checkpoint new")
            _give_access(new, path.stat())
            sync_file(new)
            new.replace(path)
        sync_file(path.parent)
    finally:
        new.unlink(missing_ok=True)


def _give_access(new: Path, old: os.stat_result) -> None:
    with suppress(PermissionError):
        os.chown(new, -1, old.st_gid)
    new.chmod(old.st_mode & 0o777)
