"""The record that a warehouse has of its backups, ``state/backups.json``: directories, newest backup, verification.

Reads names of backups, and no content of one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.operate.backup_directory import NAME_FORMAT, BackupDirectory
from referral_warehouse.workspace.durable_files import write_whole_file
from referral_warehouse.workspace.file_kinds import read_regular
from referral_warehouse.workspace.removal import reason

FILE = "backups.json"


@dataclass(frozen=True, slots=True)
class BackupRecord:
    """What is recorded of a directory of backups; None for what is not known.

    Attributes:
        newest: the name of the last backup that was made there.
        verified: the name of the newest backup when all were verified with ``--verify``.
        verified_at: when that was, UTC.
        damage: what was wrong with that backup, in words.
    """

    newest: str | None = None
    verified: str | None = None
    verified_at: str | None = None
    damage: str | None = None


@dataclass(frozen=True, slots=True)
class KnownBackups:
    """The backups in a directory, the oldest first; None where the directory cannot be read now."""

    directory: Path
    names: list[str] | None
    record: BackupRecord

    @property
    def newest(self) -> str | None:
        """The name of the newest backup; as recorded where the directory cannot be read."""
        if self.names is None:
            return self.record.newest
        return self.names[-1] if self.names else None


def read_records(state_dir: Path) -> dict[Path, BackupRecord]:
    """The directories, sorted, with what is recorded of each; none where the file cannot be read."""
    try:
        found = json.loads(read_regular(state_dir / FILE) or b"[]")
        records = found if isinstance(found, dict) else {}
        if isinstance(found, list):  # 0.2.0 wrote the directories alone
            records = {name: None for name in found if isinstance(name, str)}
        return {Path(name): _record(records[name]) for name in sorted(records)}
    except (ValueError, TypeError, RecursionError):
        return {}


def known_directories(state_dir: Path) -> list[Path]:
    """The directories, sorted; none where the list cannot be read."""
    return list(read_records(state_dir))


def remember(state_dir: Path, records: Mapping[Path, BackupRecord]) -> list[str]:
    """Add records, or replace those of the same directories. Returns: what went wrong, in words."""
    before = read_records(state_dir)
    after = {**before, **records}
    try:
        if after != before:
            found = {str(directory): asdict(after[directory]) for directory in sorted(after)}
            write_whole_file(state_dir / FILE, json.dumps(found, indent=2) + "\n")
    except OSError as error:
        return [f"the backups could not be recorded in {state_dir / FILE} ({reason(error)})"]
    return []


def known_backups(state_dir: Path) -> list[KnownBackups]:
    """The backups that these directories hold now. Of a disk that is not connected, a directory may seem empty."""
    found = []
    for directory, record in read_records(state_dir).items():
        try:
            names = BackupDirectory(directory).names() if directory.is_dir() else None
        except ConfigurationError:
            names = None
        found.append(KnownBackups(directory, names, record))
    return found


def last_backup_at(state_dir: Path) -> datetime | None:
    """When the newest backup was made that is recorded; no directory of backups is read."""
    times = [made_at(record.newest) for record in read_records(state_dir).values() if record.newest is not None]
    return max(times, default=None)


def made_at(name: str) -> datetime:
    """The time in the name of a backup, UTC. Raises: ValueError for any other text."""
    return datetime.strptime(name, NAME_FORMAT).replace(tzinfo=UTC)


def _record(found: Any) -> BackupRecord:
    """A record as it was written; an empty one for anything else. Raises: ValueError where a name has no time."""
    if not isinstance(found, dict):
        return BackupRecord()
    known = {field.name: found.get(field.name) for field in fields(BackupRecord)}
    if any(not isinstance(value, str | None) for value in known.values()):
        return BackupRecord()
    for name in (known["newest"], known["verified"]):
        if name is not None:
            made_at(name)
    return BackupRecord(**known)
