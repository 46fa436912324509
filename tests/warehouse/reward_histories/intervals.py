"""What runs found between two syncs, summed up by place: balances at both ends, issues, and rows that moved.

By the rules of sql/DECISIONS.md, without SQL.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.warehouse.reward_histories.events import History, Row, RowKey
from tests.warehouse.reward_histories.issued_flows import flows, states_undated
from tests.warehouse.reward_histories.replay import NONE, Account, Amount, Place


@dataclass
class Sums:
    """What the rows show of one place in one interval."""

    due_opening: Amount = NONE
    due_closing: Amount = NONE
    process_opening: Amount = NONE
    process_closing: Amount = NONE
    due_issued: Amount = NONE
    process_issued: Amount = NONE
    entered: Amount = NONE
    taken: Amount = NONE
    again: Amount = NONE
    late: Amount = NONE
    late_from: dt.datetime | None = None
    due_in: Amount = NONE
    due_out: Amount = NONE
    process_in: Amount = NONE
    process_out: Amount = NONE
    due_rows: set[RowKey] = field(default_factory=set)
    prices_before: dict[RowKey, Decimal] = field(default_factory=dict)
    prices_after: dict[RowKey, Decimal] = field(default_factory=dict)

    def add(self, name: str, amount: Amount) -> None:
        setattr(self, name, getattr(self, name).plus(amount))

    def issue(self, amount: Amount, issued_at: dt.datetime | None, begun_at: dt.datetime | None) -> None:
        """Mark as late what was issued before the sync before began."""
        if issued_at and begun_at and issued_at < begun_at and amount != NONE:
            self.add("late", amount)
            self.late_from = min(self.late_from or issued_at, issued_at)

    @property
    def due_rest(self) -> Amount:
        gone = self.due_opening.plus(self.due_in, self.due_out.minus)
        return self.due_closing.plus(gone.minus, self.due_issued, self.entered)

    @property
    def process_rest(self) -> Amount:
        gone = self.process_opening.plus(self.process_in, self.process_out.minus, self.entered)
        return self.process_closing.plus(gone.minus, self.process_issued)


@dataclass
class Interval:
    """What was found from one sync to the next; ``missed`` are the rows that a run in between did not find."""

    places: dict[Place, Sums] = field(default_factory=lambda: defaultdict(Sums))
    missed: set[RowKey] = field(default_factory=set)


def due_rest_of(interval: Interval, balance: Any) -> int:
    """By how much what is due of a reward and recipient, or of a place, grew beyond what was issued of it."""
    return sum(sums.due_rest.count for place, sums in interval.places.items() if balance in (place[:2], place))


def intervals_of(history: History) -> dict[int, Interval]:
    """The interval up to each sync, by its number."""
    intervals = {number: Interval() for number in range(1, len(history.syncs) + 1)}
    begun_at: dt.datetime | None = None
    at_sync = Account()
    for observed, undated in states_undated(history):
        if observed.sync_no is None:
            continue
        interval = intervals[observed.sync_no]
        for name, place, amount, issued_at in flows(observed, undated):
            interval.places[place].add(name, amount)
            if name.endswith("_issued"):
                interval.places[place].issue(amount, issued_at, begun_at)
        interval.missed |= at_sync.rows.keys() - observed.now.rows.keys()
        # definitions, people and settings hold from the beginning of a run, before its lists
        for key, row in [*observed.before.rows.items(), *observed.now.rows.items()]:
            if key[0] == "due":
                interval.places[observed.now.place(row)].due_rows.add(key)
        if observed.run.is_sync:
            add_balances(interval, at_sync, observed.now)
            at_sync, begun_at = observed.now, observed.run.began_at
    return intervals


def add_balances(interval: Interval, before: Account, now: Account) -> None:
    """Balances of the syncs at both ends of an interval."""
    for account, end in ((before, "opening"), (now, "closing")):
        for key, row in account.rows.items():
            sums = interval.places[account.place(row)]
            if row.state in ("due", "in process"):
                sums.add(f"{'due' if row.state == 'due' else 'process'}_{end}", Amount(row.count, row.value))
            if key[0] == "due":
                sums.due_rows.add(key)
                if before.rows.get(key) != now.rows.get(key):
                    (sums.prices_before if end == "opening" else sums.prices_after)[key] = row.price
    for key, row in now.rows.items():
        earlier = before.rows.get(key)
        if earlier is None or key in interval.missed or not is_followed(earlier, row):
            continue
        old, new, amount = before.place(earlier), now.place(row), Amount(earlier.count, earlier.value)
        if old != new:
            state = "due" if row.state == "due" else "process"
            interval.places[old].add(f"{state}_out", amount)
            interval.places[new].add(f"{state}_in", amount)
    for key in now.gone.keys() | before.gone.keys():
        add_absence(interval, key, before, now)


def add_absence(interval: Interval, key: RowKey, before: Account, now: Account) -> None:
    """A payout in process that is add_absence since the sync before, or back in its place and not cancelled."""
    last, row = before.gone.get(key), now.rows.get(key)
    if last is None and now.gone[key].state == "in process":
        row = now.gone[key]
        interval.places[now.place(row)].add("again", Amount(row.count, row.value).minus)
    elif (
        last
        and row
        and last.state == "in process"
        and row.state != "cancelled"
        and before.place(last) == now.place(row)
    ):
        interval.places[now.place(row)].add("again", Amount(last.count, last.value))


def is_followed(earlier: Row, row: Row) -> bool:
    """Whether a row is known by its id: where it names no reward, then or now."""
    return (
        None in (earlier.reward_id, row.reward_id) and earlier.recipient_id == row.recipient_id
        and (earlier.state, row.state) in (("due", "due"), ("in process", "in process"), ("in process", "issued"))
    )  # fmt: skip
