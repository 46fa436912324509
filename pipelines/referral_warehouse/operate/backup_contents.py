"""What belongs to a backup of a warehouse: the private files and the published ones. Reads names, no content.

The draft, the lock and temporary files are left out; so is what others put into the directory.
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
Look = tuple[int, int, int, int]
"""Size, time of last change, time of last change of the entry (both ns), inode: a file that was written has another."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to back up, and its state then."""

    path: Path
    look: Look


@dataclass(frozen=True, slots=True)
class Contents:
    """What a warehouse holds at one time: ``files`` by the name that they have in a backup.

    Attributes: ``folders`` are those of the private files, empty ones too; ``links`` are public, name → target.
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
        """The files of snapshots, which nobody changes."""
        return {name: source for name, source in self.files.items() if is_frozen(name)}


def is_frozen(name: str) -> bool:
    """Whether a file of a backup belongs to a snapshot."""
    return name.startswith(f"{PUBLISHED}/{SNAPSHOTS}/")


def contents_of(settings: Settings) -> Contents:
    """What there is now. The caller holds the lock, or takes the frozen files alone. Raises: OSError.

    Raises: ConfigurationError where another file has the name of the link to the warehouse.
    """
    number = current_number(settings.published_dir)
    found = Contents(number)
    for path in (settings.load_path, write_ahead_log(settings.load_path)):
        _add(found, f"{PRIVATE}/{path.name}", path)
    for path in _walk(settings.state_dir, found):
        _add(found, f"{PRIVATE}/{STATE}/{path.relative_to(settings.state_dir).as_posix()}", path)
    for path in _walk(settings.warehouse_dir / FORGOTTEN, None):
        if path.name != FORGOTTEN_JOURNAL:
            _add(found, f"{PRIVATE}/{FORGOTTEN}/{path.name}", path)
    if number is None:
        return found
    for kept in snapshot_numbers(settings):
        folder = settings.snapshots_dir / folder_name(kept)
        if kept <= number and (folder / DATABASE).exists():  # without: what is left of one that was removed
            for path in _walk(folder, None):
                _add(found, f"{PUBLISHED}/{SNAPSHOTS}/{folder.name}/{path.relative_to(folder).as_posix()}", path)
    _add(found, f"{PUBLISHED}/{MANIFEST}", settings.manifest_path)
    for name in LINKS:
        link = settings.published_dir / name
        if link.is_symlink():
            found.links[name] = str(link.readlink())
    return found


def _walk(root: Path, found: Contents | None) -> Iterator[Path]:
    """The files below a folder; the folders are added to ``found``. Links and temporary files are left out."""
    for folder, folders, names in os.walk(root, onerror=_raise_unless_missing):
        folders.sort()
        if found is not None:
            inner = Path(folder).relative_to(root).as_posix()
            found.folders.append(f"{PRIVATE}/{STATE}" + ("" if inner == "." else f"/{inner}"))
        for name in sorted(names):
            if not TEMPORARY.fullmatch(name) and (folder, name) != (str(root), LOCK):
                yield Path(folder) / name


def _add(found: Contents, name: str, path: Path) -> None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISREG(status.st_mode):
        found.files[name] = Source(path, (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino))


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
