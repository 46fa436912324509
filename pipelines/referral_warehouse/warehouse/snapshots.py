"""Snapshots: numbered folders of read-only files, which are made, opened to readers, and removed.

Knows nothing of a snapshot's content, nor which one is published.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from referral_warehouse.warehouse.pins import UNKNOWN, UNKNOWN_STEP, pinned_numbers
from referral_warehouse.workspace.access import Access
from referral_warehouse.workspace.current_snapshot import (
    DATABASE,
    FEEDS,
    LARGEST_NUMBER,
    NUMBERED,
    folder_name,
)
from referral_warehouse.workspace.durable_files import move, sync_file
from referral_warehouse.workspace.file_kinds import kind_of, read_regular, write_regular
from referral_warehouse.workspace.removal import remove

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings

USED_NUMBERS = "last_number_before_restore"
"""In ``state/``: the largest number of a snapshot that a restore moved away."""


def access_of(settings: Settings) -> Access:
    """Who may read what is published."""
    return Access(None if settings.readers_group is None else settings.readers_group.number)


def freeze(settings: Settings, draft: Path, beside: Path, number: int) -> Path:
    """Move a draft, and what is in the folder ``beside`` it, to the snapshots, read-only. No link points at them yet.

    Returns: the snapshot's database. Raises: ConfigurationError, OSError.
    """
    access = access_of(settings)
    settings.published_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    _open_outer_folder(settings, access)
    settings.snapshots_dir.mkdir(mode=0o700, exist_ok=True)
    folder = settings.snapshots_dir / folder_name(number)
    folder.mkdir(mode=0o700)
    move(draft, folder / DATABASE)
    for path in sorted(beside.iterdir()):
        move(path, folder / path.name)
    for path in _frozen_files(folder):
        access.frozen_file(path)
        sync_file(path)
    for path in (folder / FEEDS, folder, settings.snapshots_dir):
        access.folder(path)
        sync_file(path)
    return folder / DATABASE


def grant(settings: Settings) -> None:
    """Give all published files to the readers that the settings name. Raises: ConfigurationError, OSError."""
    access = access_of(settings)
    if not settings.snapshots_dir.is_dir():
        return
    _open_outer_folder(settings, access)
    access.folder(settings.snapshots_dir)
    for number in snapshot_numbers(settings):
        folder = settings.snapshots_dir / folder_name(number)
        for path in (folder, folder / FEEDS):
            if kind_of(path) == "a directory":
                access.folder(path)
        for path in _frozen_files(folder):
            access.frozen_file(path)
    if kind_of(settings.manifest_path) == "a file":
        access.file(settings.manifest_path)


def retain(settings: Settings, current: int, now: datetime | None = None) -> list[str]:
    """Delete the oldest snapshots beyond the number to keep, never the current, a pinned, or a just replaced one.

    Leftovers of an earlier deletion have no database: they are deleted again and do not count.

    Args:
        current: the number of the published snapshot.
        now: the time on this machine, for tests.

    Returns: descriptions of what could not be removed.
    """
    pinned = pinned_numbers(settings.state_dir)
    if pinned is None:
        return [f"{UNKNOWN}. {UNKNOWN_STEP}"]
    numbers = snapshot_numbers(settings)
    complete = [number for number in numbers if _may_have_database(settings.snapshots_dir / folder_name(number))]
    kept = {*complete[-settings.keep_snapshots :], current, *pinned}
    grace = timedelta(minutes=settings.snapshot_grace_minutes)
    if grace:
        replaced = _replaced_at(settings, complete)
        now = now or datetime.now(UTC)
        # A time in the future comes from another clock; such a snapshot must not stay until then.
        kept |= {number for number, at in replaced.items() if timedelta(0) <= now - at < grace}
    return [
        problem
        for number in numbers
        if number not in kept and (problem := remove(settings.snapshots_dir / folder_name(number)))
    ]


def _open_outer_folder(settings: Settings, access: Access) -> None:
    """Let readers enter the published directory, and nobody but the owner what else is in it."""
    if access.group is not None and settings.published_dir == settings.warehouse_dir:
        for path in (settings.load_path, write_ahead_log(settings.load_path)):
            if path.is_file():
                Access().file(path)
        if settings.state_dir.is_dir():
            Access().folder(settings.state_dir)
    access.outer_folder(settings.published_dir)


def _replaced_at(settings: Settings, numbers: list[int]) -> dict[int, datetime]:
    """When each snapshot was replaced: when the folder of the next one was last changed."""
    found: dict[int, datetime] = {}
    for number, following in itertools.pairwise(numbers):
        try:
            changed = (settings.snapshots_dir / folder_name(following)).stat().st_mtime
        except OSError:
            continue
        found[number] = datetime.fromtimestamp(changed, UTC)
    return found


def _frozen_files(folder: Path) -> list[Path]:
    """The files of a snapshot. Links are left out: what they point at may be anybody's."""
    found: list[Path] = []
    for place in (folder, folder / FEEDS):
        if kind_of(place) == "a directory" and not place.is_symlink():
            found += [path for path in sorted(place.iterdir()) if path.is_file() and not path.is_symlink()]
    return found


def _may_have_database(folder: Path) -> bool:
    try:
        return (folder / DATABASE).exists()
    except OSError:
        return True  # unknown: the folder has another owner


def write_ahead_log(database: Path) -> Path:
    """DuckDB's write-ahead log of a file."""
    return database.with_name(f"{database.name}.wal")


def snapshot_numbers(settings: Settings) -> list[int]:
    """The numbers of all snapshot folders, oldest first; other names are ignored."""
    return sorted(
        int(path.name)
        for path in _numbered(settings)
        if path.is_dir() and not path.is_symlink() and path.name == folder_name(int(path.name))
    )


def next_number(settings: Settings, announced: int) -> int:
    """The number for the next snapshot: one more than any that a name here has or had before a restore.

    Args: ``announced`` is the number that the link or the manifest names; it counts too.
    """
    used = (read_regular(settings.state_dir / USED_NUMBERS) or b"").decode("ascii", "replace").strip()
    before = int(used) if NUMBERED.fullmatch(used) and int(used) < LARGEST_NUMBER else 0
    return max([announced, before, *(int(path.name) for path in _numbered(settings))]) + 1


def remember_numbers(settings: Settings, used: int) -> None:
    """Let no later snapshot have a number up to ``used``: readers may know other data by it. Raises: OSError."""
    write_regular(settings.state_dir / USED_NUMBERS, f"{folder_name(used)}\n")


def _numbered(settings: Settings) -> list[Path]:
    if not settings.snapshots_dir.is_dir():
        return []
    return [path for path in settings.snapshots_dir.iterdir() if NUMBERED.fullmatch(path.name)]
