"""Detects changes of published files, so that a damaged one is replaced.

Sizes and modification times are stored in ``state/published.json`` and compared at every sync; no file is read again.
After a directory was copied without its times, the next sync publishes once more. Knows no link and no model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from referral_warehouse.warehouse.snapshots import write_ahead_log
from referral_warehouse.workspace.current_snapshot import DESCRIPTION, database_name, feeds_name, snapshot_name
from referral_warehouse.workspace.file_kinds import kind_of, read_regular, write_regular

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings

RECORD_NAME = "published.json"


def remember_published(settings: Settings, number: int) -> None:
    """Record sizes and times of the files of a complete publication, and for whom they are."""
    database, feeds = settings.published_dir / database_name(number), settings.published_dir / feeds_name(number)
    paths = [database, *feeds.glob("*.parquet"), *database.parent.glob(DESCRIPTION)]
    recorded = {str(path.relative_to(settings.published_dir)): _size_and_mtime(path) for path in sorted(paths)}
    settings.state_dir.mkdir(mode=0o700, exist_ok=True)
    record = {"snapshot": number, "readers": _readers(settings), "files": recorded}
    write_regular(settings.state_dir / RECORD_NAME, json.dumps(record) + "\n")


def changed_files(settings: Settings, manifest: Mapping[str, Any]) -> list[str]:
    """The published files that are missing or changed; the record itself where it cannot be read."""
    recorded = _record(settings, manifest["snapshot"]).get("files")
    if not isinstance(recorded, dict) or not recorded:
        return [f"state/{RECORD_NAME}"]
    names = [database_name(manifest["snapshot"]), *(table["feed"] for table in manifest["tables"].values())]
    description = f"{snapshot_name(manifest['snapshot'])}/{DESCRIPTION}"
    names += [description] if description in recorded else []
    # 0 where a file is missing: it differs from the None of one that is not recorded
    return [name for name in names if recorded.get(name) != (_size_and_mtime(settings.published_dir / name) or 0)]


def is_untouched(settings: Settings, manifest: Mapping[str, Any]) -> bool:
    """Whether the published files are as they were written, for the readers of the settings, and nothing is beside."""
    number = manifest["snapshot"]
    return not (
        write_ahead_log(settings.published_dir / database_name(number)).exists()
        or changed_files(settings, manifest)
        or has_other_readers(settings, number)
    )


def has_other_readers(settings: Settings, number: int) -> bool:
    """Whether a publication was made for another group than the settings name."""
    record = _record(settings, number)
    return bool(record) and record.get("readers") != _readers(settings)


def _record(settings: Settings, number: int) -> dict[str, Any]:
    """The record of a publication; empty where there is none of it."""
    try:
        record = json.loads((read_regular(settings.state_dir / RECORD_NAME) or b"").decode("utf-8"))
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) and record.get("snapshot") == number else {}


def _readers(settings: Settings) -> int | None:
    return None if settings.readers_group is None else settings.readers_group.number


def _size_and_mtime(path: Path) -> list[int] | None:
    """Size in bytes and time of the last change in nanoseconds; None where there is no such file."""
    if kind_of(path) != "a file":
        return None
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]
