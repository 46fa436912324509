"""Feeds: every published table as one Parquet file, and the manifest that says what they hold.

Knows a DuckDB file that is complete; knows nothing of how it was built or which snapshot is current.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from referral_warehouse.display_text import json_text
from referral_warehouse.sql_quoting import literal
from referral_warehouse.warehouse.snapshots import sync_folder
from referral_warehouse.workspace.file_kinds import read_regular, set_aside_unless_file, set_aside_unless_folder
from referral_warehouse.workspace.removal import free_name, remove

if TYPE_CHECKING:
    import duckdb

SCHEMA_VERSION = 2
"""Grows when a published column changes its name, type or meaning; new columns and tables leave it."""

TABLE_NAME = re.compile(r"[a-z_]+\.[a-z0-9_]+")
LARGEST_NUMBER = 10**12
"""No directory has seen so many publications: a larger snapshot number comes from a damaged manifest."""

ORIGIN_KEYS = ("synced_at", "built_at", "load_version", "models_version", "waiting_changes", "reward_units")


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


def manifest_of(number: int, warehouse: str, origin: Mapping[str, Any], feeds: list[Feed]) -> dict[str, Any]:
    """What readers of a publication may rely on; the order of keys is fixed.

    ``origin`` holds synced_at (the server's time the data is true for), built_at (this machine's), both UTC, and the
    versions of what it was built from: load_version and models_version; waiting_changes counts reward changes that
    wait for a sync of both reward lists; reward_units is the setting of that name.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "snapshot": number,
        "warehouse": warehouse,
        **{key: origin.get(key) for key in ORIGIN_KEYS},
        "tables": {
            feed.table: {"rows": feed.rows, "feed": f"feeds/{feed.file_name}", "checksum": f"sha256:{feed.sha256}"}
            for feed in sorted(feeds, key=lambda feed: feed.table)
        },
    }


def write_manifest(path: Path, manifest: Mapping[str, Any]) -> None:
    """Write a JSON document so that a reader sees the old one or the new one, never half."""
    temporary = free_name(path.with_name(f".{path.name}.new"))
    if path.is_dir():
        set_aside_unless_file(path)
    with temporary.open("w", encoding="utf-8") as stream:
        stream.write(json_text(dict(manifest), indent=True) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    temporary.chmod(0o600)
    temporary.replace(path)
    sync_folder(path.parent)


def read_manifest(path: Path) -> dict[str, Any] | None:
    """The manifest, or None where there is none or it is not readable as one (then it is written anew)."""
    try:
        document = json.loads((read_regular(path) or b"").decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return document if _is_manifest(document) else None


def _is_manifest(document: Any) -> bool:
    """Whether all that is read from a manifest is of the kind that was written."""
    if not isinstance(document, dict):
        return False
    number, tables = document.get("snapshot"), document.get("tables")
    return (
        type(number) is int
        and 0 < number < LARGEST_NUMBER
        and isinstance(tables, dict)
        and all(
            TABLE_NAME.fullmatch(name) is not None
            and isinstance(table, dict)
            and type(table.get("rows")) is int
            and table.get("feed") == f"feeds/{name}.parquet"
            and isinstance(table.get("checksum"), str)
            for name, table in tables.items()
        )
        and all(document.get(key) is None or _is_time(document[key]) for key in ("synced_at", "built_at"))
    )


def _is_time(value: Any) -> bool:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
