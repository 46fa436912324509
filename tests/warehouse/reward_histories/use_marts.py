"""What the marts of rewards that are owed until their use must say of a history, and which coupons it has.

From the events and settings of a history alone; days are counted one by one.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from tests.warehouse.reward_histories.events import History, Row
from tests.warehouse.reward_histories.owed_marts import Mart, days_between, named
from tests.warehouse.reward_histories.replay import NONE, Amount, Place, last_account, observed_runs

OUTCOMES = ("used", "expired", "withdrawn", "unused")


@dataclass
class Part:
    """A single reward that was issued, or the rewards of a row that have no coupon."""

    campaign_id: int
    unit: str
    found: Amount
    issued_at: dt.datetime
    has_coupon: bool
    outcome: str = "unused"
    ended_on: dt.date | None = None


class Terms:
    """The settings of settlement by day: those of the last finished run on or before it, the first ones before all."""

    def __init__(self, history: History) -> None:
        self.runs = history.finished

    def on(self, unit: str, day: dt.date) -> tuple[str, int | None]:
        terms = self.runs[0].terms
        for run in self.runs:
            if run.began_at.date() <= day:
                terms = run.terms
        word, days = terms.get(unit, ["issue", None])
        return str(word), None if days is None else int(days)

    def is_use(self, unit: str, day: dt.date) -> bool:
        return self.on(unit, day)[0] == "use"


def known_coupons(history: History) -> dict[int, dict[str, Any]]:
    """Each coupon as a run saw it last, and when one found it gone, by the events."""
    coupons: dict[int, dict[str, Any]] = {}
    known: dict[int, dict[str, Any]] = {}
    for number, run in enumerate(history.runs, start=1):
        for event in history.events:
            if event.run_no != number or not event.kind.startswith("coupon_"):
                continue
            if event.kind == "coupon_issued":
                coupons[event.id] = {**event.after, "deleted_at": None}
            elif event.kind == "coupon_delete":
                del coupons[event.id]
            elif event.kind == "coupon_unassign":
                coupons[event.id]["user_id"] = None
            else:
                coupons[event.id]["used_at"] = event.at if event.kind == "coupon_use" else None
        if "coupons" in run.streams:
            for key in known.keys() - coupons.keys():
                known[key]["deleted_at"] = known[key]["deleted_at"] or run.noticed_at
            known |= {key: dict(coupon) for key, coupon in coupons.items()}
    return known


def parts(history: History) -> list[Part]:
    """What became of every issued reward whose unit was ever settled on use."""
    now, terms, today = last_account(history), Terms(history), history.today
    gone_at = {
        key: one.run.noticed_at for one in observed_runs(history) for key in one.now.gone.keys() - one.before.gone
    }
    rows: list[tuple[Any, int, Row, Place, dt.datetime | None]] = []
    for key, row in [*now.rows.items(), *now.gone.items()]:
        place = now.place(row)
        first_on = first_use_day(history, place.unit)
        if row.state == "issued" and row.issued_at and first_on:
            order = (max(row.issued_at, dt.datetime.combine(first_on, dt.time())), row.issued_at, key[1])
            rows.append((order, key[1], row, place, gone_at[key] if key in now.gone else None))
    waiting: dict[int | None, list[dict[str, Any]]] = defaultdict(list)
    coupons = known_coupons(history)
    for coupon_id in sorted(coupons, key=lambda key: (coupons[key]["issued_at"], key)):
        waiting[coupons[coupon_id]["user_id"]].append(coupons[coupon_id])
    waiting[None].clear()  # coupons that nobody has
    found: list[Part] = []
    for _, _, row, place, deleted_at in sorted(rows, key=lambda one: one[0]):
        assert row.issued_at is not None
        held = (
            []
            if deleted_at
            else [waiting[row.recipient_id].pop(0) for _ in range(min(row.count, len(waiting[row.recipient_id])))]
        )
        singles: list[tuple[Amount, dict[str, Any] | None]] = [(Amount(1, row.price), coupon) for coupon in held]
        if row.count > len(held):
            singles.append((Amount(row.count - len(held), row.price * (row.count - len(held))), None))
        for one, coupon in singles:
            part = Part(place.campaign_id, place.unit, one, row.issued_at, coupon is not None)
            ended = deleted_at or (coupon and (coupon["used_at"] or coupon["deleted_at"]))
            expired_on = expiry(terms, place.unit, row.issued_at.date(), today)
            if ended:
                part.outcome = "used" if not deleted_at and coupon and coupon["used_at"] else "withdrawn"
                part.ended_on = max(ended.date(), row.issued_at.date())
            elif expired_on:
                part.outcome, part.ended_on = "expired", expired_on
            found.append(part)
    return found


def first_use_day(history: History, unit: str) -> dt.date | None:
    """The first day on which a unit was settled on use; the first of all days where the first setting says so."""
    terms, first_on = Terms(history), history.finished[0].began_at.date()
    if terms.is_use(unit, first_on - dt.timedelta(days=1)):
        return dt.date.min
    days = days_between(first_on, history.today)
    return next((day for day in days if terms.is_use(unit, day)), None)


def expiry(terms: Terms, unit: str, issued_on: dt.date, today: dt.date) -> dt.date | None:
    """The first day on which as many days have passed as the setting of that day gives."""
    for day in days_between(issued_on, today):
        word, days = terms.on(unit, day)
        if word == "use" and days is not None and (day - issued_on).days >= days:
            return day
    return None


def unused_rewards(history: History, _: Any) -> Mart:
    """(campaign, unit) of the units that are settled on use now."""
    terms, today = Terms(history), history.today
    mart: Mart = {}
    by_place: dict[Any, list[Part]] = defaultdict(list)
    for part in parts(history):
        if terms.is_use(part.unit, today):
            by_place[part.campaign_id, part.unit].append(part)
    for place, found in by_place.items():
        columns = named("issued", NONE.plus(*(part.found for part in found)))
        for outcome in OUTCOMES:
            columns |= named(outcome, NONE.plus(*(part.found for part in found if part.outcome == outcome)))
        unused = [part for part in found if part.outcome == "unused"]
        columns |= named("without_coupon", NONE.plus(*(part.found for part in unused if not part.has_coupon)))
        mart[place] = columns | {
            "oldest_issued_at": min((part.issued_at for part in unused), default="null"),
            "expires_after_days": terms.on(place[1], today)[1] or "null",
        }
    return mart


def unused_daily(history: History, _: Any) -> Mart:
    """(campaign, unit, day) from the first day on which something moved."""
    terms, today = Terms(history), history.today
    by_place: dict[Any, list[Part]] = defaultdict(list)
    for part in parts(history):
        by_place[part.campaign_id, part.unit].append(part)
    mart: Mart = {}
    for place, found in by_place.items():
        closing, has_begun = NONE, False
        for day in days_between(min(part.issued_at.date() for part in found), today):
            sums = dict.fromkeys(("issued", *OUTCOMES[:3], "reclassified_in", "reclassified_out"), NONE)
            for part in found:
                for name in movements_of(part, terms, day):
                    sums[name] = sums[name].plus(part.found)
                    has_begun = True
            opening = closing
            closing = opening.plus(sums["issued"], sums["reclassified_in"], sums["reclassified_out"].minus)
            closing = closing.plus(*(sums[name].minus for name in OUTCOMES[:3]))
            if has_begun:
                sums |= {"opening": opening, "closing": closing}
                mart[(*place, day)] = {k: v for name, one in sums.items() for k, v in named(name, one).items()}
    return mart


def movements_of(part: Part, terms: Terms, day: dt.date) -> list[str]:
    """What moved of a part on a day. It is owed while it is unused, on days on which its unit is settled on use."""
    issued_on, ended_on = part.issued_at.date(), part.ended_on or dt.date.max
    before = terms.is_use(part.unit, day - dt.timedelta(days=1))
    names = []
    if terms.is_use(part.unit, day):
        if issued_on == day:
            names.append("issued")
        elif issued_on < day <= ended_on and not before:
            names.append("reclassified_in")
        if ended_on == day:
            names.append(part.outcome)
    elif before and issued_on < day <= ended_on:
        names.append("reclassified_out")
    return names
