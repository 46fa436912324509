"""What a history of rewards consists of: events, syncs, and the rows that a sync sees.

An account holds several histories that have nothing in common but the syncs and settings: a build costs the same for
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
    recipient_id: int
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
    """Something that happened before the sync with this number. ``row`` is the row that it happened to, ``to`` another
    one that came or grew by it; ``after`` is what is new: a campaign, a type, a reward, a person, a price or a row."""

    sync_no: int
    kind: str
    at: Moment
    row: RowKey | None = None
    to: RowKey | None = None
    count: int = 0
    value: Decimal = Decimal(0)
    id: int = 0
    after: Any = None


@dataclass(frozen=True)
class Sync:
    """What was set and when a sync ran."""

    at: Moment
    units: dict[str, str]
    terms: dict[str, list[str | int | None]]


@dataclass
class Lists:
    """The account as a sync sees it."""

    rows: dict[RowKey, Row] = field(default_factory=dict)
    rewards: dict[int, dict[str, Any]] = field(default_factory=dict)
    people: dict[int, dict[str, Any]] = field(default_factory=dict)
    coupons: dict[int, dict[str, Any]] = field(default_factory=dict)


@dataclass
class History:
    """The log, the syncs, the lists that each of them saw, and how the account was before the first event."""

    events: list[Event]
    syncs: list[Sync]
    seen: list[Lists]
    origin: Lists


def ids_of(history_no: int, size: int) -> range:
    return range(history_no * size + 1, (history_no + 1) * size + 1)
