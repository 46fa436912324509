"""What ``schema.json`` says of a snapshot's tables, for those who only have the snapshot. Opens no database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from referral_warehouse.workspace.current_snapshot import DESCRIPTION
from referral_warehouse.workspace.file_kinds import read_regular


def keys_of(folder: Path) -> dict[str, list[str]]:
    """The key columns of each table; none where the snapshot's folder has no readable description."""
    try:
        return {name: [str(column) for column in table["key"]] for name, table in _tables(folder).items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}


def impersonal_tables(folder: Path) -> set[str]:
    """The tables that are described, and no column of which names a person; none without a readable description."""
    try:
        return {
            str(name)
            for name, table in _tables(folder).items()
            if table["columns"] and all(column["is_personal"] is False for column in table["columns"].values())
        }
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return set()


def _tables(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(read_regular(folder / DESCRIPTION) or b"")["tables"]
    return found
