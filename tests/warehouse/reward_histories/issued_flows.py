"""What a run finds changed in the list of rewards issued, and which issues are taken back, by sql/DECISIONS.md.

From what runs knew before and after, without SQL.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tests.warehouse.reward_histories.events import History, Row, RowKey
from tests.warehouse.reward_histories.replay import NONE, Amount, ObservedRun, Place, last_account, observed_runs

Flow = tuple[str, Place, Amount, dt.datetime | None]
"""What happened (entered, due_issued, process_issued), where, how much, and the date of issue."""


@dataclass
class TakenBack:
    """Issues that are taken back: rows that are gone with what of them failed, and what is issued again."""

    now: dict[RowKey, Amount] = field(default_factory=dict)
    taken: dict[int, list[tuple[Place, Amount]]] = field(default_factory=lambda: defaultdict(list))
    returned: dict[int, list[tuple[Place, Amount, dt.datetime | None]]] = field(
        default_factory=lambda: defaultdict(list)
    )


def flows(observed: ObservedRun, seen_undated: dict[RowKey, str]) -> Iterator[Flow]:
    """What one run found. ``seen_undated`` is the state in which each row was seen last without a date."""
    before, now = observed.before, observed.now
    for key, row in now.rows.items():
        if key[0] == "due":
            continue
        last = before.rows.get(key) or before.gone.get(key)
        amount, place = Amount(row.count, row.value), now.place(row)
        if row.state == "in process" and last is None:
            yield "entered", place, amount, None
        was = seen_undated.get(key)
        if row.state == "issued":
            new = amount.plus(Amount(last.count, last.value).minus) if last and last.state == "issued" else amount
            yield ("process_issued" if was == "in process" else "due_issued"), place, new, row.issued_at
        elif last and last.state == "issued":
            lost = Amount(last.count, last.value).minus
            yield ("process_issued" if was == "in process" else "due_issued"), now.place(last), lost, last.issued_at


def states_undated(history: History) -> Iterator[tuple[ObservedRun, dict[RowKey, str]]]:
    """Each run with the state in which each row was last seen without a date before it."""
    states: dict[RowKey, str] = {}
    for observed in observed_runs(history):
        yield observed, dict(states)
        states |= {key: row.state for key, row in observed.now.rows.items() if row.issued_at is None}


def taken_back(history: History, due_rest: Callable[[int, Any], int], digits: int) -> TakenBack:
    """An issued row that is gone since the sync before is taken back as far as its reward is due again at this sync.

    Args:
        history: the history.
        due_rest: by how much a balance that is due grew up to a sync, beyond what was issued of it.
        digits: of amounts that are published.
    """
    found = TakenBack()
    gone_before: dict[RowKey, Row] = {}
    noticed: dict[RowKey, Place] = {}
    for observed in observed_runs(history):
        before, now, number = observed.before, observed.now, observed.sync_no
        noticed |= {key: now.place(now.gone[key]) for key in now.gone.keys() - before.gone.keys()}
        if number is None or not observed.run.is_sync:
            continue
        for key in [key for key in found.now if key in now.rows]:
            row = now.rows[key]
            found.returned[number].append((now.place(row), found.now.pop(key), row.issued_at))
        pools: dict[Any, int] = {}
        for key, row in sorted(now.gone.items(), key=lambda item: item[0]):
            if row.state != "issued" or key in gone_before or number == 1:
                continue
            place = noticed[key]
            balance = place[:2] if place.reward_id else place
            count = min(pools.setdefault(balance, max(due_rest(number, balance), 0)), row.count)
            pools[balance] -= count
            if count:
                found.now[key] = share(Amount(row.count, row.value), count, digits)
                found.taken[number].append((place, found.now[key]))
        gone_before = dict(now.gone)
    is_gone = last_account(history).gone
    found.now = {key: amount for key, amount in found.now.items() if key in is_gone}
    return found


def share(amount: Amount, count: int, digits: int) -> Amount:
    """The value that goes with a part of a count."""
    if count in (0, amount.count):
        return amount if count else NONE
    value = (amount.value * count / amount.count).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return Amount(count, value)
