"""The manifest of a backup: its files with sizes and checksums, and what the backup holds. Knows no warehouse.

Beside it is a file with its own checksum in the form of ``sha256sum``, so that a damaged manifest is noticed too.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from referral_warehouse.display_text import json_text
from referral_warehouse.errors import BackupDamaged, ConfigurationError
from referral_warehouse.workspace.durable_files import new_file
from referral_warehouse.workspace.file_kinds import read_regular

FORMAT = 1
MANIFEST_NAME, CHECKSUM_NAME = "manifest.json", "manifest.json.sha256"
FILE_NAME = re.compile(r"(private|published)(/[^/\0]+)+")


@dataclass(frozen=True, slots=True)
class BackupFile:
    """A file of a backup: bytes, SHA-256 in hexadecimal, mode in the warehouse, time of last change (ns since 1970)."""

    size: int
    sha256: str
    mode: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class BackupManifest:
    """What a backup holds. Names of files and folders are relative to it.

    Attributes:
        made_at: UTC, as text.
        snapshot: the number of the published snapshot; None where nothing was published.
        schema_version: that of the published data; None without a snapshot.
        load_version: that of the load file; None where there was none.
        publisher: the random name of the warehouse; None where it had none.
        links: the public links that there were: name → target.
    """

    made_at: str
    program_version: str
    snapshot: int | None
    schema_version: int | None
    load_version: int | None
    publisher: str | None
    links: dict[str, str] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    files: dict[str, BackupFile] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(found.size for found in self.files.values())


def write_backup_manifest(folder: Path, manifest: BackupManifest) -> None:
    """Write the manifest and its checksum into a backup in the making. Raises: OSError."""
    content = (json_text(asdict(manifest), indent=True) + "\n").encode()
    for name, data in ((MANIFEST_NAME, content), (CHECKSUM_NAME, _checksum_line(content))):
        with new_file(folder / name, 0o400) as stream:
            stream.write(data)


def read_backup_manifest(folder: Path) -> BackupManifest:
    """The manifest of a backup.

    Raises: BackupDamaged where it is missing or not as it was written; ConfigurationError where a newer program made
    the backup.
    """
    path = folder / MANIFEST_NAME
    content = read_regular(path)
    if content is None:
        raise BackupDamaged(f"{folder} is not a whole backup: {MANIFEST_NAME} is missing or cannot be read.")
    if read_regular(folder / CHECKSUM_NAME) != _checksum_line(content):
        raise BackupDamaged(f"{path} is damaged: it is not what {CHECKSUM_NAME} says.")
    try:
        document = json.loads(content.decode("utf-8"))
        if document["format"] > FORMAT:
            raise ConfigurationError(
                f"{folder} was made by version {document['program_version']} of referral-warehouse, whose backups this "
                "version cannot read.",
                "Install that version or a newer one.",
            )
        files = {name: BackupFile(**entry) for name, entry in document.pop("files").items()}
        manifest = BackupManifest(**document, files=files)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BackupDamaged(f"{path} is not the manifest of a backup.") from None
    if wrong := [name for name in [*manifest.files, *manifest.folders] if not _is_name(name)]:
        raise BackupDamaged(f"{path} names a file outside of the backup: {wrong[0]!r}.")
    return manifest


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and FILE_NAME.fullmatch(name) is not None and ".." not in Path(name).parts


def _checksum_line(content: bytes) -> bytes:
    return f"{hashlib.sha256(content).hexdigest()}  {MANIFEST_NAME}\n".encode()
