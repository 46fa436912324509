"""Chooses the snapshot that a query reads: the published one, one by its number, or the one of a time.

Knows folders and manifests of snapshots; opens no database.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from referral_warehouse.display_text import display_text
from referral_warehouse.errors import ConfigurationError, NothingPublished
from referral_warehouse.utc_times import parse_utc
from referral_warehouse.warehouse.manifest import read_manifest
from referral_warehouse.warehouse.published import published_manifest, snapshot_path
from referral_warehouse.warehouse.snapshots import snapshot_numbers
from referral_warehouse.workspace.current_snapshot import current_number, folder_name

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings

DAY_CHARACTERS = 10
LISTED = 20
"""Snapshots that an error names at most."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot to read: its number, its database, and its manifest where that is readable."""

    number: int
    path: Path
    manifest: dict[str, Any] | None

    @property
    def synced_at(self) -> datetime | None:
        """The server's time of the data, UTC; where that is not known, the time of the build."""
        manifest = self.manifest or {}
        text = manifest.get("synced_at") or manifest.get("built_at")
        return None if text is None else parse_utc(text)


def choose_snapshot(settings: Settings, number: int | None = None, as_of: str | None = None) -> Snapshot:
    """The published snapshot, or the one that is asked for.

    Args:
        settings: Say where the warehouse directory is.
        number: The number of a snapshot.
        as_of: A time in ISO 8601, UTC unless it has an offset; a day means its end. The newest snapshot whose data is
            not later is chosen.

    Raises:
        NothingPublished: There is no snapshot at all.
        ConfigurationError: There is no such snapshot (any more), the time cannot be read, or both are given.
    """
    if number is not None and as_of is not None:
        raise ConfigurationError("--snapshot and --as-of exclude each other.", "Give one of them.")
    current = current_number(settings.published_dir)
    if current is None:
        raise NothingPublished(f"Nothing is published in {settings.published_dir} yet.")
    if as_of is not None:
        return _newest_until(settings, as_of, parse_time(as_of))
    if number is None or number == current:
        return Snapshot(current, snapshot_path(settings, current), published_manifest(settings))
    found = next((kept for kept in kept_snapshots(settings) if kept.number == number), None)
    if found is None:
        raise ConfigurationError(
            f"There is no snapshot {number}: {_listed(kept_snapshots(settings))}",
            "Name one of these. WAREHOUSE__KEEP_SNAPSHOTS says how many are kept.",
        )
    return found


def kept_snapshots(settings: Settings) -> list[Snapshot]:
    """Every snapshot that is still there, oldest first."""
    return [
        Snapshot(number, path, read_manifest(settings.snapshots_dir / folder_name(number) / "manifest.json"))
        for number in snapshot_numbers(settings)
        if (path := snapshot_path(settings, number)).is_file()
    ]


def parse_time(text: str) -> datetime:
    """A time in ISO 8601 as UTC; a day is its end. Raises: ConfigurationError."""
    try:
        found = parse_utc(text.strip())
        is_day = len(text.strip()) <= DAY_CHARACTERS
        return found + timedelta(days=1, microseconds=-1) if is_day else found
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"--as-of {display_text(text, 60)!r} is not a time.",
            "Write it as 2026-01-31 (the end of that day), 2026-01-31T08:00 (UTC) or 2026-01-31T08:00+02:00.",
        ) from None


def _newest_until(settings: Settings, text: str, at: datetime) -> Snapshot:
    kept = kept_snapshots(settings)
    until = [found for found in kept if found.synced_at is not None and found.synced_at <= at]
    if not until:
        raise ConfigurationError(
            f"No snapshot has the data of {display_text(text, 60)}: {_listed(kept)}",
            "Name a later time. WAREHOUSE__KEEP_SNAPSHOTS says how many snapshots are kept; marts that end in _daily "
            "and marts.reward_ledger have the history in every snapshot.",
        )
    return until[-1]


def _listed(kept: list[Snapshot]) -> str:
    if not kept:
        return "none is kept."
    shown = [f"{found.number} ({_time_text(found.synced_at)})" for found in kept[-LISTED:]]
    return f"{'those' if len(kept) <= LISTED else f'the last {LISTED}'} that are kept are {', '.join(shown)}."


def _time_text(at: datetime | None) -> str:
    return "time unknown" if at is None else at.strftime("%Y-%m-%d %H:%M:%S")
