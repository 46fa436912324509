"""Feeds: every published table as one Parquet file.

Knows a DuckDB file that is complete; knows nothing of how it was built or which snapshot is current.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from referral_warehouse.sql_quoting import literal
from referral_warehouse.warehouse.snapshots import sync_folder
from referral_warehouse.workspace.file_kinds import set_aside_unless_file, set_aside_unless_folder
from referral_warehouse.workspace.removal import remove

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class Feed:
    """One Parquet file: its table, rows and the SHA-256 of its bytes."""

    table: str
    rows: int
    sha256: str

    @property
    def file_name(self) -> str:
        return f"{self.table}.parquet"


def write_feeds(connection: duckdb.DuckDBPyConnection, catalog: str, folder: Path) -> list[Feed]:
    """Write one file per table of a catalog into an empty folder; readable by the owner alone."""
    from referral_warehouse.warehouse.models import PUBLISHED_LAYERS

    tables = connection.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = ? order by schema_name, table_name",
        [catalog],
    ).fetchall()
    feeds = []
    for schema, table in tables:
        if schema not in PUBLISHED_LAYERS:
            continue
        name = f"{schema}.{table}"
        path = folder / f"{name}.parquet"
        connection.execute(f"copy (select * from {catalog}.{schema}.{table}) to {literal(path)} (format parquet)")
        row = connection.execute(f"select count(*) from {catalog}.{schema}.{table}").fetchone()
        path.chmod(0o600)
        feeds.append(Feed(name, int(row[0]) if row else 0, file_sha256(path)))
    return feeds


def replace_feeds(source: Path, target: Path, feeds: list[Feed]) -> list[str]:
    """Move finished files over the old ones, one atomic step each, then remove files of tables that are no more.

    Returns: which of those could not be removed, in words. Raises: OSError when a file cannot be replaced.
    """
    set_aside_unless_folder(target)
    target.mkdir(mode=0o700, exist_ok=True)
    for feed in feeds:
        if (target / feed.file_name).is_dir():
            set_aside_unless_file(target / feed.file_name)
        (source / feed.file_name).replace(target / feed.file_name)
    wanted = {feed.file_name for feed in feeds}
    stale = [path for path in target.iterdir() if path.name not in wanted and path.suffix == ".parquet"]
    problems = [problem for path in stale if (problem := remove(path))]
    sync_folder(target)
    return problems


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
