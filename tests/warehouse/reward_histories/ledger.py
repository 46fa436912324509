"""The ledger of rewards that a log of events leads to, by the rules of sql/DECISIONS.md, without SQL.

Balances are followed row by row; what rows show between two syncs is summed up by place, and what the rows do not
explain is a movement.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.warehouse.reward_histories.events import History, RowKey
from tests.warehouse.reward_histories.intervals import Sums, due_rest_of, intervals_of
from tests.warehouse.reward_histories.issued_flows import share, taken_back
from tests.warehouse.reward_histories.replay import NONE, Amount, Place


@dataclass
class Ledger:
    """The expected ledger.

    Attributes:
        rows: (place, sync) → the numbers of the row by column; rows without a movement are left out.
        taken_back: what is taken back now of rows of the list of rewards issued.
    """

    rows: dict[tuple[Place, int], dict[str, Any]]
    taken_back: dict[RowKey, Amount]


def expected_ledger(history: History, digits: int) -> Ledger:
    """The ledger of a history; ``digits`` are those of published amounts."""
    moments = [sync.began_at for sync in history.syncs]
    intervals = intervals_of(history)
    found = taken_back(history, lambda number, balance: due_rest_of(intervals[number], balance), digits)
    rows: dict[tuple[Place, int], dict[str, Any]] = {}
    for number, interval in intervals.items():
        places = interval.places
        if number > 1:
            for place, amount, issued_at in found.returned[number]:
                places[place].add("due_issued", amount)
                places[place].issue(amount, issued_at, moments[number - 2])
            reclassify(places, found.taken[number], digits)
        for place, sums in places.items():
            row = opening_row(sums) if number == 1 else movements(place, sums)
            moved = [value for name, value in row.items() if name.endswith(("_count", "_value")) and value]
            is_unmoved = all(
                not value for name, value in row.items()
                if name.endswith(("_count", "_value")) and "opening" not in name and "closing" not in name
            )  # fmt: skip
            if moved and (number == 1 or not is_unmoved):
                rows[place, number] = row
    return Ledger(rows, found.now)


def reclassify(places: dict[Place, Sums], taken: list[tuple[Place, Amount]], digits: int) -> None:
    """Of a named reward, as many as were lost in some places and gained in others changed their place.

    What was taken back counts where most became due, for rewards without a name where it was noticed.
    """
    balances: dict[tuple[int, ...], list[Place]] = defaultdict(list)
    for place in sorted(places, key=alphabetically):
        if place.reward_id:
            balances[place[:2]].append(place)
    for found in balances.values():
        for state in ("due", "process"):
            rests = {place: getattr(places[place], f"{state}_rest") for place in found}
            lost = {place: -rest.count for place, rest in rests.items() if rest.count < 0}
            gained = {place: rest.count for place, rest in rests.items() if rest.count > 0}
            moved = NONE
            for place, count in first_ones(lost, sum(gained.values())):
                amount = share(rests[place].minus, count, digits)
                places[place].add(f"{state}_out", amount)
                moved = moved.plus(amount)
            upto, brought = 0, NONE
            for place, count in first_ones(gained, moved.count):
                upto += count
                amount = share(moved, upto, digits).plus(brought.minus)
                brought = brought.plus(amount)
                places[place].add(f"{state}_in", amount)
    for place, amount in taken:
        most = balances.get(place[:2], [place])
        places[max(most, key=lambda one: (places[one].due_rest.count, -most.index(one)))].add("taken", amount)


def alphabetically(place: Place) -> tuple[Any, ...]:
    """By campaign, type and unit; a type that has none first."""
    return place.campaign_id, place.reward_type, "" if place.unit.startswith("type:") else place.unit


def first_ones(counts: dict[Place, int], most: int) -> list[tuple[Place, int]]:
    """As many as there are in all, of the first places first."""
    found = []
    for place, count in counts.items():
        found.append((place, min(count, most)))
        most -= found[-1][1]
    return [(place, count) for place, count in found if count]


def opening_row(sums: Sums) -> dict[str, Any]:
    """The first sync has no movements; what was issued before it is in no row."""
    found = Sums(due_closing=sums.due_closing, process_closing=sums.process_closing)
    row = columns(found, sums.due_closing, sums.process_closing, NONE, NONE, NONE, NONE, NONE)
    return row | {
        "restatement": "null", "restated_from_at": "null", "repriced_value": Decimal(0), "is_opening_balance": True,
    }  # fmt: skip


def movements(place: Place, sums: Sums) -> dict[str, Any]:
    taken = sums.taken
    due, process = sums.due_rest.plus(taken.minus), sums.process_rest
    inferred = NONE
    if process.count > 0 and (count := min(process.count, max(-due.count, 0))):
        inferred = Amount(count, max(min(process.value, -due.value), Decimal(0)))
    elif process.count < 0 and (count := min(-process.count, max(due.count, 0))):
        inferred = Amount(count, max(min(-process.value, due.value), Decimal(0))).minus
    due, process = due.plus(inferred), process.plus(inferred.minus)
    lost = sums.due_issued.loss.plus(sums.process_issued.loss)
    restated = sums.late.gain.plus(sums.again.gain, taken.minus, lost)
    words = ["issued earlier"] * (sums.late.gain != NONE)
    words += ["issue taken back"] * (taken.count > 0 or lost.count < 0) + ["in process again"] * (sums.again.count > 0)
    row = columns(
        sums, sums.due_opening, sums.process_opening, due, process, sums.due_issued.plus(taken.minus),
        sums.entered.plus(inferred), restated,
    )  # fmt: skip
    late_from = sums.late_from if sums.late.gain != NONE else None
    return row | {
        "restatement": ", ".join(words) or "null", "restated_from_at": late_from or "null",
        "is_opening_balance": False, "repriced_value": repriced(place, sums, due, process),
    }  # fmt: skip


def repriced(place: Place, sums: Sums, due: Amount, process: Amount) -> Decimal | None:
    """What changes of price moved; None where no single row of the balance shows it."""
    of_process = process.value if process.count == 0 else Decimal(0)
    if due.count == 0:
        return due.value + of_process
    is_one_row = len(sums.prices_before.keys() | sums.prices_after.keys()) == len(sums.due_rows) == 1
    prices = list((sums.prices_after if due.count > 0 else sums.prices_before).values())
    if not is_one_row or not prices or sums.due_in != NONE or sums.due_out != NONE or place.unit == "percent":
        return None
    return due.value - due.count * prices[0] + of_process


def columns(
    sums: Sums, due_opening: Amount, process_opening: Amount, due: Amount, process: Amount, due_issued: Amount,
    moved: Amount, restated: Amount,
) -> dict[str, Any]:  # fmt: skip
    amounts = {
        "due_opening": due_opening, "due_accrued": due.gain, "due_issued": due_issued, "due_reversed": due.minus.gain,
        "moved_to_process": moved, "due_reclassified_in": sums.due_in, "due_reclassified_out": sums.due_out,
        "due_closing": sums.due_closing, "in_process_opening": process_opening, "in_process_accrued": process.gain,
        "in_process_issued": sums.process_issued, "in_process_reversed": process.minus.gain,
        "in_process_reclassified_in": sums.process_in, "in_process_reclassified_out": sums.process_out,
        "in_process_closing": sums.process_closing, "opening": due_opening.plus(process_opening),
        "accrued": due.gain.plus(process.gain), "issued": due_issued.plus(sums.process_issued),
        "reversed": due.minus.gain.plus(process.minus.gain),
        "reclassified_in": sums.due_in.plus(sums.process_in),
        "reclassified_out": sums.due_out.plus(sums.process_out),
        "closing": sums.due_closing.plus(sums.process_closing), "restated": restated,
    }  # fmt: skip
    numbers: dict[str, Any] = {f"{name}_count": amount.count for name, amount in amounts.items()}
    return numbers | {f"{name}_value": amount.value for name, amount in amounts.items()}
