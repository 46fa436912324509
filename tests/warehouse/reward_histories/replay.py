"""Follows an account from event to event, as far as rewards go, without the lists that syncs saw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple

from tests.warehouse.reward_histories.events import Event, History, Row, RowKey


class Place(NamedTuple):
    """Where a reward counts; reward 0 is that of rows which name none."""

    reward_id: int
    recipient_id: int
    campaign_id: int
    reward_type: str
    unit: str


@dataclass(frozen=True, slots=True)
class Amount:
    """A count and a value."""

    count: int = 0
    value: Decimal = Decimal(0)

    def plus(self, *others: Amount) -> Amount:
        return Amount(
            self.count + sum(o.count for o in others), self.value + sum((o.value for o in others), Decimal(0))
        )

    @property
    def minus(self) -> Amount:
        return Amount(-self.count, -self.value)

    @property
    def gain(self) -> Amount:
        return Amount(max(self.count, 0), max(self.value, Decimal(0)))


NONE = Amount()


@dataclass
class Account:
    """The account at one time, as far as rewards go: rows by key (those that left a list as they were seen last),
    where definitions and people are, and the units of the settings."""

    campaigns: dict[int, int]
    types: dict[int, str]
    homes: dict[int, int]
    prices: dict[int, Decimal]
    units: dict[str, str] = field(default_factory=dict)
    rows: dict[RowKey, Row] = field(default_factory=dict)
    gone: dict[RowKey, Row] = field(default_factory=dict)

    def place(self, row: Row) -> Place:
        campaign_id = self.campaigns[row.reward_id] if row.reward_id else self.homes[row.recipient_id]
        kind, units = row.own_type, self.units
        keys = (f"reward:{row.reward_id}", f"campaign:{campaign_id}/{kind}", f"campaign:{campaign_id}", kind)
        unit = next((units[key] for key in keys if key in units), f"type:{kind}")
        return Place(row.reward_id or 0, row.recipient_id, campaign_id, kind, unit)

    def copy(self) -> Account:
        return Account(
            dict(self.campaigns),
            dict(self.types),
            dict(self.homes),
            dict(self.prices),
            self.units,
            dict(self.rows),
            dict(self.gone),
        )

    def happen(self, event: Event, seen: dict[RowKey, Row]) -> None:
        """Apply one event. ``seen`` are the rows as a sync saw them last."""
        if event.kind == "definition_moved":
            self.campaigns[event.id] = event.after
        elif event.kind == "definition_renamed":
            self.types[event.id] = event.after
        elif event.kind == "definition_repriced":
            self.prices[event.id] = event.after
        elif event.kind == "person_moved":
            self.homes[event.id] = event.after
        if event.row is None:
            return
        row = self.rows.get(event.row)
        if row is None:
            self.rows[event.row] = event.after
            self.gone.pop(event.row, None)
        elif event.kind in ("accrued", "due_again", "reversed", "issued"):
            self.resize(event.row, row.count + event.count * (1 if event.kind in ("accrued", "due_again") else -1))
        elif event.kind == "gone":
            del self.rows[event.row]
            if event.row in seen:
                self.gone[event.row] = seen[event.row]
        else:
            self.rows[event.row] = changed(row, event)
        if event.kind == "issued" and event.to is not None:
            self.rows[event.to] = event.after

    def resize(self, key: RowKey, count: int) -> None:
        self.rows[key] = replace(self.rows[key], count=count)
        if not count:
            del self.rows[key]


def changed(row: Row, event: Event) -> Row:
    """A row after an event that changes neither its count nor whether it is there."""
    if event.kind == "completed":
        return replace(row, state="issued", issued_at=event.after)
    if event.kind == "cancelled":
        return replace(row, state="cancelled")
    name = {"repriced": "price", "row_renamed": "own_type", "row_named": "reward_id", "row_readdressed": "recipient_id"}
    return replace(row, **{name[event.kind]: event.after})


def accounts(history: History) -> Iterator[tuple[int, Account, Account]]:
    """Per sync its number, the account as the sync before saw it (empty before the first), and as it saw it."""
    origin = history.origin
    account = Account(
        {key: definition["campaign_id"] for key, definition in origin.rewards.items()},
        {key: definition["type"] for key, definition in origin.rewards.items()},
        {key: person["campaign_id"] for key, person in origin.people.items()},
        {key: definition["value"] for key, definition in origin.rewards.items()},
    )
    before = account.copy()
    seen: dict[RowKey, Row] = {}
    for number, sync in enumerate(history.syncs, start=1):
        for event in history.events:
            if event.sync_no == number:
                account.happen(event, seen)
        seen |= account.rows
        account.units = sync.units
        yield number, before, account
        before = account.copy()
