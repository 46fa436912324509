"""Reads from a lake which snapshot it shows, which versions it still has, and which warehouse publishes there.

The two control tables are ``ops.published`` (one row) and ``ops.published_tables`` (one row per table). The commit of
each publication has the number, checksum and time of its snapshot too. Knows no file of the warehouse directory.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

PUBLISHED = "ops.published"
PUBLISHED_TABLES = "ops.published_tables"
CONTROL: dict[str, tuple[str, dict[str, tuple[str, str]]]] = {
    PUBLISHED: (
        "The snapshot that all tables here show. grain: one row. key: snapshot.",
        {
            "snapshot": ("bigint", "number of the snapshot, also in the warehouse directory"),
            "manifest_sha256": ("varchar", "SHA-256 of the snapshot's manifest.json"),
            "synced_at": ("timestamp", "the server's time of the last observation, UTC"),
            "built_at": ("timestamp", "when the tables were built, UTC"),
            "schema_version": (
                "bigint",
                "increases when a published column is removed, or its name, type or meaning changes",
            ),
            "publisher": ("varchar", "random name of the warehouse directory that publishes here"),
        },
    ),
    PUBLISHED_TABLES: (
        "The tables of that snapshot. grain: one row per table. key: table_name.",
        {
            "table_name": ("varchar", "schema and name"),
            "rows_count": ("bigint", "rows of the table"),
            "checksum": (
                "varchar",
                "of the table's feed in the manifest, with a digest of the rows where feeds leave columns out",
            ),
            "key_columns": ("varchar[]", "the columns that identify a row; a lake has no constraints"),
        },
    ),
}
"""Table → its comment and its columns: type and comment."""


@dataclass(frozen=True, slots=True)
class LakeState:
    """The snapshot that a lake shows now. ``checksums`` are those of its tables by name."""

    snapshot: int
    manifest_sha256: str
    publisher: str
    checksums: dict[str, str]


@dataclass(frozen=True, slots=True)
class LakeSnapshot:
    """A publication that the lake still has. ``version`` is the number for ``AT (VERSION => …)``; times are UTC.

    ``manifest_sha256`` is the checksum of the snapshot's manifest when it was published.
    """

    snapshot: int
    version: int
    committed_at: datetime
    synced_at: str | None
    manifest_sha256: str | None = None


def lake_state(lake: duckdb.DuckDBPyConnection) -> LakeState | None:
    """What the lake shows; None where nothing was published there yet."""
    if not lake.execute(
        "select 1 from duckdb_tables() "
        "where database_name = 'lake' and schema_name = 'ops' and table_name = 'published'"
    ).fetchone():
        return None
    row = lake.execute(f"select snapshot, manifest_sha256, publisher from lake.{PUBLISHED}").fetchone()
    if row is None:
        return None
    checksums = dict(lake.execute(f"select table_name, checksum from lake.{PUBLISHED_TABLES}").fetchall())
    return LakeState(int(row[0]), row[1], row[2], checksums)


def lake_snapshots(lake: duckdb.DuckDBPyConnection) -> list[LakeSnapshot]:
    """The publications that the lake has, oldest first; of a snapshot that was published twice only the last one."""
    found: dict[int, LakeSnapshot] = {}
    for version, at, text in lake.execute(
        "select snapshot_id, snapshot_time, commit_extra_info from lake.snapshots() order by snapshot_id"
    ).fetchall():
        info = _read(text)
        number = info.get("snapshot")
        if type(number) is int:
            synced_at, checksum = (
                text if isinstance(text := info.get(name), str) else None for name in ("synced_at", "manifest_sha256")
            )
            found.pop(number, None)
            found[number] = LakeSnapshot(number, int(version), at, synced_at, checksum)
    return list(found.values())


def all_versions(lake: duckdb.DuckDBPyConnection) -> list[int]:
    """All versions that the lake has, oldest first; the last one is what readers see, and cannot be removed."""
    rows = lake.execute("select snapshot_id from lake.snapshots() order by snapshot_id").fetchall()
    return [int(row[0]) for row in rows]


def _read(text: Any) -> dict[str, Any]:
    try:
        found = json.loads(text or "")
    except (TypeError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
