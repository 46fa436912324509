"""Verifies a backup: its names, sizes and checksums, and that every row of its databases can be read."""

from __future__ import annotations

import os
from pathlib import Path

from referral_warehouse.errors import BackupDamaged
from referral_warehouse.operate.backup_manifest import (
    CHECKSUM_NAME,
    MANIFEST_NAME,
    BackupFile,
    BackupManifest,
    read_backup_manifest,
)
from referral_warehouse.warehouse.whole_read import read_whole
from referral_warehouse.workspace.durable_files import file_sha256
from referral_warehouse.workspace.file_kinds import kind_of
from referral_warehouse.workspace.removal import reason

DATABASE_SUFFIX = ".duckdb"


def damages_of(folder: Path) -> list[str]:
    """What is damaged in a backup, in words; empty where it is intact.

    Raises: ConfigurationError where a newer program made it.
    """
    try:
        manifest = read_backup_manifest(folder)
    except BackupDamaged as damaged:
        return [damaged.message.rstrip(".")]
    damages = list(_unexpected(folder, manifest))
    for name, expected in manifest.files.items():
        damage = damage_of_file(folder / name, expected)
        if damage is None and name.endswith(DATABASE_SUFFIX):
            damage = damage_of_database(folder / name)
        damages += [damage] if damage is not None else []
    return damages


def damage_of_file(path: Path, expected: BackupFile) -> str | None:
    """How a file differs from what the manifest says, in words; None where it does not."""
    if path.is_symlink() or kind_of(path) != "a file":
        return f"{path} is {'a link' if path.is_symlink() else kind_of(path) or 'missing'}"
    try:
        size = path.stat().st_size
        if size != expected.size:
            return f"{path} has {size:,} bytes instead of {expected.size:,}"
        if file_sha256(path) != expected.sha256:
            return f"{path} has another checksum than the manifest says"
    except OSError as error:
        return f"{path} cannot be read ({reason(error)})"
    return None


def damage_of_database(path: Path) -> str | None:
    """Why a database cannot be read as a whole, in words; None where it can."""
    why = read_whole(path)
    return None if why is None else f"{path} cannot be read as a whole ({why})"


def _unexpected(folder: Path, manifest: BackupManifest) -> list[str]:
    known = {MANIFEST_NAME, CHECKSUM_NAME, *manifest.files}
    there = [Path(place) / name for place, _, names in os.walk(folder) for name in names]
    return [f"{path} is not in the manifest" for path in there if path.relative_to(folder).as_posix() not in known]
