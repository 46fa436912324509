"""Makes a backup of a warehouse while syncs run.

Files are copied without the lock. Then the lock is taken, and only files that a run has changed meanwhile are copied
again. So a backup holds the lock only briefly where no run wrote, and for the copy of the load file where one did.
Files of snapshots never change: they are hard links to those of the previous backup, if that has them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from referral_warehouse import __version__
from referral_warehouse.errors import AnotherSyncRunning, BackupDamaged, ConfigurationError
from referral_warehouse.operate.backup_contents import (
    PRIVATE,
    PUBLISHED,
    Contents,
    FileState,
    Source,
    contents_of,
    is_frozen,
)
from referral_warehouse.operate.backup_directory import BackupDirectory, explained, refuse_damaged
from referral_warehouse.operate.backup_manifest import (
    BackupFile,
    BackupManifest,
    read_backup_manifest,
    write_backup_manifest,
)
from referral_warehouse.operate.backup_owner import refuse_backups_of_others
from referral_warehouse.operate.backup_verification import DATABASE_SUFFIX, damage_of_file
from referral_warehouse.operate.known_backups import BackupRecord, read_records, remember
from referral_warehouse.warehouse.manifest import read_manifest
from referral_warehouse.warehouse.publisher import MARK
from referral_warehouse.warehouse.whole_read import read_whole, version_of
from referral_warehouse.workspace.current_snapshot import MANIFEST, SNAPSHOTS, folder_name
from referral_warehouse.workspace.directories import DEMO_MARKER, STATE
from referral_warehouse.workspace.durable_files import copy_file, sync_file
from referral_warehouse.workspace.file_kinds import read_regular, remove_or_raise
from referral_warehouse.workspace.lock import warehouse_lock
from referral_warehouse.workspace.removal import remove

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings

WAIT_S = 3600
"""How long a backup waits for a run that has the lock: longer than any but the first load of a large account."""
NEXT_STEP = (
    "Run `referrals sync`: it writes damaged published files again, and says what to do about a damaged load file. A "
    "damaged older snapshot can be removed."
)
LOST = "{} had backups before (the newest was {}) and had none now; its disk may not have been connected"
LOAD_NAME = "load.duckdb"
FROZEN_MODE = 0o400
"""The mode of every file of a backup. Several backups share a file by hard links, so no file may be changed."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was made.

    Attributes:
        copied: bytes that were copied.
        shared: bytes that are shared with the previous backup.
        problems: what went wrong after the backup was complete, in words.
    """

    folder: Path
    manifest: BackupManifest
    copied: int
    shared: int
    problems: list[str]


def make_backup(settings: Settings, directory: BackupDirectory, keep: int | None = None) -> Backup:
    """Make a backup, and remove the oldest ones where only ``keep`` should stay.

    Raises: AnotherSyncRunning when a run has the lock for over an hour, or another backup is being made;
    BackupDamaged when the load file or a snapshot cannot be read; ConfigurationError; DiskFull. No incomplete backup is
    left then, and older ones stay.
    """
    if (settings.warehouse_dir / DEMO_MARKER).exists():
        raise ConfigurationError(
            f"{settings.warehouse_dir} holds a demo, whose data is simulated.", "`referrals demo` makes it again."
        )
    try:
        with directory.locked():
            refuse_backups_of_others(settings, directory)
            name = directory.new_name()
            draft = directory.draft(name)
            known = read_records(settings.state_dir).get(directory.root, BackupRecord())
            is_other_place = known.newest is not None and not directory.names()
            problems = remember(settings.state_dir, {directory.root: known})  # now, so that the backup has it too
            try:
                draft.mkdir(mode=0o700)
                copies = _Copies(draft, directory)
                contents = _copy(settings, copies)
                refuse_damaged(_damages(settings, copies), "No backup was made", NEXT_STEP)
                manifest = _manifest(copies, contents)
                write_backup_manifest(draft, manifest)
                for place, _, _ in os.walk(draft):
                    sync_file(Path(place))
                folder = directory.complete(name)
            except BaseException:
                remove(draft)
                raise
            problems += remember(settings.state_dir, {directory.root: replace(known, newest=name)})
            problems += directory.keep(keep) if keep is not None else []
            problems += [LOST.format(directory.root, known.newest)] if is_other_place else []
    except OSError as error:
        raise explained(error, f"The backup in {directory.root} was not made") from error
    return Backup(folder, manifest, copies.copied, copies.shared, problems)


class _Copies:
    """The files of a backup that is being made, in ``folder``; those of snapshots are linked to the previous backup."""

    def __init__(self, folder: Path, directory: BackupDirectory) -> None:
        self.folder = folder
        self.copied = self.shared = 0
        self.fresh: set[str] = set()
        """The files that were copied and not linked."""
        self.files: dict[str, BackupFile] = {}
        self._states: dict[str, FileState] = {}
        self._previous, self._known = _newest(directory)

    def take(self, files: Mapping[str, Source], *, must_exist: bool = False) -> None:
        """Copy or link the files whose present state is not in the backup yet.

        Raises: FileNotFoundError with ``must_exist``, where a file is missing; otherwise it is left out.
        """
        for name, source in files.items():
            if self._states.get(name) == source.state:
                continue
            self.drop([name])
            target = self.folder / name
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                self._take(name, source, target)
            except FileNotFoundError:
                if must_exist:
                    raise

    def drop(self, names: Iterable[str]) -> None:
        """Remove files from the backup that is being made."""
        for name in list(names):
            if self._states.pop(name, None) is not None:
                remove_or_raise(self.folder / name)
                del self.files[name]
                self.fresh.discard(name)

    def _take(self, name: str, source: Source, target: Path) -> None:
        mode = stat.S_IMODE(source.path.stat().st_mode)
        known = self._known.get(name)
        size, mtime_ns, *_ = source.state
        is_known = known is not None and is_frozen(name) and (known.size, known.mtime_ns) == (size, mtime_ns)
        if known is not None and is_known and self._link(name, known, target):
            self.shared += size
            entry = replace(known, mode=mode)
        else:
            digest = copy_file(source.path, target, FROZEN_MODE)
            self.copied += size
            self.fresh.add(name)
            entry = BackupFile(target.stat().st_size, digest, mode, target.stat().st_mtime_ns)
        self.files[name] = entry
        self._states[name] = source.state

    def _link(self, name: str, known: BackupFile, target: Path) -> bool:
        """Link a file of the previous backup, if it is as it was written; False where that is not possible."""
        source = self._previous / name
        if damage_of_file(source, known) is not None:
            return False
        try:
            target.hardlink_to(source)
        except OSError:  # a file system without links, or too many of them
            return False
        return True


def _newest(directory: BackupDirectory) -> tuple[Path, dict[str, BackupFile]]:
    """The folder of the newest backup with a readable manifest, and its files; no files where there is none."""
    for name in reversed(directory.names()):
        with suppress(BackupDamaged, ConfigurationError):
            return directory.root / name, read_backup_manifest(directory.root / name).files
    return directory.root, {}


def _copy(settings: Settings, copies: _Copies) -> Contents:
    """Copy the files of the warehouse, most of them without the lock. Raises: OSError, ReferralsError."""
    try:
        with warehouse_lock(settings.warehouse_dir):
            first = contents_of(settings)
        copies.take(first.files)
    except AnotherSyncRunning:
        first = Contents(None)
        copies.take(contents_of(settings).frozen)
    with warehouse_lock(settings.warehouse_dir, wait_s=WAIT_S):
        last = contents_of(settings)
        if _states(first) != _states(last):  # a run wrote meanwhile: each one writes at least its outcome
            copies.drop(first.private)
        copies.drop(copies.files.keys() - last.files.keys())
        copies.take(last.files, must_exist=True)
    for folder in last.folders:
        (copies.folder / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    return last


def _states(contents: Contents) -> dict[str, FileState]:
    return {name: source.state for name, source in contents.private.items()}


def _damages(settings: Settings, copies: _Copies) -> Iterator[str]:
    """Which copies cannot be used, in words that name the files of the warehouse."""
    load_name = f"{PRIVATE}/{LOAD_NAME}"
    if load_name not in copies.files:
        yield f"{settings.load_path} is missing"
    for name in sorted(copies.fresh):
        if name.endswith(DATABASE_SUFFIX) and (why := read_whole(copies.folder / name)) is not None:
            part, _, below = name.partition("/")
            source = (settings.warehouse_dir if part == PRIVATE else settings.published_dir) / below
            yield f"{source} cannot be read as a whole ({why})"
    for number in {Path(name).parts[2] for name in copies.files if is_frozen(name)}:
        manifest = read_manifest(copies.folder / PUBLISHED / SNAPSHOTS / number / MANIFEST)
        for table in (manifest or {"tables": {}})["tables"].values():
            name = f"{PUBLISHED}/{table['feed']}"
            if is_frozen(name) and (
                name not in copies.files or table["checksum"] != f"sha256:{copies.files[name].sha256}"
            ):
                yield f"{settings.published_dir / table['feed']} is missing or was changed"


def _manifest(copies: _Copies, contents: Contents) -> BackupManifest:
    number = contents.snapshot
    own = copies.folder / PUBLISHED / SNAPSHOTS / folder_name(number or 0) / MANIFEST
    published = read_manifest(own) if number is not None else None
    mark = read_regular(copies.folder / PRIVATE / STATE / MARK) or b""
    return BackupManifest(
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        program_version=__version__,
        snapshot=number,
        schema_version=None if published is None else published.get("schema_version"),
        load_version=version_of(copies.folder / PRIVATE / LOAD_NAME),
        publisher=mark.decode("ascii", "replace").strip() or None,
        links=contents.links,
        folders=contents.folders,
        files=dict(sorted(copies.files.items())),
    )
