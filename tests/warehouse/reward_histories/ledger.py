"""The ledger of rewards that a log of events leads to, by the rules of sql/DECISIONS.md, without SQL.

Balances are followed row by row; what rows show between two syncs is summed up by place, and what the rows do not
explain is a movement.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tests.warehouse.reward_histories.events import History, Row, RowKey
from tests.warehouse.reward_histories.replay import NONE, Account, Amount, Place, accounts


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
    unlisted: Amount = NONE
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

    def add(self, name: str, row: Row) -> None:
        setattr(self, name, getattr(self, name).plus(Amount(row.count, row.value)))

    @property
    def due_rest(self) -> Amount:
        gone = self.due_opening.plus(self.due_in, self.due_out.minus)
        return self.due_closing.plus(gone.minus, self.due_issued, self.entered)

    @property
    def process_rest(self) -> Amount:
        gone = self.process_opening.plus(self.process_in, self.process_out.minus, self.entered)
        return self.process_closing.plus(gone.minus, self.process_issued)


def expected_ledger(history: History, digits: int) -> dict[tuple[Place, int], dict[str, Any]]:
    """(place, sync) → the numbers of the row, by column; no rows in which nothing moved."""
    rows: dict[tuple[Place, int], dict[str, Any]] = {}
    for number, before, now in accounts(history):
        begun_at = history.syncs[number - 2].at if number > 1 else None
        places = place_sums(before, now, begun_at)
        if number > 1:
            reclassify(places, digits)
        for place, sums in places.items():
            row = opening_row(sums) if number == 1 else movements(place, sums, digits)
            moved = [value for name, value in row.items() if name.endswith(("_count", "_value")) and value]
            silent = all(
                not value for name, value in row.items()
                if name.endswith(("_count", "_value")) and "opening" not in name and "closing" not in name
            )  # fmt: skip
            if moved and (number == 1 or not silent):
                rows[place, number] = row
    return rows


def place_sums(before: Account, now: Account, begun_at: dt.datetime | None) -> dict[Place, Sums]:
    places: dict[Place, Sums] = defaultdict(Sums)
    for key, row in before.rows.items():
        place = before.place(row)
        if row.state == "due":
            places[place].add("due_opening", row)
            places[place].due_rows.add(key)
            if now.rows.get(key) != row:
                places[place].prices_before[key] = row.price
        elif row.state == "in process":
            places[place].add("process_opening", row)
        elif row.state == "issued" and key not in now.rows:
            places[now.place(row)].add("unlisted", row)
    for key, row in now.rows.items():
        place, earlier = now.place(row), before.rows.get(key)
        sums = places[place]
        if row.state == "due":
            sums.add("due_closing", row)
            sums.due_rows.add(key)
            if earlier != row:
                sums.prices_after[key] = row.price
        elif row.state == "in process":
            sums.add("process_closing", row)
        if row.state in ("in process", "issued") and key in before.gone:
            if before.place(before.gone[key]) == place:
                sums.add("again", before.gone[key])
        elif row.state == "in process" and earlier is None:
            sums.add("entered", row)
        if row.state == "issued" and (earlier is None or earlier.state != "issued"):
            is_known = earlier is not None or key in before.gone
            sums.add("process_issued" if is_known else "due_issued", row)
            if row.issued_at and begun_at and row.issued_at < begun_at:
                sums.add("late", row)
                sums.late_from = min(sums.late_from or row.issued_at, row.issued_at)
        if earlier is not None and is_followed(earlier, row) and before.place(earlier) != place:
            state = "due" if row.state == "due" else "process"
            sums.add(f"{state}_in", earlier)
            places[before.place(earlier)].add(f"{state}_out", earlier)
    return places


def is_followed(earlier: Row, row: Row) -> bool:
    """Whether a row is known by its id: where it names no reward, then or now."""
    return (
        None in (earlier.reward_id, row.reward_id) and earlier.recipient_id == row.recipient_id
        and (earlier.state, row.state) in (("due", "due"), ("in process", "in process"), ("in process", "issued"))
    )  # fmt: skip


def reclassify(places: dict[Place, Sums], digits: int) -> None:
    """Of a named reward that changed its place, what was lost in the old one went to the new one."""
    balances: dict[tuple[int, int], list[Place]] = defaultdict(list)
    for place in sorted(places):
        if place.reward_id:
            balances[place[:2]].append(place)
    for found in balances.values():
        for state in ("due", "process"):
            rests = {place: getattr(places[place], f"{state}_rest") for place in found}
            losing = [place for place in found if rests[place].count < 0]
            gaining = [place for place in found if rests[place].count > 0]
            if not losing or not gaining:
                continue
            assert len(losing) == len(gaining) == 1, "a definition has one place before and one after"
            (old,), (new,) = losing, gaining
            count = min(-rests[old].count, rests[new].count)
            moved = share(rests[old].minus, count, digits)
            for place, name in ((old, f"{state}_out"), (new, f"{state}_in")):
                setattr(places[place], name, getattr(places[place], name).plus(moved))
        unlisted = NONE.plus(*(places[place].unlisted for place in found))
        if unlisted.count:
            new = max(found, key=lambda place: (places[place].due_rest.count, -place.campaign_id))
            for place in found:
                places[place].unlisted = unlisted if place == new else NONE


def share(amount: Amount, count: int, digits: int) -> Amount:
    """The value that goes with a part of a count."""
    if count in (0, amount.count):
        return amount if count else NONE
    value = (amount.value * count / amount.count).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return Amount(count, value)


def opening_row(sums: Sums) -> dict[str, Any]:
    """The first sync has no movements; what was issued before it is in no row."""
    found = Sums(due_closing=sums.due_closing, process_closing=sums.process_closing)
    row = columns(found, sums.due_closing, sums.process_closing, NONE, NONE, NONE, NONE, NONE)
    return row | {
        "restatement": "null", "restated_from_at": "null", "repriced_value": Decimal(0), "is_opening_balance": True,
    }  # fmt: skip


def movements(place: Place, sums: Sums, digits: int) -> dict[str, Any]:
    taken = share(sums.unlisted, min(sums.unlisted.count, max(sums.due_rest.count, 0)), digits)
    due, process = sums.due_rest.plus(taken.minus), sums.process_rest
    swapped = NONE
    if process.count > 0 and (count := min(process.count, max(-due.count, 0))):
        swapped = Amount(count, max(min(process.value, -due.value), Decimal(0)))
    elif process.count < 0 and (count := min(-process.count, max(due.count, 0))):
        swapped = Amount(count, max(min(-process.value, due.value), Decimal(0))).minus
    due, process = due.plus(swapped), process.plus(swapped.minus)
    restated = sums.late.plus(sums.again, taken.minus)
    words = ["issued earlier"] * (sums.late.count > 0) + ["issue taken back"] * (taken.count > 0)
    words += ["in process again"] * (sums.again.count > 0)
    row = columns(
        sums, sums.due_opening, sums.process_opening, due, process, sums.due_issued.plus(taken.minus),
        sums.entered.plus(swapped), restated,
    )  # fmt: skip
    return row | {
        "restatement": ", ".join(words) or "null", "restated_from_at": sums.late_from or "null",
        "is_opening_balance": False, "repriced_value": repriced(place, sums, due, process),
        "taken_back_count": taken.count,
    }  # fmt: skip


def repriced(place: Place, sums: Sums, due: Amount, process: Amount) -> Decimal | None:
    """What changes of price moved; None where no single row of the balance tells it."""
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
