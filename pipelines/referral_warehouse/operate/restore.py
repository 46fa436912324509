"""Puts a backup into the warehouse directory.

Its files are first copied into a folder of the directory and compared with the manifest. Then a journal is written;
until then nothing is changed. From then on the restore is completed, if necessary by another call (``restore_switch``).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from referral_warehouse.errors import BackupDamaged, ConfigurationError, ReferralsError
from referral_warehouse.operate.backup_contents import PRIVATE, PUBLISHED, is_frozen
from referral_warehouse.operate.backup_directory import NAME_FORMAT, BackupDirectory, explained, refuse_damaged
from referral_warehouse.operate.backup_manifest import BackupManifest, read_backup_manifest
from referral_warehouse.operate.backup_owner import refuse_backup_of_another_account
from referral_warehouse.operate.backup_verification import damage_of_file, damages_of
from referral_warehouse.operate.restore_switch import Journal, Restored, complete, private_entries, stage_of
from referral_warehouse.warehouse.manifest import SCHEMA_VERSION
from referral_warehouse.warehouse.publisher import refuse_other_publisher
from referral_warehouse.warehouse.snapshots import next_number, write_ahead_log
from referral_warehouse.workspace.current_snapshot import current_number, is_published, number_in_manifest
from referral_warehouse.workspace.disk_space import disk_full_error
from referral_warehouse.workspace.durable_files import copy_file, sync_file
from referral_warehouse.workspace.file_kinds import remove_or_raise
from referral_warehouse.workspace.load_file_version import refuse_newer
from referral_warehouse.workspace.lock import UNFINISHED_RESTORE, warehouse_lock
from referral_warehouse.workspace.removal import reason, remove

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings


def restore_backup(
    settings: Settings,
    directory: BackupDirectory,
    name: str | None,
    *,
    is_replacing: bool,
    pause: Callable[[float], object] = time.sleep,
) -> Restored:
    """Restore a backup, or complete the restore that was interrupted.

    Args:
        settings: of the directory.
        directory: the backups.
        name: of the backup; None for the newest.
        is_replacing: whether existing data may be moved aside.
        pause: called with seconds before old snapshots are moved.

    Raises: BackupDamaged; ConfigurationError when the directory has data, or the backup is newer than this program;
    AnotherSyncRunning; DiskFull. Nothing is changed then. ReferralsError when a restore that has begun cannot go on.
    """
    try:
        if (settings.warehouse_dir / UNFINISHED_RESTORE).exists():
            with warehouse_lock(settings.warehouse_dir, completes_restore=True):
                return complete(settings, Journal.read(settings), is_completion=True, pause=pause)
        folder = directory.folder(name)
        refuse_damaged(damages_of(folder), f"{folder} is damaged")
        manifest = read_backup_manifest(folder)
        _refuse_newer(folder, manifest)
        refuse_backup_of_another_account(settings, folder, manifest)
        with warehouse_lock(settings.warehouse_dir):
            if not is_replacing:
                _refuse_data(settings)
            refuse_other_publisher(settings, manifest.publisher)
            stages = [stage_of(settings, part) for part in (PRIVATE, PUBLISHED)]
            try:
                journal = _staged(settings, folder, manifest)
                journal.write(settings)
            except BaseException:
                if not (settings.warehouse_dir / UNFINISHED_RESTORE).exists():
                    for stage in stages:
                        remove(stage.parent)
                raise
            return complete(settings, journal, pause=pause)
    except OSError as error:
        if (settings.warehouse_dir / UNFINISHED_RESTORE).exists():
            raise _interrupted(settings, error) from error
        raise explained(error, f"The restore into {settings.warehouse_dir} was not done") from error


def _interrupted(settings: Settings, error: OSError) -> ReferralsError:
    what = f"The restore into {settings.warehouse_dir} has begun and is not complete"
    return disk_full_error(error, what) or ReferralsError(
        f"{what}: {reason(error)}.",
        "Correct that and run the same command again, which completes it; no sync runs until then.",
    )


def _staged(settings: Settings, folder: Path, manifest: BackupManifest) -> Journal:
    """Copy a backup next to the files that it replaces. Snapshots that the directory has already are left out.

    Raises: BackupDamaged when a copy differs from the manifest; OSError.
    """
    for part in (PRIVATE, PUBLISHED):
        remove_or_raise(stage_of(settings, part).parent)
        stage_of(settings, part).mkdir(mode=0o700, parents=True)
    numbers = sorted({_number(name) for name in manifest.files if is_frozen(name)})
    kept = [number for number in numbers if _is_there(settings, manifest, number)]
    for name in manifest.folders:
        (stage_of(settings, PRIVATE).parent / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, entry in manifest.files.items():
        if is_frozen(name) and _number(name) in kept:
            continue
        target = stage_of(settings, name.partition("/")[0]).parent / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if copy_file(folder / name, target, entry.mode & 0o777) != entry.sha256:
            raise BackupDamaged(f"{folder / name} changed while it was copied: the disk may be failing.")
    for part in (PRIVATE, PUBLISHED):
        for place, _, _ in os.walk(stage_of(settings, part).parent):
            sync_file(Path(place))
    published = settings.published_dir
    return Journal(
        backup=folder.name,
        aside=_free_aside(settings),
        published_dir=str(published),
        entries=private_entries(stage_of(settings, PRIVATE)),
        snapshots=[int(number) for number in numbers],
        current=manifest.snapshot,
        used=next_number(settings, max(number_in_manifest(published) or 0, current_number(published) or 0)) - 1,
    )


def _free_aside(settings: Settings) -> str:
    """A name for the folder of old files; no file in either directory has it."""
    now = datetime.now(UTC)
    while True:
        name = f"replaced-{now.strftime(NAME_FORMAT)}"
        if not any(os.path.lexists(place / name) for place in (settings.warehouse_dir, settings.published_dir)):
            return name
        now += timedelta(seconds=1)


def _number(name: str) -> str:
    """The name of the folder of the snapshot that a file of a backup belongs to, such as ``000123``."""
    return Path(name).parts[2]


def _is_there(settings: Settings, manifest: BackupManifest, number: str) -> bool:
    """Whether the directory has exactly this snapshot, byte by byte."""
    live = settings.snapshots_dir / number
    expected = {name.partition("/")[2]: entry for name, entry in manifest.files.items()
                if is_frozen(name) and _number(name) == number}  # fmt: skip
    there = {path.relative_to(settings.published_dir).as_posix() for path in live.rglob("*") if not path.is_dir()}
    return there == expected.keys() and all(
        damage_of_file(settings.published_dir / name, entry) is None for name, entry in expected.items()
    )


def _refuse_data(settings: Settings) -> None:
    """Raises: ConfigurationError where the directory has data."""
    places = [settings.load_path, write_ahead_log(settings.load_path), *settings.snapshots_dir.glob("[0-9]*")]
    if is_published(settings.published_dir) or any(os.path.lexists(path) for path in places):
        raise ConfigurationError(
            f"{settings.warehouse_dir} has data already.",
            "With --replace it is moved aside, and nothing of it is deleted; or set WAREHOUSE__DIR to an empty "
            "directory.",
        )


def _refuse_newer(folder: Path, manifest: BackupManifest) -> None:
    """Raises: ConfigurationError where a newer program made the backup."""
    if manifest.load_version is not None:
        refuse_newer(folder, manifest.load_version)
    if (manifest.schema_version or 0) > SCHEMA_VERSION:
        raise ConfigurationError(
            f"{folder} holds published data of schema version {manifest.schema_version}; this program supports "
            f"versions up to {SCHEMA_VERSION}.",
            f"Install version {manifest.program_version} of referral-warehouse, or a newer one.",
        )
