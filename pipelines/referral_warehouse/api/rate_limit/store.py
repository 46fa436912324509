"""The call store: every call and every rate-limit violation of one token, shared by all processes of this machine.

A call is written before it is sent and survives SIGKILL. The store counts; it neither decides nor waits.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from referral_warehouse.api.rate_limit.host import HostClock
from referral_warehouse.api.rate_limit.store_file import STATE, VIOLATIONS_KEPT_S, CallStoreFile


@dataclass(frozen=True, slots=True)
class CallCounts:
    """Calls that still count, those in flight among them, and all calls ever sent."""

    calls: int
    in_flight: int
    sent: int


@dataclass(frozen=True, slots=True)
class Violation:
    """A rate-limit violation: a response with status 429, or a block. Units: ``at`` is UTC by the wall clock."""

    at: datetime
    what: str


@dataclass(frozen=True, slots=True)
class TakeResult:
    """The result of ``take``: a call's number, or the wait and its reason.

    Units: seconds. Shape: ``reason`` is "", "violations" (a stop instead of a wait), "pause", "budget" or
    "sharing"; ``seq`` is None unless ``reason`` is empty, and 0 for a call that is not recorded.
    """

    seq: int | None
    wait_s: float = 0.0
    reason: str = ""


class CallStore:
    """Calls and violations in a file. Safe for several threads and processes."""

    def __init__(
        self, path: Path, *, window_s: float, violations_that_stop: int, clock: HostClock | None = None
    ) -> None:
        """Open nothing yet: the file is created with the first entry.

        Args:
            path: the file; one per token.
            window_s: how many seconds a call counts after its response.
            violations_that_stop: the number of violations that stop all calls.
            clock: the machine's clocks.
        """
        self._clock = HostClock() if clock is None else clock
        self._file = CallStoreFile(path, window_s, self._clock)
        self._window_s = window_s
        self._violations_that_stop = violations_that_stop
        self._completed_lock = threading.Lock()
        self._completed: list[tuple[int, float]] = []

    def exists(self) -> bool:
        """Whether the file exists."""
        return self._file.exists()

    def take(self, capacity: int | None, hold_s: float, others_wait_s: Callable[[CallCounts], float]) -> TakeResult:
        """Record a call, if fewer than ``capacity`` calls count now and ``others_wait_s`` returns 0.

        A recorded call counts from now until a window after its response (``done``), or until a window after ``hold_s``
        without one.

        Args:
            capacity: calls in a window; None for no limit: the call is not recorded, but violations and pauses apply.
            hold_s: seconds after which a call without a response counts as ended.
            others_wait_s: returns the seconds to wait for others who use the token.

        Raises: ConfigurationError when the file cannot be used.
        """
        with self._file.transaction() as db:
            now = self._clock.since_boot()
            self._write_completed(db)
            db.execute("delete from over where until <= ?", (now,))
            since = self._clock.wall() - VIOLATIONS_KEPT_S
            paused_until, violations, in_flight, completed, sent = db.execute(STATE, (since,)).fetchone()
            if violations >= self._violations_that_stop:
                return TakeResult(None, reason="violations")
            if paused_until is not None and paused_until > now:
                return TakeResult(None, paused_until - now, "pause")
            if capacity is None:
                return TakeResult(0)
            if in_flight + completed >= capacity:
                in_flight -= db.execute("delete from flying where until <= ?", (now,)).rowcount
            if in_flight + completed >= capacity:
                # A response may arrive at any time, but its call counts for one window more.
                first = db.execute("select min(until) from over").fetchone()[0]
                return TakeResult(None, self._window_s if first is None else first - now, "budget")
            wait_s = others_wait_s(CallCounts(in_flight + completed, in_flight, sent or 0))
            if wait_s > 0:
                return TakeResult(None, wait_s, "sharing")
            until = now + hold_s + self._window_s
            return TakeResult(db.execute("insert into flying (until) values (?)", (until,)).lastrowid)

    def done(self, seq: int) -> None:
        """The call has its response or was given up: it counts for one window more.

        This is remembered and written with the next call (or ``flush``), which halves the cost of both; a process
        killed in between leaves its calls counting for longer, never for less.
        """
        with self._completed_lock:
            self._completed.append((seq, self._clock.since_boot()))

    def flush(self) -> None:
        """Write what ``done`` remembered."""
        if self._completed:
            with self._file.transaction() as db:
                self._write_completed(db)

    def now(self) -> float:
        """The time of violations, in seconds since the epoch."""
        return self._clock.wall()

    def record_violation(self, what: Sequence[str], wait_s: float, at: float | None = None) -> tuple[Violation, ...]:
        """Write violations durably, at the present time or ``at``, and pause every process.

        Returns: all violations that still count.
        """
        with self._file.transaction(durable=True) as db:
            now = self._clock.wall()
            db.execute("delete from strikes where at <= ?", (now - VIOLATIONS_KEPT_S,))
            db.executemany("insert into strikes values (?, ?)", [(now if at is None else at, kind) for kind in what])
            self._file.pause(db, wait_s)
            return self._violations(db)

    def violations(self) -> tuple[Violation, ...]:
        """The violations of the last seven days, oldest first."""
        if not self.exists():
            return ()
        with self._file.transaction() as db:
            return self._violations(db)

    def forgive(self) -> int:
        """Delete all violations and any pause. Returns: how many violations there were."""
        if not self.exists():
            return 0
        with self._file.transaction(durable=True) as db:
            count = len(self._violations(db))
            db.execute("delete from strikes")
            db.execute("delete from marks where name = 'paused_until'")
            return count

    def close(self) -> None:
        """Write what is left and close the file."""
        self.flush()
        self._file.close()

    def _write_completed(self, db: sqlite3.Connection) -> None:
        with self._completed_lock:
            completed, self._completed = self._completed, []
        db.executemany("delete from flying where seq = ?", [(seq,) for seq, _ in completed])
        rows = [(at + self._window_s, seq) for seq, at in completed]
        db.executemany("insert or ignore into over values (?, ?)", rows)

    def _violations(self, db: sqlite3.Connection) -> tuple[Violation, ...]:
        since = self._clock.wall() - VIOLATIONS_KEPT_S
        rows = db.execute("select at, what from strikes where at > ? order by at", (since,)).fetchall()
        return tuple(Violation(datetime.fromtimestamp(at, UTC), what) for at, what in rows)
