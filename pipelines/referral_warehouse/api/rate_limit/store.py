"""The call store: every call and every strike of one token, written down where all processes of this machine see it.

One small sqlite file per token. A call is written before it is sent and survives SIGKILL; times are the machine's
own clock since boot, so no change of the wall clock moves them. This room counts; it decides and waits for nothing.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from referral_warehouse.api.rate_limit.host import boot_clock, boot_id
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.workspace.file_kinds import kind_of, remove_or_raise, set_aside

STRIKES_KEPT_S = 7 * 24 * 3600.0
FUTURE_S = 3600.0
"""A 429 that is later than this from now was noted under a wrong clock."""
# A server that names a silly time must not silence us for ever.
LONGEST_PAUSE_S = STRIKES_KEPT_S
BUSY_TIMEOUT_S = 30.0

# Calls under way are few; calls that are over wait in the order in which they stop counting. So no statement below
# reads more rows than it has to, and a call costs the same at 5 as at 500 a minute.
_SCHEMA = (
    "create table if not exists flying (seq integer primary key autoincrement, until real)",
    "create table if not exists over (until real, seq integer, primary key (until, seq)) without rowid",
    "create table if not exists strikes (at real not null, what text not null)",
    "create table if not exists marks (name text primary key, value) without rowid",
)
_STATE = (
    "select (select value from marks where name = 'paused_until'), (select count(*) from strikes where at > ?), "
    "(select count(*) from flying), (select count(*) from over), (select seq from sqlite_sequence)"
)
_MARK = "insert into marks values (?, ?) on conflict (name) do update set value = excluded.value"


@dataclass(frozen=True, slots=True)
class Held:
    """What the call store holds at one moment: calls that still count, those unanswered among them, calls ever sent."""

    calls: int
    in_flight: int
    sent: int


@dataclass(frozen=True, slots=True)
class Strike:
    """One 429 or block. Units: ``at`` is UTC by the wall clock."""

    at: datetime
    what: str


@dataclass(frozen=True, slots=True)
class Taken:
    """The answer to take(): a call's number, or how long to wait and for what.

    Units: seconds. Shape: ``reason`` is "", "strikes" (then there is no wait, but a stop), "pause", "budget" or
    "sharing"; ``seq`` is None with all but the first.
    """

    seq: int | None
    wait_s: float = 0.0
    reason: str = ""


class CallStore:
    """Calls and strikes in a file. Safe for several threads and processes; the file appears with the first entry."""

    def __init__(
        self,
        path: Path,
        *,
        window_s: float,
        strikes_that_stop: int,
        clock: Callable[[], float] = boot_clock,
        wall: Callable[[], float] = time.time,
        boot: str | None = None,
    ) -> None:
        self.path = path
        self._window_s = window_s
        self._strikes_that_stop = strikes_that_stop
        self._clock = clock
        self._wall = wall
        self._boot = boot_id() if boot is None else boot
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._over: list[tuple[int, float]] = []

    def exists(self) -> bool:
        """Whether anything was ever written down."""
        return self._db is not None or self.path.exists()

    def take(self, capacity: int | None, hold_s: float, hold_back: Callable[[Held], float]) -> Taken:
        """Write a call down, if fewer than ``capacity`` calls count now and ``hold_back`` returns no wait.

        A call counts from now until a window after its answer (``done``), or after ``hold_s`` should nobody say.
        With ``capacity=None`` nothing is counted; strikes and pauses hold all the same.
        """
        with self._transaction() as db:
            now = self._clock()
            self._settle(db)
            db.execute("delete from over where until <= ?", (now,))
            paused_until, strikes, flying, over, sent = db.execute(_STATE, (self._wall() - STRIKES_KEPT_S,)).fetchone()
            if strikes >= self._strikes_that_stop:
                return Taken(None, reason="strikes")
            if paused_until is not None and paused_until > now:
                return Taken(None, paused_until - now, "pause")
            if capacity is None:
                return Taken(0)
            if flying + over >= capacity:
                flying -= db.execute("delete from flying where until <= ?", (now,)).rowcount
            if flying + over >= capacity:
                # An answer may come at any moment, but frees its call a window later and not sooner.
                first = db.execute("select min(until) from over").fetchone()[0]
                return Taken(None, self._window_s if first is None else first - now, "budget")
            wait_s = hold_back(Held(flying + over, flying, sent or 0))
            if wait_s > 0:
                return Taken(None, wait_s, "sharing")
            until = now + hold_s + self._window_s
            return Taken(db.execute("insert into flying (until) values (?)", (until,)).lastrowid)

    def done(self, seq: int) -> None:
        """The call was answered or given up: it counts for one more window.

        This is remembered and written with the next call (or ``flush``), which halves the cost of both; a process
        killed in between leaves its calls counting for longer, never for less.
        """
        with self._lock:
            self._over.append((seq, self._clock()))

    def flush(self) -> None:
        """Write down what ``done`` remembered."""
        if self._over:
            with self._transaction() as db:
                self._settle(db)

    def strike(self, what: Sequence[str], wait_s: float) -> tuple[Strike, ...]:
        """Write strikes down for good, pause everyone, and return all strikes that still count."""
        with self._transaction(durable=True) as db:
            now = self._wall()
            db.execute("delete from strikes where at <= ?", (now - STRIKES_KEPT_S,))
            db.executemany("insert into strikes values (?, ?)", [(now, word) for word in what])
            self._pause(db, wait_s)
            return self._strikes(db)

    def strikes(self) -> tuple[Strike, ...]:
        """The strikes of the last seven days, oldest first."""
        if not self.exists():
            return ()
        with self._transaction() as db:
            return self._strikes(db)

    def forgive(self) -> int:
        """Forget all strikes and any pause; returns how many strikes there were."""
        if not self.exists():
            return 0
        with self._transaction(durable=True) as db:
            count = len(self._strikes(db))
            db.execute("delete from strikes")
            db.execute("delete from marks where name = 'paused_until'")
            return count

    def close(self) -> None:
        """Write what is left and close the file."""
        self.flush()
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def _settle(self, db: sqlite3.Connection) -> None:
        if self._over:
            db.executemany("delete from flying where seq = ?", [(seq,) for seq, _ in self._over])
            rows = [(at + self._window_s, seq) for seq, at in self._over]
            db.executemany("insert or ignore into over values (?, ?)", rows)
            self._over.clear()

    def _strikes(self, db: sqlite3.Connection) -> tuple[Strike, ...]:
        rows = db.execute(
            "select at, what from strikes where at > ? order by at", (self._wall() - STRIKES_KEPT_S,)
        ).fetchall()
        return tuple(Strike(datetime.fromtimestamp(at, UTC), what) for at, what in rows)

    def _pause(self, db: sqlite3.Connection, wait_s: float) -> None:
        until = self._clock() + min(wait_s, LONGEST_PAUSE_S)
        held = db.execute("select value from marks where name = 'paused_until'").fetchone()
        db.execute(_MARK, ("paused_until", until if held is None else max(held[0], until)))

    @contextlib.contextmanager
    def _transaction(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                db = self._db if self._db is not None else self._open()
                if db.in_transaction:
                    # Ctrl-C fell between the work and its commit.
                    db.execute("rollback")
                db.execute("begin immediate")
                try:
                    yield db
                except BaseException:
                    db.execute("rollback")
                    raise
                db.execute("commit")
                if durable:
                    db.execute("pragma wal_checkpoint(full)")
            except (sqlite3.Error, OSError) as error:
                raise ConfigurationError(
                    f"The call store of API calls {self.path} cannot be used ({error}); without it nothing is sent.",
                    f"Make room on the disk and {self.path.parent} writable for this user; if that does not help, move "
                    f"{self.path} away. Then run again.",
                ) from error

    def _open(self) -> sqlite3.Connection:
        try:
            if any(kind_of(Path(f"{self.path}{suffix}")) not in (None, "a file") for suffix in ("", "-wal", "-shm")):
                raise sqlite3.DatabaseError("not a file")
            self._db = self._connect()
        except sqlite3.DatabaseError as error:
            if not _is_no_call_store(error):
                raise
            # Not a call store any more. What it held is unknown, so the new one begins with a window of silence.
            broken = self.path.with_suffix(".broken")
            if broken.is_dir():
                set_aside(broken)
            if kind_of(self.path) is not None:
                self.path.replace(broken)
            for suffix in ("-wal", "-shm"):
                remove_or_raise(Path(f"{self.path}{suffix}"))
            self._db = self._connect()
            self._db.execute("begin immediate")
            self._pause(self._db, self._window_s)
            self._db.execute("commit")
        return self._db

    def _connect(self) -> sqlite3.Connection:
        self.path.touch(mode=0o600)
        db = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            # WAL: a commit is one write to the page cache, which SIGKILL cannot take back; strikes are synced besides.
            db.execute("pragma journal_mode=wal")
            db.execute("pragma synchronous=normal")
            db.execute("begin immediate")
            for statement in _SCHEMA:
                db.execute(statement)
            self._adopt(db)
            db.execute(_STATE, (0.0,)).fetchone()
            db.execute("commit")
            found = db.execute("pragma quick_check(1)").fetchone()
            if found != ("ok",):
                raise sqlite3.DatabaseError(found[0])
        except BaseException:
            db.close()
            raise
        return db

    def _adopt(self, db: sqlite3.Connection) -> None:
        # A 429 of the future was noted under a wrong clock: it counts a week from now, not from then.
        now = self._wall()
        db.execute("update strikes set at = ? where at > ?", (now, now + FUTURE_S))
        # After a reboot (or with a clock that ran backwards) the old times mean nothing, and the wall clock is not to
        # be trusted either: every call still on file counts for a whole window from now.
        until = self._clock() + self._window_s
        boot = db.execute("select value from marks where name = 'boot'").fetchone()
        latest = db.execute("select max(until) from over").fetchone()[0]
        if boot is None or boot[0] != self._boot or (latest or 0.0) > until:
            seqs = db.execute("select seq from over union select seq from flying").fetchall()
            db.execute("delete from over")
            db.execute("delete from flying")
            db.executemany("insert into over values (?, ?)", [(until, seq) for (seq,) in seqs])
            db.execute("update marks set value = ? where name = 'paused_until'", (until,))
            db.execute(_MARK, ("boot", self._boot))


def _is_no_call_store(error: sqlite3.DatabaseError) -> bool:
    """Whether a file is no database, a damaged one, or one of other tables; not that it is busy or the disk full."""
    if type(error) is sqlite3.DatabaseError:
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
