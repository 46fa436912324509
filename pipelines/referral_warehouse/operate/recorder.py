"""Records that a run started and how it ended. What cannot be written is a warning and never fails the run.

The caller holds the lock of the directory from ``start`` to ``end``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from referral_warehouse.display_text import one_line
from referral_warehouse.events import log_warning
from referral_warehouse.operate.history import History, history_of, killed
from referral_warehouse.operate.outcome_log import OutcomeLog
from referral_warehouse.operate.outcomes import LONGEST_MESSAGE, OK, Outcome, Start
from referral_warehouse.redaction import redact
from referral_warehouse.run_ids import new_run_id
from referral_warehouse.settings import Settings
from referral_warehouse.utc_times import iso_utc_seconds
from referral_warehouse.workspace.removal import reason

DISK_FULL = "DiskFull"
"""The name of the error class for a full disk."""


def utc_now() -> datetime:
    """This machine's clock."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Ending:
    """How a run ended, as its error reports it; the attributes are those of ``Outcome``."""

    result: str = OK
    exit_code: int = 0
    error: str | None = None
    message: str | None = None
    next_step: str | None = None
    failed_checks: list[str] = field(default_factory=list)


class Recorder:
    """Records one run of a command.

    Attributes:
        known: the history as it was read.
        before: the same with ``found_killed``.
        found_killed: the run that was killed before this one; None where there is none.
    """

    def __init__(
        self,
        settings: Settings,
        command: str,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to record; nothing is read or written. ``clock`` counts seconds."""
        self._log = OutcomeLog(settings.state_dir)
        self._state_dir = settings.state_dir
        self._now, self._clock = now, clock
        self._began = clock()
        self._is_writable = True
        started_at = now()
        self.start_record = Start(new_run_id(started_at), command, iso_utc_seconds(started_at))
        self.known, self.before = History(), History()
        self.found_killed: Outcome | None = None

    def start(self, pid: int | None = None) -> None:
        """Record the start; the caller holds the lock, so a run without an end was killed."""
        self._read()
        if self.before.unfinished is not None:
            self.found_killed = self.before.counted(killed(self.before.unfinished, self._now()))
            self._attempt(self._log.append, self.found_killed)
            self.before = deepcopy(self.known)
            self.before.add(self.found_killed)
        self._attempt(self._log.begin_new_file, self.before.needed)
        start = self.start_record
        self._attempt(self._log.append, Start(start.run, start.command, start.at, pid))

    def refused(self, ending: Ending) -> Outcome:
        """Record a run that was refused before it started; nothing is written where the directory has no state yet."""
        self._is_writable = self._state_dir.is_dir()
        if self._is_writable:
            self._read()
        return self.end(ending)

    def history_with(self, outcome: Outcome) -> History:
        """The history after this run."""
        after = deepcopy(self.before)
        after.add(outcome)
        return after

    def end(self, ending: Ending, **numbers: Any) -> Outcome:
        """Record the end. Args: ``numbers`` are further attributes of ``Outcome``. Returns: what was recorded.

        Where the run ended because the disk is full, its own error says so, and a warning would only repeat it.
        """
        start = self.start_record
        outcome = self.before.counted(
            Outcome(
                run=start.run, command=start.command, started_at=start.at, at=iso_utc_seconds(self._now()),
                result=ending.result, exit_code=ending.exit_code, error=ending.error, message=_kept(ending.message),
                next_step=_kept(ending.next_step), failed_checks=ending.failed_checks,
                seconds=round(self._clock() - self._began, 3), **numbers,
            )
        )  # fmt: skip
        if outcome.error == DISK_FULL:
            with suppress(OSError, ValueError):
                self._log.append(outcome)
        else:
            self._attempt(self._log.append, outcome)
        return outcome

    def _read(self) -> None:
        try:
            self.known = self.before = history_of(self._log.read())
        except OSError as error:
            self._warn(error)

    def _attempt(self, step: Callable[..., object], *arguments: object) -> None:
        if self._is_writable:
            try:
                step(*arguments)
            except (OSError, ValueError) as error:
                self._warn(error)

    def _warn(self, error: Exception) -> None:
        self._is_writable = False
        log_warning(
            "operate", "outcomes",
            f"{self._log.path} cannot be written ({reason(error)}): `referrals status` will not show this run",
        )  # fmt: skip


def _kept(text: str | None) -> str | None:
    return None if text is None else one_line(redact(text), LONGEST_MESSAGE)
