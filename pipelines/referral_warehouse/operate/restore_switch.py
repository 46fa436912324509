"""The second half of a restore: moves the old files aside and the new ones into their place.

Each step is one rename, which a second call does not repeat, so that a restore that was killed anywhere is completed by
calling ``complete`` again. The public link always names a whole snapshot. Reads no backup.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from referral_warehouse.errors import BackupDamaged, ConfigurationError
from referral_warehouse.operate.backup_contents import LINKS, LOCK, PRIVATE, PUBLISHED
from referral_warehouse.warehouse.manifest import read_manifest
from referral_warehouse.warehouse.public_names import announce, place_link, switch_link
from referral_warehouse.warehouse.publisher import MARK, take_over
from referral_warehouse.warehouse.snapshots import (
    USED_NUMBERS,
    grant,
    next_number,
    remember_numbers,
    snapshot_numbers,
    write_ahead_log,
)
from referral_warehouse.workspace.current_snapshot import MANIFEST, REPORT, SNAPSHOTS, folder_name, snapshot_name
from referral_warehouse.workspace.directories import FORGOTTEN, STATE
from referral_warehouse.workspace.durable_files import copy_file, replaced_file, sync_file
from referral_warehouse.workspace.file_kinds import read_regular
from referral_warehouse.workspace.load_file_version import copies_before_upgrades
from referral_warehouse.workspace.lock import RESTORE_STAGE, UNFINISHED_RESTORE
from referral_warehouse.workspace.removal import remove

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings


OPENING_S = 1.0
"""Seconds that old snapshots stay after the switch, so that a reader that has followed the link can open its file."""


@dataclass(frozen=True, slots=True)
class Restored:
    """A restore that is complete: where the old files are, and what could not be removed.

    Attributes: ``is_completion`` is true where an earlier call had begun it.
    """

    backup: str
    snapshot: int | None
    aside: list[Path]
    is_completion: bool
    problems: list[str]


@dataclass(frozen=True, slots=True)
class Journal:
    """What a restore that has begun needs to be completed.

    Attributes:
        aside: the name of the folder for old files, in both directories.
        entries: the private files and folders of the backup, relative to the warehouse directory.
        snapshots: the numbers of the backup's snapshots; those that have no staged folder are in place.
        current: the number that the public link is switched to; None where the backup has nothing published.
        used: the largest number of a snapshot that readers may have seen.
    """

    backup: str
    aside: str
    published_dir: str
    entries: list[str]
    snapshots: list[int]
    current: int | None
    used: int

    def write(self, settings: Settings) -> None:
        """Write the journal: from here on the restore has begun. Raises: OSError."""
        with replaced_file(settings.warehouse_dir / UNFINISHED_RESTORE) as (stream, _):
            stream.write(json.dumps(asdict(self)).encode())

    @classmethod
    def read(cls, settings: Settings) -> Journal:
        """The journal of the directory. Raises: BackupDamaged, ConfigurationError."""
        path = settings.warehouse_dir / UNFINISHED_RESTORE
        try:
            journal = cls(**json.loads(read_regular(path) or b""))
        except (ValueError, TypeError):
            raise BackupDamaged(
                f"{path} cannot be read; the restore that was interrupted cannot be completed.",
                f"Move all of {settings.warehouse_dir} away and restore into an empty directory.",
            ) from None
        if journal.published_dir != str(settings.published_dir):
            raise ConfigurationError(
                f"The restore that was interrupted publishes into {journal.published_dir}, and WAREHOUSE__PUBLISH_DIR "
                f"is {settings.published_dir} now.",
                "Set WAREHOUSE__PUBLISH_DIR as it was, and run the same command again.",
            )
        return journal


def stage_of(settings: Settings, part: str) -> Path:
    """Where the private or the published files of a backup are copied to: on the file system of their place."""
    return (settings.warehouse_dir if part == PRIVATE else settings.published_dir) / RESTORE_STAGE / part


def private_entries(folder: Path) -> list[str]:
    """The private files and folders that are moved as one, relative to the warehouse directory ``folder``."""
    load_path = folder / "load.duckdb"
    found = [load_path, write_ahead_log(load_path), *copies_before_upgrades(load_path)]
    state = folder / STATE
    if state.is_dir():
        found += sorted(path for path in state.iterdir() if path.name not in (LOCK, USED_NUMBERS))
    return [path.relative_to(folder).as_posix() for path in found if os.path.lexists(path)]


def complete(
    settings: Settings, journal: Journal, *, is_completion: bool = False, pause: Callable[[float], object] = time.sleep
) -> Restored:
    """Do the steps of a restore that are not done yet; the caller holds the lock.

    ``pause`` is called with seconds before old snapshots are moved. Raises: OSError, ReferralsError.
    """
    aside = settings.warehouse_dir / journal.aside
    published_aside = settings.published_dir / journal.aside
    _switch_private(settings, journal, aside)
    _switch_published(settings, journal, published_aside, pause)
    for folder in {settings.warehouse_dir, settings.published_dir, settings.state_dir}:
        sync_file(folder)
    (settings.warehouse_dir / UNFINISHED_RESTORE).unlink()
    sync_file(settings.warehouse_dir / RESTORE_STAGE)
    stages = {settings.warehouse_dir / RESTORE_STAGE, settings.published_dir / RESTORE_STAGE}
    problems = [problem for stage in sorted(stages) if (problem := remove(stage)) is not None]
    places = [path for path in dict.fromkeys((aside, published_aside)) if path.is_dir()]
    return Restored(journal.backup, journal.current, places, is_completion, problems)


def _switch_private(settings: Settings, journal: Journal, aside: Path) -> None:
    stage = stage_of(settings, PRIVATE)
    for entry in dict.fromkeys([*private_entries(settings.warehouse_dir), *journal.entries]):
        live, staged = settings.warehouse_dir / entry, stage / entry
        if os.path.lexists(staged):
            _set_aside(live, aside / entry)
            staged.replace(live)
        elif entry not in (*journal.entries, f"{STATE}/{MARK}"):  # an old backup has no mark: this one stays
            _set_aside(live, aside / entry)
    _keep_forgotten(settings, stage / FORGOTTEN)
    used = stage / STATE / USED_NUMBERS
    if used.exists():
        used.replace(settings.state_dir / USED_NUMBERS)
    used_numbers = next_number(settings, journal.used) - 1
    if used_numbers:
        remember_numbers(settings, used_numbers)


def _keep_forgotten(settings: Settings, staged: Path) -> None:
    """Add the files about forgotten people that the backup has and the directory has not.

    The directory's own digests stay: they include everybody who was forgotten since the backup was made.
    """
    live = settings.warehouse_dir / FORGOTTEN
    for path in sorted(staged.iterdir()) if staged.is_dir() else ():
        live.mkdir(mode=0o700, exist_ok=True)
        if not os.path.lexists(live / path.name):
            path.replace(live / path.name)


def _switch_published(settings: Settings, journal: Journal, aside: Path, pause: Callable[[float], object]) -> None:
    published, stage = settings.published_dir, stage_of(settings, PUBLISHED)
    settings.snapshots_dir.mkdir(mode=0o700, exist_ok=True)
    for number in journal.snapshots:
        live, staged = settings.snapshots_dir / folder_name(number), stage / SNAPSHOTS / folder_name(number)
        if staged.exists():
            _set_aside(live, aside / SNAPSHOTS / live.name)
            staged.rename(live)
    grant(settings)
    if journal.current is None:
        for name in (*LINKS, MANIFEST):
            _set_aside(published / name, aside / name)
    else:
        _announce(settings, journal.current, aside)
    old = [number for number in snapshot_numbers(settings) if number not in journal.snapshots]
    if old:
        pause(OPENING_S)
    for number in old:
        live = settings.snapshots_dir / folder_name(number)
        _set_aside(live, aside / SNAPSHOTS / live.name)
    take_over(settings)


def _announce(settings: Settings, number: int, aside: Path) -> None:
    """Switch the public names to a snapshot; the manifest of the old one is kept."""
    folder = settings.snapshots_dir / folder_name(number)
    own = read_manifest(folder / MANIFEST)
    manifest = read_manifest(stage_of(settings, PUBLISHED) / MANIFEST) or own
    before = read_manifest(settings.manifest_path)
    if before is not None and before != manifest and not (aside / MANIFEST).exists():
        aside.mkdir(mode=0o700, exist_ok=True)
        copy_file(settings.manifest_path, aside / MANIFEST)
    switch_link(settings, number)
    if manifest is not None and manifest["snapshot"] == number:
        announce(settings, number, manifest)
    report = settings.published_dir / REPORT
    if (folder / REPORT).exists():
        place_link(report, f"{snapshot_name(number)}/{REPORT}")
    elif report.is_symlink():
        _set_aside(report, aside / REPORT)


def _set_aside(path: Path, target: Path) -> None:
    """Move a file or folder away, unless there is none, or an earlier call has already moved it."""
    if os.path.lexists(path) and not os.path.lexists(target):
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.rename(target)
