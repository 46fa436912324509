"""Copies the kept snapshots of the directory into the lake: one version for each, oldest first.

Every version is then compared with its snapshot by a checksum of all rows. Versions that the lake has already are not
written again, so that an interrupted migration can be continued. Removes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from referral_warehouse.errors import SnapshotDamaged
from referral_warehouse.sql_quoting import literal
from referral_warehouse.warehouse.lake.publication import digest_of_rows, publish_to_lake
from referral_warehouse.warehouse.lake.state import lake_snapshots, lake_state
from referral_warehouse.warehouse.published_snapshot import PublishedSnapshot, published_snapshot
from referral_warehouse.warehouse.snapshots import snapshot_numbers
from referral_warehouse.warehouse.whole_read import read_whole
from referral_warehouse.workspace.current_snapshot import DATABASE, current_number, folder_name

if TYPE_CHECKING:
    import duckdb

    from referral_warehouse.settings import Settings


@dataclass(slots=True)
class Migration:
    """The result of a migration, as numbers of snapshots.

    Attributes:
        written: those that got a version now.
        there: those that had one before.
        too_old: those that got none, because they are older than the snapshot that the lake showed before, and a
            version can only be added at the end.
        only_in_lake: those that have a version in the lake, but are no longer in the directory.
        differing: those whose version is not equal, with the tables that differ.
    """

    written: list[int] = field(default_factory=list)
    there: list[int] = field(default_factory=list)
    too_old: list[int] = field(default_factory=list)
    only_in_lake: list[int] = field(default_factory=list)
    differing: dict[int, list[str]] = field(default_factory=dict)


def take_history(
    lake: duckdb.DuckDBPyConnection, settings: Settings, refuse_lost_lock: Callable[[], None]
) -> Migration:
    """Write a version for each kept snapshot; the caller holds the lock of the lake.

    Args:
        lake: a connection with the lake attached.
        settings: of the warehouse.
        refuse_lost_lock: raises LakeUnavailable if the lock of the lake was lost.

    Returns: what was written; pass it to ``compare_history``, which compares it with the snapshots.
    Raises: as ``publish_to_lake``; SnapshotDamaged when a snapshot has no readable manifest.
    """
    found = Migration()
    state = lake_state(lake)
    known = {one.manifest_sha256 for one in lake_snapshots(lake)}
    for wanted in _kept(settings):
        if wanted.sha256 in known:
            found.there.append(wanted.number)
        elif state is not None and wanted.number < state.snapshot:
            found.too_old.append(wanted.number)
        else:
            with _naming_damage(settings, wanted):
                publish_to_lake(lake, settings, wanted, refuse_lost_lock)
            found.written.append(wanted.number)
    return found


def compare_history(lake: duckdb.DuckDBPyConnection, settings: Settings, found: Migration) -> None:
    """Compare every version with its snapshot, and write the result into ``found``."""
    versions = {one.manifest_sha256: one for one in lake_snapshots(lake)}
    kept = {wanted.sha256: wanted for wanted in _kept(settings)}
    found.only_in_lake = [one.snapshot for sha256, one in versions.items() if sha256 not in kept]
    for sha256, wanted in kept.items():
        if sha256 in versions:
            with _naming_damage(settings, wanted):
                differing = _differing(lake, wanted, versions[sha256].version)
            if differing:
                found.differing[wanted.number] = differing


def _kept(settings: Settings) -> list[PublishedSnapshot]:
    """The published snapshots, oldest first. Folders with higher numbers are of publications that did not end."""
    kept = []
    current = current_number(settings.published_dir) or 0
    for number in sorted(one for one in snapshot_numbers(settings) if one <= current):
        wanted = published_snapshot(settings, number)
        if wanted is None:
            raise _damaged(settings, number, "has no readable manifest")
        kept.append(wanted)
    return kept


@contextmanager
def _naming_damage(settings: Settings, wanted: PublishedSnapshot) -> Iterator[None]:
    """Raises: SnapshotDamaged where what fails inside the ``with`` does so because the snapshot cannot be read."""
    import duckdb

    try:
        yield
    except (duckdb.Error, OSError) as error:
        why = read_whole(wanted.folder / DATABASE)
        if why is None:
            raise
        raise _damaged(settings, wanted.number, f"cannot be read as a whole ({why})") from error


def _damaged(settings: Settings, number: int, why: str) -> SnapshotDamaged:
    return SnapshotDamaged(
        f"Snapshot {number} {why}, so that nothing can be compared with it.",
        f"If it is the published one, run `referrals sync`, which repairs it. Otherwise restore a backup, or remove "
        f"the folder {settings.snapshots_dir / folder_name(number)}. Then run the same command again.",
    )


def _differing(lake: duckdb.DuckDBPyConnection, wanted: PublishedSnapshot, version: int) -> list[str]:
    """Tables whose rows in a version are not those of the snapshot."""
    lake.execute(f"attach {literal(wanted.folder / DATABASE)} as snapshot (read_only)")
    try:
        return [
            name
            for name in wanted.manifest["tables"]
            if _digest(lake, f"lake.{name} at (version => {version})") != digest_of_rows(lake, f"snapshot.{name}")
        ]
    finally:
        lake.execute("detach snapshot")


def _digest(lake: duckdb.DuckDBPyConnection, table: str) -> tuple[int, int | None] | None:
    """``digest_of_rows``; None where the version has no such table."""
    import duckdb

    try:
        return digest_of_rows(lake, table)
    except duckdb.CatalogException:
        return None
