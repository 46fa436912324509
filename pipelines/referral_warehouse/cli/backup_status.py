"""The backups for ``referrals status``: where the newest is, how old it is, and whether it was verified."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from referral_warehouse.utc_times import iso_utc_seconds

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings

LATE_AFTER = timedelta(days=7)
"""From this age on, the newest backup is noted as old. docs/backups.md has the reason."""
MAKE_ONE = "Run `referrals backup DIR`, best from a scheduler and on another disk."


def backup_facts(settings: Settings, now: datetime) -> dict[str, Any] | None:
    """The newest backup that is known; None where there is nothing to back up.

    Returns: ``directory``, ``backup`` (its name), ``made_at``, ``age_s``, ``verified_at`` and ``damage`` of the last
    verification of that backup, all None where they are not known; ``is_readable``: whether the directory can be read
    now; ``is_late``: whether there is no backup, or only one that is older than ``LATE_AFTER``.
    """
    from referral_warehouse.operate.known_backups import known_backups, made_at
    from referral_warehouse.workspace.directories import DEMO_MARKER

    if not settings.load_path.exists() or (settings.warehouse_dir / DEMO_MARKER).exists():
        return None
    found: dict[str, Any] = dict.fromkeys(
        ("directory", "backup", "made_at", "age_s", "verified_at", "damage", "is_readable")
    )
    known = [(one.newest, one) for one in known_backups(settings.state_dir) if one.newest is not None]
    if not known:
        return found | {"is_late": True}
    name, newest = max(known, key=lambda one: one[0])
    record, age = newest.record, now - made_at(name)
    if record.verified == name:
        found |= {"verified_at": record.verified_at, "damage": record.damage}
    return found | {
        "directory": str(newest.directory), "backup": name, "made_at": iso_utc_seconds(made_at(name)),
        "age_s": max(0, round(age.total_seconds())), "is_readable": newest.names is not None,
        "is_late": age > LATE_AFTER,
    }  # fmt: skip


def backup_sentence(facts: dict[str, Any]) -> str:
    """The line of ``referrals status`` about the backups."""
    from referral_warehouse.operate.durations import duration_text

    if facts["backup"] is None:
        return f"Backups: none is known. Next: {MAKE_ONE}"
    where = f"Backups: the newest is {facts['directory']}/{facts['backup']}, {duration_text(facts['age_s'])} old"
    if not facts["is_readable"]:
        where += " (its directory cannot be read now)"
    if facts["damage"] is not None:
        return f"{where}; damaged when it was verified at {facts['verified_at']}. Next: {MAKE_ONE}"
    verified = f"verified at {facts['verified_at']}" if facts["verified_at"] else "not verified since it was made"
    late = f". There is none of the last {LATE_AFTER.days} days. Next: {MAKE_ONE}" if facts["is_late"] else "."
    return f"{where}; {verified}{late}"
