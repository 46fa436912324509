"""Records in ``state/`` which fields have to be removed from published snapshots, until that is done.

Published values are removed even where stored values become pseudonyms: a removal can be repeated after a kill, while
a repeated replacement would make pseudonyms of pseudonyms.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from referral_warehouse.settings import Settings
from referral_warehouse.workspace.durable_files import write_whole_file
from referral_warehouse.workspace.file_kinds import read_regular

FILE = "published_fields.json"
Place = tuple[str, str]


def request_removals(settings: Settings, places: Iterable[Place]) -> None:
    """Record that published snapshots must not have the values of these fields any more."""
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    requested = sorted({*requested_removals(settings), *places})
    write_whole_file(_path(settings), json.dumps({"drop": requested}) + "\n")


def requested_removals(settings: Settings) -> list[Place]:
    """The fields that have to be removed."""
    try:
        document = json.loads(read_regular(_path(settings)) or b"{}")
        return [(str(table), str(name)) for table, name in document.get("drop", [])]
    except (ValueError, TypeError, AttributeError):
        return []


def clear_requests(settings: Settings) -> None:
    """Record that all removals are done."""
    _path(settings).unlink(missing_ok=True)


def _path(settings: Settings) -> Path:
    return settings.state_dir / FILE
