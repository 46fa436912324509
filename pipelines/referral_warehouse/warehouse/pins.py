"""Pins: the numbers of snapshots that a user keeps, whatever their age; retention asks here.

They are in the state of the warehouse directory. Knows no snapshot.
"""

from __future__ import annotations

import json
from pathlib import Path

from referral_warehouse.workspace.file_kinds import read_regular, write_regular

NAME = "pins.json"


def pinned_numbers(state_dir: Path) -> frozenset[int]:
    """The numbers that are pinned; none where the file is not readable as one of these."""
    try:
        found = json.loads(read_regular(state_dir / NAME) or b"")
    except (ValueError, RecursionError):
        return frozenset()
    return frozenset(one for one in found if type(one) is int) if isinstance(found, list) else frozenset()


def write_pins(state_dir: Path, numbers: frozenset[int]) -> None:
    """Replace all pins; the caller holds the lock of the directory. Raises: OSError."""
    write_regular(state_dir / NAME, json.dumps(sorted(numbers)) + "\n")
