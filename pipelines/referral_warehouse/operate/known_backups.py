"""The directories that backups of a warehouse were made in, as far as it knows: a list in its folder ``state``.

Knows names of directories and of backups, and no content of one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.operate.backup_directory import BackupDirectory
from referral_warehouse.workspace.durable_files import write_whole_file
from referral_warehouse.workspace.file_kinds import read_regular
from referral_warehouse.workspace.removal import reason

FILE = "backups.json"


@dataclass(frozen=True, slots=True)
class KnownBackups:
    """The backups in a directory, the oldest first; None where the directory cannot be read now."""

    directory: Path
    names: list[str] | None


def known_directories(state_dir: Path) -> list[Path]:
    """The directories, sorted; none where the list cannot be read."""
    try:
        found = json.loads(read_regular(state_dir / FILE) or b"[]")
        return sorted({Path(name) for name in found if isinstance(name, str)})
    except (ValueError, TypeError, RecursionError):
        return []


def remembered(state_dir: Path, directories: Sequence[Path]) -> list[str]:
    """Add directories to the list. Returns: what went wrong, in words."""
    before = known_directories(state_dir)
    names = sorted({*before, *directories})
    try:
        if names != before:
            write_whole_file(state_dir / FILE, json.dumps([str(name) for name in names], indent=2) + "\n")
    except OSError as error:
        return [f"that there are backups in {directories[-1]} could not be recorded ({reason(error)})"]
    return []


def known_backups(state_dir: Path) -> list[KnownBackups]:
    """What is in these directories now; an empty one may be where a disk is not connected."""
    found = []
    for directory in known_directories(state_dir):
        try:
            names = BackupDirectory(directory).names() if directory.is_dir() else None
        except ConfigurationError:
            names = None
        found.append(KnownBackups(directory, names))
    return found
