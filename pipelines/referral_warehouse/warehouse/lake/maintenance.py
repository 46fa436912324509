"""Keeps a lake small: merges small files, expires versions that retention does not keep, and removes unneeded files.

A version that is kept stays readable with ``AT``, unless its snapshot was rewritten since, as when a person is
forgotten. Each step is one transaction of the catalog, or removes files that the catalog no longer names, so that the
next run completes a killed one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from referral_warehouse.warehouse.connection import first_line
from referral_warehouse.warehouse.lake.connection import data_path
from referral_warehouse.warehouse.lake.state import LakeSnapshot, all_versions, lake_snapshots
from referral_warehouse.warehouse.models import PUBLISHED_LAYERS
from referral_warehouse.warehouse.published_snapshot import manifest_sha256

if TYPE_CHECKING:
    from collections.abc import Set

    import duckdb

    from referral_warehouse.settings import Settings

ORPHAN_AGE = timedelta(days=1)
"""A file that the catalog does not name is a leftover of a killed publication; a younger one may still be written."""


class UnexpectedFiles(Exception):
    """WAREHOUSE__LAKE_DATA has files that a lake would not have written there."""


@dataclass(frozen=True, slots=True)
class Maintenance:
    """The result: how many versions were expired and how many files were removed, and which steps failed and why."""

    expired: int
    removed: int
    problems: tuple[str, ...] = ()


def maintain(
    lake: duckdb.DuckDBPyConnection,
    settings: Settings,
    pinned: Set[int] | None,
    *,
    compact: bool,
    now: datetime | None = None,
) -> Maintenance:
    """Do all steps of the maintenance; the caller holds the lock of the lake.

    Args:
        pinned: numbers of snapshots that stay, whatever their age; None where they are not known: then all stay.
        compact: also merge small files and look for orphaned ones, which lists all files of the lake.
        now: the time on this machine, for tests.

    Returns: what was done, and what failed; the publication is not affected by that.
    """
    import duckdb

    now = now or datetime.now(UTC)
    problems: list[str] = []

    def tried(step: Callable[[], int]) -> int:
        try:
            return step()
        except (duckdb.Error, OSError, UnexpectedFiles) as error:
            problems.append(first_line(error))
            return 0

    if compact:
        tried(lambda: _compact(lake))
    expired = tried(lambda: _expire(lake, settings, pinned, now))
    removed = tried(lambda: _remove_old(lake, now - timedelta(minutes=settings.snapshot_grace_minutes)))
    if compact:
        removed += tried(lambda: _remove_orphans(lake, settings, now - ORPHAN_AGE))
    return Maintenance(expired, removed, tuple(problems))


def kept_versions(
    lake: duckdb.DuckDBPyConnection, settings: Settings, pinned: Set[int] | None, now: datetime
) -> dict[int, int]:
    """The versions that stay, by the same retention as snapshots: number of the snapshot → version of the lake.

    A version whose snapshot was rewritten since does not stay, pinned or not.
    """
    found = [one for one in lake_snapshots(lake) if not _is_rewritten(settings, one)]
    kept = {one.snapshot: one.version for one in found[-settings.keep_snapshots :]}
    kept |= {one.snapshot: one.version for one in found if pinned is None or one.snapshot in pinned}
    grace = timedelta(minutes=settings.snapshot_grace_minutes)
    for one, following in itertools.pairwise(found):
        if timedelta(0) <= now - following.committed_at < grace:
            kept[one.snapshot] = one.version
    return kept


def _is_rewritten(settings: Settings, one: LakeSnapshot) -> bool:
    """Whether the manifest of the snapshot in the directory differs from the one that was published to the lake."""
    return manifest_sha256(settings, one.snapshot) not in (None, one.manifest_sha256)


def _compact(lake: duckdb.DuckDBPyConnection) -> int:
    """Merge small files of a table that follow one another."""
    return len(lake.execute("call ducklake_merge_adjacent_files('lake')").fetchall())


def _expire(lake: duckdb.DuckDBPyConnection, settings: Settings, pinned: Set[int] | None, now: datetime) -> int:
    """Expire versions that are not kept: those of older publications, and those between publications."""
    *older, _ = all_versions(lake)
    kept = set(kept_versions(lake, settings, pinned, now).values())
    expired = [version for version in older if version not in kept]
    if expired:
        lake.execute(f"call ducklake_expire_snapshots('lake', versions => {expired})")
    return len(expired)


def _remove_old(lake: duckdb.DuckDBPyConnection, before: datetime) -> int:
    """Remove the files that no version has needed since a time."""
    return len(lake.execute("call ducklake_cleanup_old_files('lake', older_than => ?)", [before]).fetchall())


def _remove_orphans(lake: duckdb.DuckDBPyConnection, settings: Settings, before: datetime) -> int:
    """Remove files that the catalog does not name. Raises: UnexpectedFiles where one of them may belong to others."""
    call = "call ducklake_delete_orphaned_files('lake', dry_run => {}, older_than => ?)"
    found = [str(row[0]) for row in lake.execute(call.format("true"), [before]).fetchall()]
    foreign = [path for path in found if not _is_of_a_table(path.removeprefix(data_path(settings)))]
    if foreign:
        raise UnexpectedFiles(f"{foreign[0]} is not a file of this lake, so no orphaned file was removed")
    return len(lake.execute(call.format("false"), [before]).fetchall()) if found else 0


def _is_of_a_table(name: str) -> bool:
    """Whether a path below the data is that of a file of a table: schema, table, file."""
    parts = name.split("/")
    return len(parts) == 3 and parts[0] in PUBLISHED_LAYERS and parts[2].startswith("ducklake-")
