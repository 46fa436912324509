"""The call store: every call and every rate-limit violation of one token, seen by all processes of this machine.

A call is written before it is sent and survives SIGKILL. The store counts; it decides and waits for nothing.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from referral_warehouse.api.rate_limit.host import HostClock
from referral_warehouse.api.rate_limit.store_file import STATE, STRIKES_KEPT_S, CallStoreFile


@dataclass(frozen=True, slots=True)
class Held:
    """What the call store holds: calls that still count, those in flight among them, and calls ever sent."""

    calls: int
    in_flight: int
    sent: int


@dataclass(frozen=True, slots=True)
class Strike:
    """One response with status 429, or a block. Units: ``at`` is UTC by the wall clock."""

    at: datetime
    what: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What ``take`` returns: a call's number, or how long to wait and for what.

    Units: seconds. Shape: ``reason`` is "", "strikes" (then there is no wait, but a stop), "pause", "budget" or
    "sharing"; ``seq`` is None with all but the first.
    """

    seq: int | None
    wait_s: float = 0.0
    reason: str = ""


class CallStore:
    """Calls and violations in a file. Safe for several threads and processes."""

    def __init__(self, path: Path, *, window_s: float, strikes_that_stop: int, clock: HostClock | None = None) -> None:
        """Open nothing yet: the file appears with the first entry.

        Args:
            path: the file; one per token.
            window_s: how many seconds a call counts after its response.
            strikes_that_stop: so many violations that count let no call be sent.
            clock: the machine's clocks.
        """
        self._clock = HostClock() if clock is None else clock
        self._file = CallStoreFile(path, window_s, self._clock)
        self._window_s = window_s
        self._strikes_that_stop = strikes_that_stop
        self._completed_lock = threading.Lock()
        self._completed: list[tuple[int, float]] = []

    def exists(self) -> bool:
        """Whether anything was ever written."""
        return self._file.exists()

    def take(self, capacity: int | None, hold_s: float, hold_back: Callable[[Held], float]) -> Taken:
        """Write a call, if fewer than ``capacity`` calls count now and ``hold_back`` returns no wait.

        A call counts from now until a window after its response (``done``), or after ``hold_s`` without one.

        Args:
            capacity: calls in a window; None counts nothing, violations and pauses hold all the same.
            hold_s: seconds.
            hold_back: returns seconds to wait for others who use the token.

        Raises: ConfigurationError when the file cannot be used.
        """
        with self._file.transaction() as db:
            now = self._clock.since_boot()
            self._write_completed(db)
            db.execute("delete from over where until <= ?", (now,))
            since = self._clock.wall() - STRIKES_KEPT_S
            paused_until, strikes, in_flight, completed, sent = db.execute(STATE, (since,)).fetchone()
            if strikes >= self._strikes_that_stop:
                return Taken(None, reason="strikes")
            if paused_until is not None and paused_until > now:
                return Taken(None, paused_until - now, "pause")
            if capacity is None:
                return Taken(0)
            if in_flight + completed >= capacity:
                in_flight -= db.execute("delete from flying where until <= ?", (now,)).rowcount
            if in_flight + completed >= capacity:
                # A response may come at any time, but frees its call a window later and not sooner.
                first = db.execute("select min(until) from over").fetchone()[0]
                return Taken(None, self._window_s if first is None else first - now, "budget")
            wait_s = hold_back(Held(in_flight + completed, in_flight, sent or 0))
            if wait_s > 0:
                return Taken(None, wait_s, "sharing")
            until = now + hold_s + self._window_s
            return Taken(db.execute("insert into flying (until) values (?)", (until,)).lastrowid)

    def done(self, seq: int) -> None:
        """The call has its response or was given up: it counts for one more window.

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

    def strike(self, what: Sequence[str], wait_s: float) -> tuple[Strike, ...]:
        """Write violations durably and pause every process. Returns: all violations that still count."""
        with self._file.transaction(durable=True) as db:
            now = self._clock.wall()
            db.execute("delete from strikes where at <= ?", (now - STRIKES_KEPT_S,))
            db.executemany("insert into strikes values (?, ?)", [(now, kind) for kind in what])
            self._file.pause(db, wait_s)
            return self._strikes(db)

    def strikes(self) -> tuple[Strike, ...]:
        """The violations of the last seven days, oldest first."""
        if not self.exists():
            return ()
        with self._file.transaction() as db:
            return self._strikes(db)

    def forgive(self) -> int:
        """Delete all violations and any pause. Returns: how many violations there were."""
        if not self.exists():
            return 0
        with self._file.transaction(durable=True) as db:
            count = len(self._strikes(db))
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

    def _strikes(self, db: sqlite3.Connection) -> tuple[Strike, ...]:
        since = self._clock.wall() - STRIKES_KEPT_S
        rows = db.execute("select at, what from strikes where at > ? order by at", (since,)).fetchall()
        return tuple(Strike(datetime.fromtimestamp(at, UTC), what) for at, what in rows)
