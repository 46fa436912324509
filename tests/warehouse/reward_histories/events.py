"""What a history of rewards consists of: events, runs of the loader, and the rows that a run sees.

An account holds several histories that have nothing in common but the runs and settings: a build costs the same for
one and for five.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

Moment = dt.datetime
RowKey = tuple[str, int]
"""(list, id), the list being ``due`` or ``issued``"""
START = dt.datetime.fromisoformat("2026-01-05T06:00:07")
HISTORIES = 5
"""In one account."""
CAMPAIGNS, REWARDS, PEOPLE = 3, 3, 4
"""Of each history; the ids of the second one follow those of the first."""
TYPES = ("Amazon Voucher", "Coupon", "Points")
STREAMS = frozenset({"campaigns", "users", "rewards", "rewards_due", "rewards_issued", "coupons"})
LISTS = frozenset({"rewards_due", "rewards_issued"})
UNITS: tuple[dict[str, str], ...] = (
    {},
    {"Amazon Voucher": "EUR", "Coupon": "credit"},
    {"Coupon": "credit", "campaign:1": "GBP", "campaign:2/Points": "points", "reward:3": "credit"},
    {"Amazon Voucher": "KWD", "reward:1": "stars", "Points": "credit", "campaign:3/Coupon": "percent"},
)
TERMS: tuple[dict[str, list[str | int | None]], ...] = (
    {},
    {"credit": ["use", None]},
    {"credit": ["use", 20]},
    {"credit": ["use", 60], "EUR": ["use", 30]},
    {"credit": ["issue", None], "EUR": ["use", 5], "GBP": ["use", None]},
)


@dataclass(frozen=True)
class Row:
    """A row of a reward list. State: due; in process, issued or cancelled in the issued list."""

    reward_id: int | None
    recipient_id: int | None
    own_type: str
    count: int
    price: Decimal
    state: str
    issued_at: Moment | None = None

    @property
    def value(self) -> Decimal:
        return self.count * self.price


@dataclass(frozen=True)
class Event:
    """Something that happened before the run with this number. ``row`` is the row that it happened to, ``to`` another
    one that came or grew by it; ``after`` is what is new: a campaign, a type, a reward, a person, a price or a row."""

    run_no: int
    kind: str
    at: Moment
    row: RowKey | None = None
    to: RowKey | None = None
    count: int = 0
    value: Decimal = Decimal(0)
    id: int = 0
    after: Any = None


@dataclass(frozen=True)
class Run:
    """What was set, when a run of the loader began and ended, which streams it saw, and whether it finished.

    One that did not finish has stored what it read; that it read it is in no log. What is gone or there again is
    noticed while the lists are read (``noticed_at``); new versions of rows begin together afterwards (``stored_at``),
    a microsecond later where a run takes less than the second that a Date counts.
    """

    began_at: Moment
    at: Moment
    units: dict[str, str]
    terms: dict[str, list[str | int | None]]
    streams: frozenset[str] = STREAMS
    is_finished: bool = True

    @property
    def noticed_at(self) -> Moment:
        return self.began_at + (self.at - self.began_at) / 4

    @property
    def stored_at(self) -> Moment:
        return self.began_at + max((self.at - self.began_at) * 3 / 4, dt.timedelta(microseconds=1))

    @property
    def is_sync(self) -> bool:
        """Whether it saw both lists, so that what changed since the sync before is known."""
        return self.is_finished and self.streams >= LISTS


@dataclass
class Lists:
    """The account as a run may see it; people and coupons that are gone are marked ``is_gone``."""

    rows: dict[RowKey, Row] = field(default_factory=dict)
    rewards: dict[int, dict[str, Any]] = field(default_factory=dict)
    people: dict[int, dict[str, Any]] = field(default_factory=dict)
    coupons: dict[int, dict[str, Any]] = field(default_factory=dict)


@dataclass
class History:
    """The log, the runs, how the account was at each of them, and how it was before the first event."""

    events: list[Event]
    runs: list[Run]
    seen: list[Lists]
    origin: Lists
    replayed: list[Any] = field(default_factory=list)
    """The result of ``replay.observed_runs``, which is computed once."""

    @property
    def syncs(self) -> list[Run]:
        return [run for run in self.runs if run.is_sync]

    @property
    def finished(self) -> list[Run]:
        return [run for run in self.runs if run.is_finished]

    @property
    def today(self) -> dt.date:
        """The day of the warehouse: that of the last run that finished."""
        return self.finished[-1].at.date()


def ids_of(history_no: int, size: int) -> range:
    return range(history_no * size + 1, (history_no + 1) * size + 1)
