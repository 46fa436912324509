"""Pins: the numbers of snapshots that a user keeps, whatever their age; retention reads them here.

They are in the state of the warehouse directory. Knows no snapshot.
"""

from __future__ import annotations

import json
from pathlib import Path

from referral_warehouse.workspace.file_kinds import kind_of, read_regular, write_regular

NAME = "pins.json"
UNKNOWN = f"state/{NAME} cannot be read as pins, so no old snapshot is removed"
UNKNOWN_STEP = f"Move state/{NAME} away, and pin with `referrals snapshots --pin N` what is to stay."


def pinned_numbers(state_dir: Path) -> frozenset[int] | None:
    """The numbers that are pinned; None where the file cannot be read as pins: then any snapshot may be pinned."""
    path = state_dir / NAME
    if kind_of(path) is None:
        return frozenset()
    try:
        found = json.loads(read_regular(path) or b"")
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list) or any(type(one) is not int for one in found):
        return None
    return frozenset(found)


def write_pins(state_dir: Path, numbers: frozenset[int]) -> None:
    """Replace all pins; the caller holds the lock of the directory. Raises: OSError."""
    write_regular(state_dir / NAME, json.dumps(sorted(numbers)) + "\n")
