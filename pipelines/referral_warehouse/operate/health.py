"""Judges a warehouse directory: is it published, fresh enough, and did its last runs succeed?

Reads the outcomes where they are written, and the manifest; opens no database and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from referral_warehouse.errors import SnapshotDamaged
from referral_warehouse.operate.history import History, history_of, killed
from referral_warehouse.operate.outcome_log import OutcomeLog
from referral_warehouse.operate.outcomes import FAILED
from referral_warehouse.settings import Settings
from referral_warehouse.utc_times import parse_utc
from referral_warehouse.workspace.current_snapshot import is_published as has_publication
from referral_warehouse.workspace.file_locks import is_locked
from referral_warehouse.workspace.removal import reason

WELL, FAILING, STALE, UNPUBLISHED, DAMAGED = "well", "failing", "stale", "nothing published", "damaged"
NOT_FRESH_CODE = 4
"""Exit code where the data is too old, or there is none."""

SYNC_STEP = "Run `referrals sync`, or find out why the scheduler does not run it."
FIRST_STEP = "Run `referrals sync`, or `referrals demo`."


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of a directory at one time.

    Attributes:
        state: ``well``, ``failing`` (runs failed since the last success), ``stale`` (the data is older than allowed),
            ``nothing published`` or ``damaged`` (what is published cannot be read).
        exit_code: that of ``referrals status``.
        history: the state that follows from the outcomes.
        is_running: whether a command writes the directory now.
        manifest: of the published snapshot, if there is one.
        fresh_at: when the published data was as new as the API's; by this machine's clock where that was recorded, else
            the server's.
        age_s: seconds since then; max_age_s is the limit, if one was given.
        problem: why the outcomes could not be read, if so.
        next_step: what to do; None where nothing is to be done.
        damage: why what is published cannot be read; None where that was not found.
    """

    state: str
    exit_code: int
    history: History
    is_running: bool
    manifest: dict[str, Any] | None
    fresh_at: datetime | None
    age_s: float | None
    max_age_s: int | None
    problem: str | None
    next_step: str | None
    damage: str | None = None


def with_damage(health: Health, error: SnapshotDamaged) -> Health:
    """The health of a directory whose published snapshot cannot be read, however its runs went."""
    return replace(
        health, state=DAMAGED, exit_code=error.exit_code, damage=error.message, next_step=error.next_step
    )  # fmt: skip


def read_health(settings: Settings, now: datetime, max_age_s: int | None = None) -> Health:
    """The health of a directory at ``now`` (UTC). With ``max_age_s``, failures of runs do not decide the exit code."""
    from referral_warehouse.warehouse.published import published_manifest

    history, is_running, problem = read_history(settings, now)
    manifest = published_manifest(settings)
    is_published = has_publication(settings.published_dir)
    fresh_at = history.fresh_at or _current_at(manifest)
    age_s = None if fresh_at is None else max(0.0, (now - fresh_at).total_seconds())
    is_stale = max_age_s is not None and (age_s is None or age_s > max_age_s)
    failure = history.last_failure
    state = WELL
    if not is_published:
        state = UNPUBLISHED
    elif is_stale:
        state = STALE
    elif failure is not None:
        state = FAILING
    if max_age_s is not None or failure is None:
        exit_code = NOT_FRESH_CODE if state in (UNPUBLISHED, STALE) else 0
    else:
        exit_code = failure.exit_code if failure.result == FAILED and 0 < failure.exit_code < 128 else 1
    step = failure.next_step if failure is not None else None
    if step is None and state != WELL and not is_running:
        step = FIRST_STEP if state == UNPUBLISHED else SYNC_STEP
    return Health(state, exit_code, history, is_running, manifest, fresh_at, age_s, max_age_s, problem, step)


def read_history(settings: Settings, now: datetime) -> tuple[History, bool, str | None]:
    """The history of a directory; whether a command writes it now; why the outcomes could not be read, if so.

    A run that started, has no end and holds no lock counts as killed.
    """
    log = OutcomeLog(settings.state_dir)
    try:
        history = history_of(log.read())
        if history.unfinished is None:
            return history, False, None
        if is_locked(settings.state_dir / "lock"):
            return history, True, None
        history = history_of(log.read())  # the run may have ended meanwhile
    except OSError as error:
        return History(), False, f"{log.path} cannot be read ({reason(error)})"
    if history.unfinished is not None:
        history.add(history.counted(killed(history.unfinished, now)))
    return history, False, None


def _current_at(manifest: dict[str, Any] | None) -> datetime | None:
    known = manifest or {}
    text = known.get("current_at") or known.get("synced_at")  # 0.2.0 and earlier wrote no current_at
    return parse_utc(text) if isinstance(text, str) else None
