"""Records the last publication to the lake, and the error of a later one, in ``state/lake.json``.

With this file ``referrals status`` needs no network.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from referral_warehouse.workspace.file_kinds import read_regular, write_regular

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings

NAME = "lake.json"


@dataclass(frozen=True, slots=True)
class LakeRecord:
    """The last publication to ``catalog``, and the problem of a later one that failed (None without one)."""

    catalog: str
    snapshot: int | None = None
    manifest_sha256: str | None = None
    problem: str | None = None


def read_record(settings: Settings) -> LakeRecord:
    """The record of the lake that is set; an empty one where there is none."""
    catalog = str(settings.lake_catalog)
    try:
        found = LakeRecord(**json.loads(read_regular(settings.state_dir / NAME) or b""))
    except (ValueError, TypeError, RecursionError):
        return LakeRecord(catalog)
    is_sound = isinstance(found.snapshot, int | None) and isinstance(found.problem, str | None)
    return found if is_sound and found.catalog == catalog else LakeRecord(catalog)


def write_record(settings: Settings, record: LakeRecord) -> None:
    """Replace the record. Raises: OSError."""
    write_regular(settings.state_dir / NAME, json.dumps(asdict(record)) + "\n")
