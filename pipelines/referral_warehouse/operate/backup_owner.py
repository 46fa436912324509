"""Checks whose backups a directory has: with those of two warehouses, one would restore or remove the other's.

A warehouse is identified by its random name (``warehouse.publisher``), which its backups have too.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from referral_warehouse.errors import BackupDamaged, ConfigurationError
from referral_warehouse.operate.backup_directory import BackupDirectory
from referral_warehouse.operate.backup_manifest import BackupManifest, read_backup_manifest
from referral_warehouse.settings.model import accounts_of
from referral_warehouse.warehouse.publisher import MARK, known_name, own_name

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings


def refuse_backups_of_others(settings: Settings, directory: BackupDirectory) -> None:
    """Refuse a directory with the backups of another warehouse. A warehouse without a random name gets one.

    Raises: ConfigurationError; OSError.
    """
    own = own_name(settings)
    for name in reversed(directory.names()):
        with suppress(BackupDamaged):
            made_of = _manifest_of(directory.root / name).publisher
            if made_of not in (None, own):
                raise ConfigurationError(
                    f"The backups in {directory.root} are of another warehouse than {settings.warehouse_dir}.",
                    "Name another directory: each warehouse, and each of several accounts, needs one of its own. If "
                    f"they are of this one and its {settings.state_dir / MARK} was lost, copy that file from "
                    f"{directory.root / name / 'private' / 'state' / MARK}.",
                )
            return


def refuse_backup_of_another_account(settings: Settings, folder: Path, manifest: BackupManifest) -> None:
    """Raises: ConfigurationError where the backup is of another account than the settings."""
    for other in accounts_of(settings.together) if settings.together is not None else ():
        if other.account != settings.account and manifest.publisher == known_name(other) is not None:
            raise ConfigurationError(
                f"{folder} is a backup of the account {other.account}, not of {settings.account}.",
                f"Name the directory with the backups of {settings.account}, or use `--account {other.account}`.",
            )


def _manifest_of(folder: Path) -> BackupManifest:
    """The manifest. Raises: BackupDamaged, also where a newer program made the backup."""
    try:
        return read_backup_manifest(folder)
    except ConfigurationError as error:
        raise BackupDamaged(error.message) from None
