"""Applies the retention periods of personal data in a sync: forgets people and removes texts that are due.

Everything that is due is removed in one rewriting of the load file and the snapshots, at most once a day (UTC), because
retention periods are whole days. A failure is a warning; the next sync tries again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from referral_warehouse.cli.forgetting import (
    BY_RETENTION,
    Erasure,
    complete_interrupted,
    erase,
    failure_line,
    failure_text,
    interrupted,
)
from referral_warehouse.errors import ReferralsError
from referral_warehouse.events import log_event, log_task, log_warning
from referral_warehouse.operate.history import ERASURE
from referral_warehouse.settings import Settings
from referral_warehouse.settings.privacy import FORGET

if TYPE_CHECKING:
    from referral_warehouse.load.privacy.aging import AgeLimits
    from referral_warehouse.load.privacy.due_people import HeldPeople
    from referral_warehouse.load.report import LoadReport

MOST_AT_ONCE = 5_000
"""One sync forgets at most this many people; the next syncs forget the others."""

__all__ = ["apply_retention", "complete_interrupted", "due_now", "in_words", "listed"]


@dataclass(frozen=True, slots=True)
class _Due:
    deleted: list[int]
    inactive: list[int]
    texts: dict[str, int]
    age_limits: AgeLimits
    doubted: str = ""
    """Why people who were deleted in the account are not among them, where they are too many to be plausible."""


def apply_retention(settings: Settings, report: LoadReport, *, accept_deletions: bool = False) -> None:
    """Forget who is due after a load, before anything is built from it; ``report.forgotten`` says how many.

    Args:
        settings: the retention periods.
        report: of the load that has just ended; retention periods end relative to its ``observed_at``.
        accept_deletions: forget also an implausibly large share of all people.
    """
    if report.observed_at is None or interrupted(settings) is not None:
        return  # an erasure that could not be completed was reported as a warning already
    _drop_old_outcomes(settings)
    try:
        due = _due(settings, report.observed_at, accept_deletions=accept_deletions)
        user_ids = tuple(sorted({*due.deleted, *due.inactive}))
        if not user_ids and not due.texts:
            _log_erased(due)
            return
        certificate = erase(settings, Erasure(user_ids, BY_RETENTION, tuple(sorted(due.age_limits.as_json().items()))))
    except (ReferralsError, OSError) as error:
        still = f"personal data whose retention period is over is still held: {failure_line(error)}"
        log_task(ERASURE, still, type(error).__name__)
        log_warning(
            "load", "retention", f"personal data whose retention period is over is still held: {failure_text(error)}"
        )
        return
    _log_erased(due)
    report.forgotten = _counts(due)
    for problem in certificate.problems:
        log_warning("load", "retention", problem)
    where = "" if certificate.path is None else f"; certificate: {certificate.path}"
    log_event("load", "forgotten", f"{in_words(report.forgotten)}{where}", **report.forgotten)


def due_now(settings: Settings) -> dict[str, int] | None:
    """How many people and texts a sync would forget now, by kind, as of the last load.

    Changes nothing. Returns: None where nothing was loaded yet, or another process uses the load file.
    """
    import duckdb

    from referral_warehouse.load.storage.stored_rows import DATASET

    try:
        with duckdb.connect(str(settings.load_path), read_only=True) as connection:
            found = connection.execute(f"select max(observed_at) from {DATASET}.runs").fetchone()
        if found is None or found[0] is None:
            return None
        due = _due(settings, found[0], accept_deletions=True)
    except (duckdb.Error, ReferralsError):
        return None
    return _counts(due)


def in_words(forgotten: dict[str, int]) -> str:
    """What was forgotten, as one sentence without its end."""
    return f"forgotten because their retention period is over: {listed(forgotten)}"


def listed(counts: dict[str, int]) -> str:
    """The counts as text, such as ``2 people without activity, 3 error texts of runs``."""
    names = {
        "deleted": "people who were deleted in the account", "inactive": "people without activity",
        "records": "records in the quarantine", "errors": "error texts of runs",
    }  # fmt: skip
    return ", ".join(f"{count:,} {names[name]}" for name, count in counts.items()) or "nothing"


def _counts(due: _Due) -> dict[str, int]:
    counts = {"deleted": len(due.deleted), "inactive": len({*due.inactive} - {*due.deleted}), **due.texts}
    return {name: count for name, count in counts.items() if count}


def _due(settings: Settings, now: datetime, *, accept_deletions: bool) -> _Due:
    """Who and what is due at the beginning of the day of ``now`` (naive UTC)."""
    import duckdb

    from referral_warehouse.load.privacy.aging import AgeLimits
    from referral_warehouse.load.privacy.due_people import HeldPeople
    from referral_warehouse.load.privacy.forgotten import read_forgotten
    from referral_warehouse.load.registry import TABLES

    today = datetime.combine(now.date(), time())

    def before(days: int) -> datetime | None:
        return today - timedelta(days=days) if days else None

    with duckdb.connect(str(settings.load_path), read_only=True) as connection:
        people = HeldPeople(connection, TABLES, read_forgotten(settings, TABLES))
        deleted: list[int] = []
        doubted = ""
        if settings.privacy_on_delete == FORGET:
            deleted = people.deleted(today - timedelta(days=settings.privacy_grace_days))
            deleted, doubted = _plausible(settings, people, deleted, accept_deletions=accept_deletions)
        inactive: list[int] = []
        if (last := before(settings.privacy_retain_days)) is not None:
            inactive = _without_liability(settings, people.inactive(last), now)
        age_limits = AgeLimits(before(settings.privacy_quarantine_days), before(settings.privacy_log_days))
        texts = age_limits.counts(connection)
    later = len({*deleted, *inactive}) - MOST_AT_ONCE
    if later > 0:
        log_event(
            "load", "retention", f"{later:,} more people are forgotten by the next syncs, {MOST_AT_ONCE:,} by each"
        )
    deleted = deleted[:MOST_AT_ONCE]
    return _Due(deleted, inactive[: MOST_AT_ONCE - len(deleted)], texts, age_limits if texts else AgeLimits(), doubted)


def _log_erased(due: _Due) -> None:
    """Record in the outcome of the run that what was due is erased, or why a part of it is not."""
    log_task(ERASURE, due.doubted, "MassDisappearance" if due.doubted else "")


def _plausible(
    settings: Settings, people: HeldPeople, deleted: list[int], *, accept_deletions: bool
) -> tuple[list[int], str]:
    """Those of ``deleted`` whose deletion is published; none where they are too many to be plausible, and why."""
    from referral_warehouse.warehouse.published_people import deleted_people

    found = {*deleted} & deleted_people(settings) if deleted else set()
    is_doubted = bool(found) and not accept_deletions
    why = people.implausible(found, settings.max_vanished_percent) if is_doubted else None
    if why is not None:
        doubted = (
            f"people who were deleted in the account are not forgotten: {why}, more than "
            "WAREHOUSE__MAX_VANISHED_PERCENT permits; if they were really deleted, run `referrals sync "
            "--accept-deletions`, otherwise set PRIVACY__ON_DELETE=keep and look for the cause"
        )
        log_warning("load", "retention", doubted)
        return [], doubted
    return sorted(found), ""


def _without_liability(settings: Settings, inactive: list[int], now: datetime) -> list[int]:
    from referral_warehouse.warehouse.published_people import has_published, people_owed

    if not inactive or not has_published(settings):
        return []
    return sorted({*inactive} - people_owed(settings, now))


def _drop_old_outcomes(settings: Settings) -> None:
    """Remove outcomes of runs that are too old by this machine's clock, which wrote their times too."""
    from referral_warehouse.operate.outcome_log import OutcomeLog

    if settings.privacy_log_days:
        try:
            OutcomeLog(settings.state_dir).drop_older(datetime.now(UTC) - timedelta(days=settings.privacy_log_days))
        except OSError as error:
            log_warning("operate", "outcomes", f"old outcomes of runs could not be removed: {error}")
