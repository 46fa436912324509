"""One sqlite database behind one lock: transactions that move the clock, tables, and the event log.

Must not know the rules of referrals, nor HTTP.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from referral_warehouse.sandbox.domain.tables import DDL

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
STAMP = "%Y-%m-%d %H:%M:%S"
MILL = Decimal(1000)
EVENT_FIELDS = (
    "event_id", "at", "kind", "user_id", "campaign_id", "reward_id", "recipient_id", "due_id", "issued_id",
    "coupon_id", "count", "value", "detail",
)  # fmt: skip


class NoSuchRow(LookupError):
    """An action names a row that does not exist; nothing was changed."""


def stamp(time: datetime) -> str:
    """A UTC time in the format of the tables."""
    return time.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat(" ")


def parse_stamp(text: str) -> datetime:
    """The UTC time of a stored timestamp."""
    return datetime.strptime(text, STAMP).replace(tzinfo=UTC)


def mills_of(value: Decimal | int | str) -> int:
    """Money in whole thousandths (mills), the smallest unit of any currency in use.

    Raises: ValueError when the value is finer.
    """
    mills = Decimal(value) * MILL
    if mills != mills.to_integral_value():
        raise ValueError(f"Money has at most three decimals: {value}.")
    return int(mills)


def money_text(mills: int) -> str:
    """Thousandths as the shortest decimal: 50, 19.9, 19.99, 1.125 and -3.5."""
    whole, rest = divmod(abs(mills), 1000)
    text = f"{whole}.{rest:03d}".rstrip("0").rstrip(".")
    return f"-{text}" if mills < 0 else text


def full_text(mills: int) -> str:
    """Thousandths as a decimal with two digits after the point, or three where two are not exact."""
    return f"{Decimal(mills) / MILL:.{3 if mills % 10 else 2}f}"


class Store:
    """The tables, the clock and the event log of one account.

    ``version`` grows with every committed transaction, so that results can be cached until something changes.
    ``listeners`` are called after the commit with (kind, user_id) of each webhook event.
    """

    def __init__(self, path: Path | None) -> None:
        self.lock = threading.RLock()
        self.version = 0
        self.listeners: list[Callable[[str, int], None]] = []
        self._depth = 0
        self._notifications: list[tuple[str, int]] = []
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(
            str(path) if path else ":memory:", isolation_level=None, check_same_thread=False, cached_statements=512
        )
        if path:
            self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = off")
        self._db.executescript(DDL)
        self._now = parse_stamp(self.state("now", stamp(START)))

    def close(self) -> None:
        with self.lock:
            self._db.close()

    # The clock.

    @property
    def now(self) -> datetime:
        """The account's current time, UTC."""
        return self._now

    def move_to(self, time: datetime) -> None:
        """Move the clock forward to a time, never back; part of a transaction."""
        self._now = max(self._now, time)

    # Transactions.

    @contextmanager
    def transaction(self, tick: bool = True) -> Iterator[None]:
        """One transaction: the clock moves by a second, changes are committed together or not at all."""
        with self.lock:
            before = self._now
            if tick:
                self._now += timedelta(seconds=1)
            if self._depth == 0:
                self._db.execute("begin")
                self._notifications = []
            self._depth += 1
            try:
                yield
                if self._depth == 1:
                    self.keep_state("now", stamp(self._now))
                    self._db.execute("commit")
            except BaseException:
                if self._depth == 1:
                    self._db.execute("rollback")
                    self._now = before
                    self._notifications = []
                raise
            finally:
                self._depth -= 1
            if self._depth == 0:
                self.version += 1
                notifications, self._notifications = self._notifications, []
                for kind, user_id in notifications:
                    for listener in self.listeners:
                        listener(kind, user_id)

    def notify(self, kind: str, user_id: int) -> None:
        """Call the listeners once the transaction is committed."""
        self._notifications.append((kind, user_id))

    # Rows.

    def all(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.lock:
            return self._db.execute(sql, values).fetchall()

    def one(self, sql: str, *values: Any) -> tuple[Any, ...] | None:
        with self.lock:
            row: tuple[Any, ...] | None = self._db.execute(sql, values).fetchone()
            return row

    def must(self, what: str, sql: str, *values: Any) -> tuple[Any, ...]:
        """The one row of a query.

        Raises: NoSuchRow when there is none.
        """
        row = self.one(sql, *values)
        if row is None:
            raise NoSuchRow(f"There is no {what} {values[0]!r}.")
        return row

    def number(self, sql: str, *values: Any) -> int:
        """A count or sum."""
        row = self.one(sql, *values)
        return int(row[0] or 0) if row else 0

    def run(self, sql: str, *values: Any) -> int:
        """Change rows; returns the id of the row that an insert added."""
        with self.lock:
            return int(self._db.execute(sql, values).lastrowid or 0)

    def insert(self, table: str, rows: list[tuple[Any, ...]]) -> None:
        """Insert many rows at once."""
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            with self.lock:
                self._db.executemany(f"insert into {table} values ({marks})", rows)

    def never_reuse(self, table: str, last_id: int) -> None:
        """Continue the ids of a table above ``last_id``, even if that row is deleted."""
        self.run("delete from sqlite_sequence where name = ?", table)
        self.run("insert into sqlite_sequence (name, seq) values (?, ?)", table, last_id)

    def state(self, name: str, default: str) -> str:
        row = self.one("select value from state where name = ?", name)
        return str(row[0]) if row else default

    def keep_state(self, name: str, value: str) -> None:
        self.run("insert into state values (?, ?) on conflict do update set value = excluded.value", name, value)

    # The event log.

    def log(self, kind: str, *, detail: Mapping[str, Any] | None = None, at: str | None = None, **ids: Any) -> None:
        """Append an event; ``ids`` are columns of the table events."""
        names = ["at", "kind", "detail", *ids]
        text = json.dumps(detail, ensure_ascii=False) if detail is not None else None
        marks = ", ".join("?" * len(names))
        self.run(
            f"insert into events ({', '.join(names)}) values ({marks})",
            at or stamp(self._now),
            kind,
            text,
            *ids.values(),
        )

    def events(self, after: int = 0, limit: int = -1) -> list[dict[str, Any]]:
        """The log in order: value is a decimal as text, detail an object or None."""
        columns = ", ".join("value_mills" if name == "value" else name for name in EVENT_FIELDS)
        rows = self.all(f"select {columns} from events where event_id > ? order by event_id limit ?", after, limit)
        found = []
        for row in rows:
            event = dict(zip(EVENT_FIELDS, row, strict=True))
            event["at"] = f"{event['at'][:10]}T{event['at'][11:]}Z"
            event["value"] = None if event["value"] is None else full_text(event["value"])
            event["detail"] = json.loads(event["detail"]) if event["detail"] else None
            found.append(event)
        return found
