"""Decides which files at a place are those of delivered sets, and which sets can be removed. Reads no place."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from referral_warehouse.operate.delivery_place import Stored
from referral_warehouse.workspace.current_snapshot import (
    DESCRIPTION,
    FEEDS,
    MANIFEST,
    SNAPSHOTS,
    folder_name,
    snapshot_name,
)
from referral_warehouse.workspace.file_kinds import read_regular, write_regular

INCOMPLETE = "incomplete.json"
"""A file in a set that is being copied, with the content of the set's manifest, so that a later delivery continues."""

OF_A_SET = re.compile(
    rf"{SNAPSHOTS}/([0-9]{{6,18}})/"
    rf"(?:\.?(?:{DESCRIPTION}|{MANIFEST}|{INCOMPLETE})(?:\.new)?|{FEEDS}/\.?[a-z_]+\.[a-z0-9_]+\.parquet(?:\.new)?)",
    re.ASCII,
)
"""The names that a delivery writes; those with a dot before and ``.new`` after are left by one that was killed."""


WITHDRAWN = "withdrawn_sets"
"""The file of the state with the number up to which delivered sets are to be removed."""


def withdraw_sets(state_dir: Path, upto: int) -> None:
    """Have the next delivery remove sets up to a number, except for the one that it makes current."""
    write_regular(state_dir / WITHDRAWN, f"{upto}\n")


def withdrawn_upto(state_dir: Path) -> int:
    """The number up to which sets are to be removed; 0 for none."""
    text = (read_regular(state_dir / WITHDRAWN) or b"").decode("ascii", errors="replace").strip()
    return int(text) if text.isdecimal() and len(text) < 20 else 0


def is_of_a_set(name: str) -> bool:
    """Whether a delivery writes files of that name."""
    return _number_of(name) is not None


def names_of_set(stored: Iterable[str], number: int) -> list[str]:
    """The files of a set, without files of other programs."""
    return sorted(name for name in stored if _number_of(name) == number)


def removable_sets(
    stored: Mapping[str, Stored], current: int, keep: int, grace_s: float, now: float, withdrawn: int = 0
) -> list[int]:
    """The numbers of sets to remove: all before the last ``keep`` whose grace period is over, and incomplete ones.

    The times of their manifests give the order in which sets were delivered; a set is replaced when the next one is
    delivered. A set without a manifest is what is left of a delivery or a removal that was interrupted.

    Args:
        stored: the files below ``snapshots/`` by name.
        current: the set that ``manifest.json`` of the place names, which always stays.
        grace_s: seconds that a replaced set stays.
        now: the time, in seconds since 1970.
        withdrawn: sets up to this number are removed, except for the current one.
    """
    numbers = {number for name in stored if (number := _number_of(name)) is not None}
    changed = {
        number: stored[name].changed_at
        for number in numbers
        if (name := f"{snapshot_name(number)}/{MANIFEST}") in stored
    }
    whole = sorted(changed, key=lambda number: (number == current, changed[number], number))
    kept = {*whole[-keep:], current}
    # A time far in the future comes from another clock; such a set must not stay until then.
    kept |= {number for number, following in itertools.pairwise(whole) if abs(now - changed[following]) < grace_s}
    kept = {number for number in kept if number > withdrawn or number == current}
    return sorted(numbers - kept)


def _number_of(name: str) -> int | None:
    found = OF_A_SET.fullmatch(name)
    if found is None or found[1] != folder_name(int(found[1])):
        return None
    return int(found[1])
