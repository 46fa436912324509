"""Upgrades a load file of an earlier version in place, after a copy of it was made.

An upgrade is one transaction with the new version in it, so that a kill leaves the old file or the new one. Knows what
differs between versions, and no stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import duckdb

from referral_warehouse.load.storage.column_upgrade import has_narrow_amounts, widen_amounts
from referral_warehouse.workspace.durable_files import copy_file, sync_file
from referral_warehouse.workspace.load_file_version import (
    LOAD_FILE_VERSION,
    VERSION_TABLE,
    copy_before_upgrade,
    stored_version,
)
from referral_warehouse.workspace.removal import remove

UPGRADES: dict[int, Callable[[duckdb.DuckDBPyConnection], None]] = {1: widen_amounts}
"""Version → the function that upgrades a file of it to the next one, without a transaction of its own."""


def version_of(connection: duckdb.DuckDBPyConnection) -> tuple[int, bool]:
    """The version of an open load file, and whether it is stored in the file.

    A file without a stored version is recognised by its columns.
    """
    [(catalog,)] = connection.execute("select current_database()").fetchall()
    found = stored_version(connection, str(catalog))
    if found is not None:
        return found, True
    return (1 if has_narrow_amounts(connection) else 2), False


def keep_copy(path: Path, version: int) -> Path:
    """Copy a load file that nobody has open, and that has no log, before it is upgraded. Raises: OSError.

    Returns: the copy, which the next successful load removes.
    """
    copy = copy_before_upgrade(path, version)
    draft = copy.with_name(f"{copy.name}.new")
    remove(draft)
    copy_file(path, draft)
    draft.replace(copy)
    sync_file(path.parent)
    return copy


def upgrade(connection: duckdb.DuckDBPyConnection, version: int) -> None:
    """Upgrade a file of an earlier version to the current one, and write the version into it.

    Raises: duckdb.Error; the file is as before then.
    """
    connection.execute("begin")
    for step in range(version, LOAD_FILE_VERSION):
        UPGRADES[step](connection)
    connection.execute(f"create or replace table main.{VERSION_TABLE} as select {LOAD_FILE_VERSION} as version")
    connection.execute("commit")


def remove_copies(copies: Iterable[Path]) -> None:
    """Remove copies that were made before upgrades; what cannot be removed is left to the next call."""
    for copy in copies:
        remove(copy)
