"""Detects changes of published files, so that a damaged one is replaced.

Sizes and modification times are stored in ``state/published.json`` and compared at every sync; no file is read again. A
directory that was copied without its times is published once more, which is the only cost of a false alarm. Knows no
link and no model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from referral_warehouse.warehouse.snapshots import link_target
from referral_warehouse.workspace.file_kinds import kind_of, read_regular, write_regular

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings

RECORD_NAME = "published.json"


def remember_published(settings: Settings, number: int) -> None:
    """Record sizes and times of the files of a complete publication."""
    names = [link_target(number), *(f"feeds/{path.name}" for path in settings.feeds_dir.glob("*.parquet"))]
    looks = {name: _look(settings.warehouse_dir / name) for name in sorted(names)}
    settings.state_dir.mkdir(mode=0o700, exist_ok=True)
    write_regular(settings.state_dir / RECORD_NAME, json.dumps({"snapshot": number, "files": looks}) + "\n")


def changed_files(settings: Settings, manifest: Mapping[str, Any]) -> list[str]:
    """The published files that are missing or changed; the record itself where it cannot be read."""
    try:
        record = json.loads((read_regular(settings.state_dir / RECORD_NAME) or b"").decode("utf-8"))
        looks = dict(record["files"]) if record["snapshot"] == manifest["snapshot"] else {}
    except (ValueError, LookupError, TypeError, RecursionError):
        looks = {}
    if not looks:
        return [f"state/{RECORD_NAME}"]
    names = [link_target(manifest["snapshot"]), *(table["feed"] for table in manifest["tables"].values())]
    return [name for name in names if looks.get(name) != (_look(settings.warehouse_dir / name) or 0)]


def _look(path: Path) -> list[int] | None:
    """Size in bytes and time of the last change in nanoseconds; None where there is no such file."""
    if kind_of(path) != "a file":
        return None
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]
