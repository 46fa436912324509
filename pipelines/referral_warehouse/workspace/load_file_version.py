"""The schema version of the load file, which is stored in a table of the file; opens no database."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from referral_warehouse.errors import ConfigurationError

LOAD_FILE_VERSION = 2
"""Increases when older programs cannot read the file any more, or newer ones have to upgrade it first."""

VERSION_TABLE = "load_file_version"
"""One row: ``version``. In the schema ``main``, since dlt changes its own schema itself."""

COPY_MARK = ".version-"


class Connection(Protocol):
    """A connection of DuckDB."""

    def execute(self, query: str, parameters: Any = None) -> Any: ...


def stored_version(connection: Connection, catalog: str) -> int | None:
    """The version in an open load file; None where it has none, as those of earlier programs.

    Raises: the errors of the database.
    """
    has_table = connection.execute(
        "select 1 from duckdb_tables() where database_name = ? and schema_name = 'main' and table_name = ?",
        [catalog, VERSION_TABLE],
    ).fetchone()
    row = connection.execute(f'select version from "{catalog}".main.{VERSION_TABLE}').fetchone() if has_table else None
    return int(row[0]) if row else None


def copy_before_upgrade(load_path: Path, version: int) -> Path:
    """The name of the copy that is made before a file of that version is upgraded."""
    return load_path.with_name(f"{load_path.name}{COPY_MARK}{version}")


def copies_before_upgrades(load_path: Path) -> list[Path]:
    """The copies that were made before upgrades, and what a kill left of one."""
    return sorted(load_path.parent.glob(f"{load_path.name}{COPY_MARK}*"))


def refuse_newer(where: Path, version: int) -> None:
    """Raises: ConfigurationError when a newer program wrote the load file at ``where``."""
    if version > LOAD_FILE_VERSION:
        raise ConfigurationError(
            f"{where} has version {version} of the load file, and this program supports versions up to "
            f"{LOAD_FILE_VERSION}.",
            "Install the newer version of referral-warehouse that wrote it, or restore an older backup "
            "(`referrals restore`).",
        )
