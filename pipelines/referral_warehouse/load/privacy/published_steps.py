"""Notes in ``state/`` which fields have to be removed from published snapshots, until that is done.

Also where stored values become pseudonyms, published values are removed, so that the step can be repeated.
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


def ask_for_published(settings: Settings, places: Iterable[Place]) -> None:
    """Add fields to the note: published snapshots must not have their values any more."""
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    noted = sorted({*published_steps(settings), *places})
    write_whole_file(_path(settings), json.dumps({"drop": noted}) + "\n")


def published_steps(settings: Settings) -> list[Place]:
    """The fields that are noted; none where there is no note."""
    try:
        document = json.loads(read_regular(_path(settings)) or b"{}")
        return [(str(table), str(name)) for table, name in document.get("drop", [])]
    except (ValueError, TypeError, AttributeError):
        return []


def published_is_done(settings: Settings) -> None:
    """Remove the note."""
    _path(settings).unlink(missing_ok=True)


def _path(settings: Settings) -> Path:
    return settings.state_dir / FILE
