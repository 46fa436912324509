"""Lists what belongs to a backup of a warehouse: the private files and the published ones. Reads no content.

The draft, the lock and temporary files are left out, and so are files of other programs in the directory.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from referral_warehouse.warehouse.snapshots import snapshot_numbers, write_ahead_log
from referral_warehouse.workspace.current_snapshot import (
    DATABASE,
    FEEDS,
    MANIFEST,
    REPORT,
    SNAPSHOTS,
    current_number,
    folder_name,
)
from referral_warehouse.workspace.directories import FORGOTTEN, FORGOTTEN_JOURNAL, STATE

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings

PRIVATE, PUBLISHED = "private", "published"
LINKS = (DATABASE, FEEDS, REPORT)
LOCK = "lock"
TEMPORARY = re.compile(r"\..+\.new(-\d+)?")
FileState = tuple[int, int, int, int]
"""Size (bytes), mtime and ctime (ns since 1970), and inode number of a file. A write changes at least one of them."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to back up, and its state when it was listed."""

    path: Path
    state: FileState


@dataclass(frozen=True, slots=True)
class Contents:
    """What a warehouse holds at one time.

    Attributes:
        snapshot: the number of the published snapshot; None where nothing is published.
        files: by the name that each has in a backup.
        folders: below ``private/state``, empty ones too, by the name that each has in a backup.
        links: the public links, name → target.
    """

    snapshot: int | None
    files: dict[str, Source] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)

    @property
    def private(self) -> dict[str, Source]:
        """The files that each run changes."""
        return {name: source for name, source in self.files.items() if name.startswith(f"{PRIVATE}/")}

    @property
    def frozen(self) -> dict[str, Source]:
        """The files of snapshots, which never change."""
        return {name: source for name, source in self.files.items() if is_frozen(name)}


def is_frozen(name: str) -> bool:
    """Whether a file of a backup belongs to a snapshot."""
    return name.startswith(f"{PUBLISHED}/{SNAPSHOTS}/")


def contents_of(settings: Settings) -> Contents:
    """List what a warehouse holds now. A caller without the lock may use ``frozen`` alone.

    Raises: ConfigurationError where another file has the name of the link to the warehouse; OSError.
    """
    number = current_number(settings.published_dir)
    found = Contents(number)
    for path in (settings.load_path, write_ahead_log(settings.load_path)):
        _add(found, f"{PRIVATE}/{path.name}", path)
    found.folders.extend(_state_folders(settings.state_dir))
    for path in _files_below(settings.state_dir):
        _add(found, f"{PRIVATE}/{STATE}/{path.relative_to(settings.state_dir).as_posix()}", path)
    for path in _files_below(settings.warehouse_dir / FORGOTTEN):
        if path.name != FORGOTTEN_JOURNAL:
            _add(found, f"{PRIVATE}/{FORGOTTEN}/{path.name}", path)
    if number is None:
        return found
    for kept in snapshot_numbers(settings):
        folder = settings.snapshots_dir / folder_name(kept)
        if kept <= number and (folder / DATABASE).exists():  # without it: remains of a snapshot that was removed
            for path in _files_below(folder):
                _add(found, f"{PUBLISHED}/{SNAPSHOTS}/{folder.name}/{path.relative_to(folder).as_posix()}", path)
    _add(found, f"{PUBLISHED}/{MANIFEST}", settings.manifest_path)
    for name in LINKS:
        link = settings.published_dir / name
        if link.is_symlink():
            found.links[name] = str(link.readlink())
    return found


def _state_folders(state_dir: Path) -> Iterator[str]:
    """The folder of the state and all folders below it, by the name that each has in a backup."""
    for folder, folders, _ in os.walk(state_dir, onerror=_raise_unless_missing):
        folders.sort()
        inner = Path(folder).relative_to(state_dir).as_posix()
        yield f"{PRIVATE}/{STATE}" + ("" if inner == "." else f"/{inner}")


def _files_below(root: Path) -> Iterator[Path]:
    """The files below a folder, except for temporary files and the lock."""
    for folder, folders, names in os.walk(root, onerror=_raise_unless_missing):
        folders.sort()
        for name in sorted(names):
            if not TEMPORARY.fullmatch(name) and (folder, name) != (str(root), LOCK):
                yield Path(folder) / name


def _add(found: Contents, name: str, path: Path) -> None:
    """Add a file; links and what is no regular file are left out, and so is a file that is gone."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISREG(status.st_mode):
        found.files[name] = Source(path, (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino))


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
