"""Records the last delivery to each destination, and the error of a later one, in ``state/destinations.json``.

With this file ``referrals status`` needs no network. Imports nothing of dlt.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from referral_warehouse.workspace.file_kinds import read_regular, write_regular

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings

NAME = "destinations.json"


@dataclass(frozen=True, slots=True)
class DestinationRecord:
    """The snapshot that a destination got last, and the problem of a later delivery that failed (None without one)."""

    snapshot: int | None = None
    manifest_sha256: str | None = None
    problem: str | None = None


def read_records(settings: Settings) -> dict[str, DestinationRecord]:
    """The records by the name of the destination; those that cannot be read are left out."""
    try:
        found = json.loads(read_regular(settings.state_dir / NAME) or b"")
    except (ValueError, RecursionError):
        return {}
    return {
        name: DestinationRecord(**record)
        for name, record in (found.items() if isinstance(found, dict) else ())
        if _is_record(record)
    }


def write_record(settings: Settings, name: str, record: DestinationRecord) -> None:
    """Replace the record of one destination. Raises: OSError."""
    records = read_records(settings) | {name: record}
    write_regular(
        settings.state_dir / NAME, json.dumps({name: asdict(found) for name, found in sorted(records.items())}) + "\n"
    )


def _is_record(record: object) -> bool:
    return (
        isinstance(record, dict)
        and record.keys() == {"snapshot", "manifest_sha256", "problem"}
        and (record["snapshot"] is None or type(record["snapshot"]) is int)
        and all(record[name] is None or isinstance(record[name], str) for name in ("manifest_sha256", "problem"))
    )
