"""The file of a call store: one small sqlite database per token, its tables, and the replacement of a damaged one.

Times in it are the machine's clock since boot, so changes of the wall clock do not affect them. Knows the
rows and not what they permit.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from referral_warehouse.api.rate_limit.host import HostClock
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.workspace.file_kinds import kind_of, remove_or_raise, set_aside

VIOLATIONS_KEPT_S = 7 * 24 * 3600.0
FUTURE_S = 3600.0
"""A violation that is later than this from now was recorded under a wrong clock."""
# An absurd time from the server must not stop all calls for ever.
LONGEST_PAUSE_S = VIOLATIONS_KEPT_S
BUSY_TIMEOUT_S = 30.0

# Calls in flight are few; completed calls are kept in the order in which they stop counting. No statement reads
# unneeded rows, so a call costs the same at 5 as at 500 a minute. Existing files have these table names.
_SCHEMA = (
    "create table if not exists flying (seq integer primary key autoincrement, until real)",
    "create table if not exists over (until real, seq integer, primary key (until, seq)) without rowid",
    "create table if not exists strikes (at real not null, what text not null)",
    "create table if not exists marks (name text primary key, value) without rowid",
)
STATE = (
    "select (select value from marks where name = 'paused_until'), (select count(*) from strikes where at > ?), "
    "(select count(*) from flying), (select count(*) from over), (select seq from sqlite_sequence)"
)
"""One row: end of the pause, violations since a time, calls in flight, completed calls, number of the last call."""
_MARK = "insert into marks values (?, ?) on conflict (name) do update set value = excluded.value"


class CallStoreFile:
    """Transactions on one file. Safe for several threads and processes; the file is created with the first one."""

    def __init__(self, path: Path, window_s: float, clock: HostClock) -> None:
        self.path = path
        self._window_s = window_s
        self._clock = clock
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None

    def exists(self) -> bool:
        """Whether the file exists."""
        return self._db is not None or self.path.exists()

    @contextlib.contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """A transaction that is committed at the end of the ``with`` and rolled back by an exception.

        Args:
            durable: write it to the disk, not only to the page cache.

        Raises: ConfigurationError when the file cannot be used.
        """
        with self._lock:
            try:
                db = self._db if self._db is not None else self._open()
                if db.in_transaction:
                    # Ctrl-C between the work and its commit.
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
                    f"The record of API calls {self.path} cannot be used ({error}); without it nothing is sent.",
                    f"Free disk space and make {self.path.parent} writable for this user; if that does not help, move "
                    f"{self.path} away. Then run again.",
                ) from error

    def pause(self, db: sqlite3.Connection, wait_s: float) -> None:
        """Let no process send a call for ``wait_s`` seconds; a longer pause remains."""
        until = self._clock.since_boot() + min(wait_s, LONGEST_PAUSE_S)
        held = db.execute("select value from marks where name = 'paused_until'").fetchone()
        db.execute(_MARK, ("paused_until", until if held is None else max(held[0], until)))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def _open(self) -> sqlite3.Connection:
        try:
            if any(kind_of(Path(f"{self.path}{suffix}")) not in (None, "a file") for suffix in ("", "-wal", "-shm")):
                raise sqlite3.DatabaseError("not a file")
            self._db = self._connect()
        except sqlite3.DatabaseError as error:
            if not _is_no_call_store(error):
                raise
            # Damaged. Its calls are unknown, so the new file begins with a window without calls.
            self._set_aside()
            self._db = self._connect()
            self._db.execute("begin immediate")
            self.pause(self._db, self._window_s)
            self._db.execute("commit")
        return self._db

    def _set_aside(self) -> None:
        broken = self.path.with_suffix(".broken")
        if broken.is_dir():
            set_aside(broken)
        if kind_of(self.path) is not None:
            self.path.replace(broken)
        for suffix in ("-wal", "-shm"):
            remove_or_raise(Path(f"{self.path}{suffix}"))

    def _connect(self) -> sqlite3.Connection:
        self.path.touch(mode=0o600)
        db = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            _switch_to_wal(db)
            db.execute("pragma synchronous=normal")
            db.execute("begin immediate")
            for statement in _SCHEMA:
                db.execute(statement)
            self._correct_times(db)
            db.execute(STATE, (0.0,)).fetchone()
            db.execute("commit")
            found = db.execute("pragma quick_check(1)").fetchone()
            if found != ("ok",):
                raise sqlite3.DatabaseError(found[0])
        except BaseException:
            db.close()
            raise
        return db

    def _correct_times(self, db: sqlite3.Connection) -> None:
        # A violation in the future was recorded by a wrong clock: it counts for a week from now, not from then.
        now = self._clock.wall()
        db.execute("update strikes set at = ? where at > ?", (now, now + FUTURE_S))
        # After a reboot (or where the clock went backwards) the old times are meaningless, and the wall clock is not
        # reliable either: every recorded call counts for a whole window from now.
        until = self._clock.since_boot() + self._window_s
        boot = db.execute("select value from marks where name = 'boot'").fetchone()
        latest = db.execute("select max(until) from over").fetchone()[0]
        if boot is None or boot[0] != self._clock.boot or (latest or 0.0) > until:
            seqs = db.execute("select seq from over union select seq from flying").fetchall()
            db.execute("delete from over")
            db.execute("delete from flying")
            db.executemany("insert into over values (?, ?)", [(until, seq) for (seq,) in seqs])
            db.execute("update marks set value = ? where name = 'paused_until'", (until,))
            db.execute(_MARK, ("boot", self._clock.boot))


def _is_no_call_store(error: sqlite3.DatabaseError) -> bool:
    """Whether an error means that a file is damaged or not a call store, not that it is busy or the disk full."""
    if type(error) is sqlite3.DatabaseError:
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _switch_to_wal(db: sqlite3.Connection) -> None:
    """Let a commit be one write to the page cache, which survives SIGKILL; violations are synced.

    SQLite reports the file as busy at once, without waiting, where another process switches too. An exclusive
    transaction does wait; when it has begun, the other process has switched.
    """
    try:
        db.execute("pragma journal_mode=wal")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        db.execute("begin exclusive")
        db.execute("commit")
        db.execute("pragma journal_mode=wal")
