"""Reads the table of docs/damage.md: the documented outcome for a path and a damage."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs" / "damage.md"
HEAD = "| path | damage | `referrals sync` | what to do |"
CLASSES = {
    "missing": "missing",
    "empty": "empty",
    "an empty file": "another kind",
    "a file": "another kind",
    "a directory": "another kind",
    "an empty directory": "another kind",
    "a link to itself": "another kind",
    "a broken link": "another kind",
    "a named pipe": "another kind",
    "a socket": "another kind",
}
"""Damage → its word in the table; every other damage is ``changed``."""


@dataclass(frozen=True)
class Outcome:
    """A row of the table: the possible ``exit_codes`` of a sync, and the beginning of ``step``."""

    path: str
    damages: tuple[str, ...]
    exit_codes: tuple[int, ...]
    step: str

    def covers(self, path: str) -> bool:
        """Whether a path below the warehouse directory is meant."""
        places = {"**": ".+", "*": "[^/]+"}
        parts = (places.get(part) or re.escape(part) for part in re.split(r"(\*\*|\*)", self.path))
        return re.fullmatch("".join(parts), path) is not None


def read_outcomes() -> list[Outcome]:
    """Every row of the table."""
    lines = DOCS.read_text(encoding="utf-8").splitlines()
    rows = []
    for line in lines[lines.index(HEAD) + 2 :]:
        if not line.startswith("|"):
            break
        path, damages, outcome, step = (cell.strip() for cell in line.strip("|").split(" | "))
        codes = tuple(int(code) for code in re.findall(r"exit (\d+)", outcome))
        rows.append(Outcome(path.strip("`"), tuple(damages.split(", ")), codes, step.split(",")[0].split(".")[0]))
    return rows


def outcome_of(rows: list[Outcome], path: str, damage: str) -> Outcome:
    """The row for a path and a damage. Raises: LookupError where the table has none, or more than one."""
    word = CLASSES.get(damage, "changed")
    found = [row for row in rows if row.covers(path) and word in row.damages]
    found = [row for row in found if row.path == path] or found  # a row for one file is for that file alone
    if len(found) != 1:
        raise LookupError(f"docs/damage.md has {len(found)} rows for {path} × {word}")
    return found[0]
