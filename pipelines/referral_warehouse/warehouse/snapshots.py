"""Snapshots: numbered read-only files, and the link to the current one.

Every change is one rename, so that a kill leaves the old state or the new one. Knows nothing of a snapshot's content.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.workspace.file_kinds import kind_of
from referral_warehouse.workspace.removal import free_name, remove

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings

SNAPSHOT_NAME = "warehouse.duckdb"
NUMBERED = re.compile(r"[0-9]{6,18}", re.ASCII)


def freeze(settings: Settings, draft: Path, number: int) -> Path:
    """Move the draft to the snapshots, read-only and for its owner alone. The link does not point at it yet."""
    settings.snapshots_dir.mkdir(mode=0o700, exist_ok=True)
    folder = settings.snapshots_dir / folder_name(number)
    folder.mkdir(mode=0o700)
    path = folder / SNAPSHOT_NAME
    _sync_file(draft)
    draft.replace(path)
    path.chmod(0o400)
    return path


def switch_link(settings: Settings, number: int) -> None:
    """Switch the warehouse link to a snapshot atomically, as the last step: after an error nothing is published.

    A power failure may undo it until the folder is synced; the snapshot then was never current.
    """
    sync_folder(settings.snapshots_dir / folder_name(number))
    sync_folder(settings.snapshots_dir)
    temporary = free_name(settings.warehouse_path.with_name(f".{settings.warehouse_path.name}.new"))
    temporary.symlink_to(link_target(number))
    temporary.replace(settings.warehouse_path)


def retain(settings: Settings, current: int) -> list[str]:
    """Delete the oldest snapshots beyond the number to keep, never the current one.

    Leftovers of an earlier deletion have no database: they are deleted again and do not count.
    Returns: descriptions of what could not be removed.
    """
    numbers = snapshot_numbers(settings)
    whole = [number for number in numbers if _may_be_whole(settings.snapshots_dir / folder_name(number))]
    kept = {*whole[-settings.keep_snapshots :], current}
    return [
        problem
        for number in numbers
        if number not in kept and (problem := remove(settings.snapshots_dir / folder_name(number)))
    ]


def _may_be_whole(folder: Path) -> bool:
    try:
        return (folder / SNAPSHOT_NAME).exists()
    except OSError:
        return True  # unknown: the folder has another owner


def write_ahead_log(database: Path) -> Path:
    """DuckDB's write-ahead log of a file."""
    return database.with_name(f"{database.name}.wal")


def current_number(settings: Settings) -> int | None:
    """The number of the snapshot that the link points at, even if it does not exist; None without a link.

    A broken link to another place counts as none: the next publication replaces it.
    Raises: ConfigurationError when another file or link has its name.
    """
    link = settings.warehouse_path
    if not link.is_symlink():
        kind = kind_of(link)
        if kind is not None:
            raise ConfigurationError(
                f"{link} is {kind}, not the link that a publication makes.",
                f"Move {link} away and run the command again.",
            )
        return None
    target = link.readlink()
    if NUMBERED.fullmatch(target.parent.name) and target.name == SNAPSHOT_NAME:
        return int(target.parent.name)
    if kind_of(link) != "a broken link":
        raise ConfigurationError(
            f"{link} points at {target}, which is no snapshot of this directory.",
            f"Remove {link} and run the command again: a publication creates the link again.",
        )
    return None


def snapshot_numbers(settings: Settings) -> list[int]:
    """The numbers of all snapshot folders, oldest first; other names are ignored."""
    return sorted(
        int(path.name)
        for path in _numbered(settings)
        if path.is_dir() and not path.is_symlink() and path.name == folder_name(int(path.name))
    )


def next_number(settings: Settings, announced: int) -> int:
    """One more than any number in use, also by other files, and than the one ``announced`` before."""
    return max([announced, *(int(path.name) for path in _numbered(settings))]) + 1


def _numbered(settings: Settings) -> list[Path]:
    if not settings.snapshots_dir.is_dir():
        return []
    return [path for path in settings.snapshots_dir.iterdir() if NUMBERED.fullmatch(path.name)]


def link_target(number: int) -> str:
    """Where the link points, relative to itself, so that the directory can be moved or mounted elsewhere."""
    return f"snapshots/{folder_name(number)}/{SNAPSHOT_NAME}"


def folder_name(number: int) -> str:
    """Folder of a snapshot: six digits, so that names sort like numbers."""
    return f"{number:06d}"


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make renames inside a folder survive a power failure."""
    _sync_file(folder)
