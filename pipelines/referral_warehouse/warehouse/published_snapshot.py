"""A snapshot that was published, by its manifest: what a lake or a destination is compared with, and gets.

Knows the files of snapshots; opens no database.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from referral_warehouse.warehouse.manifest import read_manifest
from referral_warehouse.workspace.current_snapshot import MANIFEST, current_number, folder_name
from referral_warehouse.workspace.durable_files import file_sha256

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings


@dataclass(frozen=True, slots=True)
class PublishedSnapshot:
    """A snapshot in its folder. ``sha256`` is that of its manifest's bytes."""

    number: int
    folder: Path
    manifest: dict[str, Any]
    sha256: str


def manifest_sha256(settings: Settings, number: int) -> str | None:
    """The checksum of the manifest of a snapshot as it is now; None where the directory does not have it."""
    manifest = settings.snapshots_dir / folder_name(number) / MANIFEST
    return file_sha256(manifest) if manifest.is_file() else None


def published_snapshot(settings: Settings, number: int | None = None) -> PublishedSnapshot | None:
    """A snapshot of the directory, without a number the current one.

    Returns: None where there is none, or none with a manifest of its own.
    """
    if number is None:
        number = current_number(settings.published_dir)
    if number is None:
        return None
    folder = settings.snapshots_dir / folder_name(number)
    manifest = read_manifest(folder / MANIFEST)
    if manifest is None or manifest["snapshot"] != number:
        return None
    return PublishedSnapshot(number, folder, manifest, file_sha256(folder / MANIFEST))
