"""Recomputes an account event by event, as far as rewards go, and what each run has read of it, without its lists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple

from tests.warehouse.reward_histories.events import Event, History, Moment, Row, RowKey, Run


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

    @property
    def loss(self) -> Amount:
        return Amount(min(self.count, 0), min(self.value, Decimal(0)))


NONE = Amount()


@dataclass
class Account:
    """The account at one time, as far as rewards go: rows by key, where definitions and people are, and the units of
    the settings. As runs know it, with rows that left the list of rewards issued as they were seen last."""

    campaigns: dict[int, int] = field(default_factory=dict)
    types: dict[int, str] = field(default_factory=dict)
    prices: dict[int, Decimal] = field(default_factory=dict)
    user_campaigns: dict[int, int] = field(default_factory=dict)
    referrers: dict[int, int | None] = field(default_factory=dict)
    deleted: dict[int, Moment] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    rows: dict[RowKey, Row] = field(default_factory=dict)
    gone: dict[RowKey, Row] = field(default_factory=dict)

    def place(self, row: Row) -> Place:
        if row.reward_id:
            campaign_id = self.campaigns[row.reward_id]
        else:
            campaign_id = self.user_campaigns.get(row.recipient_id or 0, 0)
        kind, units = row.own_type, self.units
        keys = (f"reward:{row.reward_id}", f"campaign:{campaign_id}/{kind}", f"campaign:{campaign_id}", kind)
        unit = next((units[key] for key in keys if key in units), f"type:{kind}")
        return Place(row.reward_id or 0, row.recipient_id or 0, campaign_id, kind, unit)

    def copy(self) -> Account:
        values = vars(self).items()
        return Account(**{name: value if name == "units" else dict(value) for name, value in values})

    def apply(self, event: Event) -> None:
        """Apply one event to the account as it is."""
        if event.kind in CHANGED_ATTRIBUTES:
            getattr(self, CHANGED_ATTRIBUTES[event.kind])[event.id] = event.after
        elif event.kind == "person_deleted":
            self.deleted[event.id] = event.at
        elif event.kind == "person_restored":
            del self.deleted[event.id]
        if event.row is None:
            return
        row = self.rows.get(event.row)
        if row is None:
            self.rows[event.row] = event.after
        elif event.kind in ("accrued", "due_again", "reversed", "issued"):
            self.resize(event.row, row.count + event.count * (1 if event.kind in ("accrued", "due_again") else -1))
        elif event.kind == "gone":
            del self.rows[event.row]
        else:
            self.rows[event.row] = changed(row, event)
        if event.kind == "issued" and event.to is not None:
            self.rows[event.to] = event.after

    def resize(self, key: RowKey, count: int) -> None:
        self.rows[key] = replace(self.rows[key], count=count)
        if not count:
            del self.rows[key]

    def learn(self, true: Account, run: Run) -> None:
        """Take over what a run reads of the account; of deleted people it reads only that they are deleted."""
        if run.is_finished:
            self.units = run.units
        if "rewards" in run.streams:
            self.campaigns, self.types, self.prices = dict(true.campaigns), dict(true.types), dict(true.prices)
        if "users" in run.streams:
            for key in true.user_campaigns.keys() - true.deleted.keys():
                self.user_campaigns[key], self.referrers[key] = true.user_campaigns[key], true.referrers[key]
            gone = true.deleted.keys() & self.user_campaigns.keys()
            self.deleted = {key: self.deleted.get(key, run.noticed_at) for key in gone}
        for name in ("due", "issued"):
            if f"rewards_{name}" in run.streams:
                listed = {key: row for key, row in true.rows.items() if key[0] == name}
                missing = {key: row for key, row in self.rows.items() if key[0] == name and key not in listed}
                self.rows = {key: row for key, row in self.rows.items() if key[0] != name} | listed
                self.gone |= missing if name == "issued" else {}
                self.gone = {key: row for key, row in self.gone.items() if key not in listed}


CHANGED_ATTRIBUTES = {
    "definition_moved": "campaigns", "definition_renamed": "types", "definition_repriced": "prices",
    "person_moved": "user_campaigns", "referrer_changed": "referrers",
}  # fmt: skip
"""Kinds of events → the attribute of the account that they change."""


def changed(row: Row, event: Event) -> Row:
    """A row after an event that does not end it."""
    if event.kind == "completed":
        return replace(row, state="issued", issued_at=event.after)
    if event.kind == "cancelled":
        return replace(row, state="cancelled")
    if event.kind == "corrected":
        return replace(row, price=event.after.price, count=event.after.count)
    name = {"repriced": "price", "row_renamed": "own_type", "row_named": "reward_id", "row_readdressed": "recipient_id"}
    return replace(row, **{name[event.kind]: event.after})


@dataclass(frozen=True)
class ObservedRun:
    """A run: the account as it was known before, and as it was known afterwards.

    ``sync_no`` is the number of the sync that its changes are booked on, None where none has come yet.
    """

    run: Run
    sync_no: int | None
    before: Account
    now: Account


def observed_runs(history: History) -> list[ObservedRun]:
    """The runs in order. Definitions, people and settings as first seen are taken to have held before."""
    if not history.replayed:
        known = Account(units=history.finished[0].units)
        for run, true in zip(history.runs, true_accounts(history), strict=True):
            first = Account()
            first.learn(true, run)
            for name in ("campaigns", "types", "prices", "user_campaigns", "referrers"):
                setattr(known, name, getattr(first, name) | getattr(known, name))
        sync_no = 0
        for number, (run, true) in enumerate(zip(history.runs, true_accounts(history), strict=True)):
            before = known.copy()
            known.learn(true, run)
            is_awaited = any(later.is_sync for later in history.runs[number:])
            history.replayed.append(ObservedRun(run, sync_no + 1 if is_awaited else None, before, known.copy()))
            sync_no += run.is_sync
    return history.replayed


def true_accounts(history: History) -> Iterator[Account]:
    """The account at each run."""
    origin = history.origin
    account = Account(
        campaigns={key: definition["campaign_id"] for key, definition in origin.rewards.items()},
        types={key: definition["type"] for key, definition in origin.rewards.items()},
        prices={key: definition["value"] for key, definition in origin.rewards.items()},
        user_campaigns={key: person["campaign_id"] for key, person in origin.people.items()},
        referrers={key: person["referrer_id"] for key, person in origin.people.items()},
    )
    for number, _ in enumerate(history.runs, start=1):
        for event in history.events:
            if event.run_no == number:
                account.apply(event)
        yield account


def last_account(history: History) -> Account:
    """The account as the last runs have read it."""
    return observed_runs(history)[-1].now
