"""What the marts of owed and issued rewards must say of a history, from its recomputed ledger and its events.

Each function returns key → columns; a column is None where the history does not determine its number.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tests.warehouse.reward_histories.events import History, Row, RowKey
from tests.warehouse.reward_histories.ledger import Ledger
from tests.warehouse.reward_histories.replay import NONE, Amount, Place, last_account, observed_runs

Mart = dict[tuple[Any, ...], dict[str, Any]]
DAILY = ("accrued", "issued", "reversed", "reclassified_in", "reclassified_out", "restated")
MONTHLY = DAILY[:-1]
DIGITS = {"KWD": 3}
BUCKETS = ((7, "0-7"), (30, "8-30"), (60, "31-60"), (90, "61-90"), (10**6, "over 90"))


def amount(row: dict[str, Any], name: str) -> Amount:
    return Amount(row[f"{name}_count"], row[f"{name}_value"])


def named(name: str, found: Amount) -> dict[str, Any]:
    return {f"{name}_count": found.count, f"{name}_value": found.value}


def rolled(rows: list[dict[str, Any]], opening: Amount) -> tuple[dict[str, Any], Amount]:
    """The movements of a day or month, with its opening and closing; and the closing."""
    sums = {name: NONE.plus(*(amount(row, name) for row in rows)) for name in DAILY}
    gained, lost = sums["accrued"].plus(sums["reclassified_in"]), sums["issued"].plus(sums["reversed"])
    closing = opening.plus(gained, lost.minus, sums["reclassified_out"].minus)
    columns: dict[str, Any] = {}
    for name, found in {**sums, "opening": opening, "closing": closing}.items():
        columns |= named(name, found)
    return columns, closing


def found_first(rows: list[dict[str, Any]]) -> Amount:
    return NONE.plus(*(amount(row, "opening") for row in rows if row["is_opening_balance"]))


def days_between(first: dt.date, last: dt.date) -> list[dt.date]:
    return [first + dt.timedelta(days=number) for number in range((last - first).days + 1)]


def liability_daily(history: History, ledger: Ledger) -> Mart:
    """(campaign, type, unit, day) of days since the first sync."""
    moments = [sync.at for sync in history.syncs]
    by_day: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for (place, number), row in ledger.rows.items():
        by_day[(*place[2:], moments[number - 1].date())].append(row)
    mart: Mart = {}
    for series in {key[:3] for key in by_day}:
        closing = found_first(by_day[(*series, moments[0].date())])
        process = NONE
        for day in days_between(moments[0].date(), max(history.today, moments[0].date())):
            rows = by_day.get((*series, day), [])
            columns, closing = rolled(rows, closing)
            before = NONE.plus(*(amount(row, "in_process_opening") for row in rows if not row["is_opening_balance"]))
            process = process.plus(before.minus, *(amount(row, "in_process_closing") for row in rows))
            prices = [row["repriced_value"] for row in rows]
            mart[(*series, day)] = columns | named("closing_in_process", process) | {
                "repriced_value": None if None in prices else sum(prices, Decimal(0)),
                "observed_until_at": max(moment for moment in moments if moment.date() <= day),
                "had_sync": any(moment.date() == day for moment in moments),
            }  # fmt: skip
    return mart


def liability(history: History, ledger: Ledger) -> Mart:
    """(reward, recipient, campaign, type, unit) of what the lists show as owed now, with its age."""
    now, since = last_account(history), owed_since(history, ledger)
    owed: dict[Place, dict[str, Amount]] = defaultdict(lambda: {"due": NONE, "in_process": NONE})
    first_seen: dict[Place, dt.datetime] = {}
    for key, row in now.rows.items():
        if row.state in ("due", "in process"):
            place, name = now.place(row), row.state.replace(" ", "_")
            owed[place][name] = owed[place][name].plus(Amount(row.count, row.value))
            seen_at = seen_since(history, key)
            first_seen[place] = min(first_seen.get(place, seen_at), seen_at)
    mart: Mart = {}
    for place, amounts in owed.items():
        number = since.get(since_key(history, ledger, place))
        seen_at = history.syncs[number - 1].at if number else first_seen[place]
        days = max((history.today - seen_at.date()).days, 0)
        mart[place] = named("owed", amounts["due"].plus(amounts["in_process"])) | {
            "first_seen_due_at": seen_at, "is_opening_balance": number == 1, "age_days_count": days,
            "age_bucket": next(name for most, name in BUCKETS if days <= most),
        }  # fmt: skip
        for name, found in amounts.items():
            mart[place] |= named(name, found)
    return mart


def seen_since(history: History, key: RowKey) -> dt.datetime:
    """When a row was seen first: one that is due, since it was last missing."""
    seen = [one.run.stored_at for one in observed_runs(history) if key in one.now.rows and key not in one.before.rows]
    return seen[-1 if key[0] == "due" else 0]


def since_key(history: History, ledger: Ledger, place: Place) -> tuple[Any, ...]:
    """What has one age: a reward and recipient; without a reward also the type, unless rows of the recipient moved."""
    moved = any(
        not other.reward_id and other.recipient_id == place.recipient_id
        and (row["reclassified_in_count"] or row["reclassified_out_count"])
        for (other, _), row in ledger.rows.items()
    )  # fmt: skip
    return place.reward_id, place.recipient_id, "" if place.reward_id or moved else place.reward_type


def owed_since(history: History, ledger: Ledger) -> dict[tuple[Any, ...], int]:
    """The sync at which each balance that the last sync left open last left zero."""
    owed: dict[Any, Amount] = defaultdict(Amount)
    since: dict[Any, int] = {}
    for number in range(1, len(history.syncs) + 1):
        before = dict(owed)
        for place, row in ((place, row) for (place, at), row in ledger.rows.items() if at == number):
            key = since_key(history, ledger, place)
            opening = NONE if row["is_opening_balance"] else amount(row, "opening")
            owed[key] = owed[key].plus(amount(row, "closing"), opening.minus)
        for key, found in owed.items():
            if found != NONE and before.get(key, NONE) == NONE:
                since[key] = number
    return {key: number for key, number in since.items() if owed[key] != NONE}


def issued_rows(history: History, ledger: Ledger) -> Iterator[tuple[RowKey, Row, Amount]]:
    """Rows that were ever seen dated, as they were seen last, with what of them stands: not what was taken back."""
    now = last_account(history)
    for key, row in [*now.rows.items(), *now.gone.items()]:
        if row.state == "issued":
            yield key, row, Amount(row.count, row.value).plus(ledger.taken_back.get(key, NONE).minus)


def campaign_rewards(history: History, ledger: Ledger) -> Mart:
    """(campaign, unit) → due, in process and issued; of all places in which the last version of any row is."""
    now = last_account(history)
    mart: dict[Any, dict[str, Amount]] = defaultdict(lambda: {"due": NONE, "in_process": NONE, "issued": NONE})
    for key, row in [*now.rows.items(), *now.gone.items()]:
        place = now.place(row)
        if key[0] == "issued" or key in now.rows:
            sums = mart[place.campaign_id, place.unit]
            name = row.state.replace(" ", "_")
            if key in now.rows and name in ("due", "in_process"):
                sums[name] = sums[name].plus(Amount(row.count, row.value))
    for _, row, stands in issued_rows(history, ledger):
        place = now.place(row)
        sums = mart[place.campaign_id, place.unit]
        sums["issued"] = sums["issued"].plus(stands)
    return dict(mart)


def qualified_at(history: History) -> list[tuple[int, dt.datetime]]:
    """Campaign and time of each qualified referral who is not deleted."""
    now, people = last_account(history), history.origin.people
    there = now.user_campaigns.keys() - now.deleted.keys()
    return [(now.user_campaigns[key], people[key]["qualified_at"]) for key in there if people[key]["qualified"]]


def campaign_costs_monthly(history: History, ledger: Ledger) -> Mart:
    """(campaign, unit, first day of the month)."""
    by_place = rows_by_place(history, ledger)
    by_month: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for (place, number), row in ledger.rows.items():
        month = history.syncs[number - 1].at.date().replace(day=1)
        by_month[place.campaign_id, place.unit, month].append(row)
    if not by_month:
        return {}
    first = min(key[2] for key in by_month)
    months = [day for day in days_between(first, history.today) if day.day == 1]
    mart: Mart = {}
    for (campaign_id, unit), rows in by_place.items():
        closing = found_first(rows)
        for month in months:
            columns, closing = rolled(by_month.get((campaign_id, unit, month), []), closing)
            gained = columns["accrued_value"] + columns["reclassified_in_value"]
            cost = gained - columns["reversed_value"] - columns["reclassified_out_value"]
            count = sum(
                home == campaign_id and moment.date().replace(day=1) == month for home, moment in qualified_at(history)
            )
            mart[campaign_id, unit, month] = columns | costs(cost if unit != "percent" else None, count, unit)
    return mart


def campaign_costs(history: History, ledger: Ledger) -> Mart:
    """(campaign, unit) over all time."""
    rewards = campaign_rewards(history, ledger)
    mart: Mart = {}
    for place, rows in rows_by_place(history, ledger).items():
        columns, _ = rolled(rows, found_first(rows))
        sums = rewards.get(place, dict.fromkeys(("due", "in_process", "issued"), NONE))
        owed = sums["due"].plus(sums["in_process"])
        cost = owed.value + sums["issued"].value if place[1] != "percent" else None
        count = sum(campaign_id == place[0] for campaign_id, _ in qualified_at(history))
        mart[place] = (
            columns | named("owed", owed) | named("issued_ever", sums["issued"]) | costs(cost, count, place[1])
        )
    return mart


def rows_by_place(history: History, ledger: Ledger) -> dict[tuple[int, str], list[dict[str, Any]]]:
    """(campaign, unit) → rows of the ledger; also places in which only rows of the lists are."""
    found: dict[tuple[int, str], list[dict[str, Any]]] = {key: [] for key in campaign_rewards(history, ledger)}
    for (place, _), row in ledger.rows.items():
        found.setdefault((place.campaign_id, place.unit), []).append(row)
    return found


def costs(cost: Decimal | None, count: int, unit: str) -> dict[str, Any]:
    each = "null" if cost is None or not count else rounded(cost / count, DIGITS.get(unit, 2))
    return {"qualified_count": count, "cost_value": "null" if cost is None else cost, "cost_per_qualified_value": each}


def rounded(value: Decimal, digits: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


def campaign_performance(history: History, ledger: Ledger) -> Mart:
    """(campaign) with any rewards; values where they share a unit."""
    mart: Mart = {}
    rewards = campaign_rewards(history, ledger)
    for campaign_id in {key[0] for key in rewards}:
        units = {key[1]: sums for key, sums in rewards.items() if key[0] == campaign_id}
        total = {name: NONE.plus(*(sums[name] for sums in units.values())) for name in ("due", "in_process", "issued")}
        count = sum(home == campaign_id for home, _ in qualified_at(history))
        unit = next(iter(units)) if len(units) == 1 else "null"
        owed = total["due"].value + total["in_process"].value
        cost = owed + total["issued"].value if unit not in ("null", "percent") else None
        mart[(campaign_id,)] = {
            **{f"{name}_count": found.count for name, found in total.items()}, "reward_unit": unit,
            "owed_value": "null" if unit == "null" else owed,
            "issued_value": "null" if unit == "null" else total["issued"].value,
            "cost_per_qualified_value": costs(cost, count, "EUR")["cost_per_qualified_value"],
        }  # fmt: skip
    return mart


def referrer_performance(history: History, ledger: Ledger) -> Mart:
    """(user) of people who have referrals; both are not deleted."""
    now = last_account(history)
    there = now.user_campaigns.keys() - now.deleted.keys()
    named_ones = {now.referrers[key] for key in there if now.referrers[key] != key} & there
    mart: Mart = {}
    for user_id in named_ones:
        owed = [row for row in now.rows.values() if row.recipient_id == user_id and row.state in ("due", "in process")]
        issued = [(row, stands) for _, row, stands in issued_rows(history, ledger) if row.recipient_id == user_id]
        listed = [row for row in now.rows.values() if row.recipient_id == user_id] + [row for row, _ in issued]
        units = {now.place(row).unit for row in listed}
        mart[(user_id,)] = {
            "owed_count": sum(row.count for row in owed), "issued_count": sum(stands.count for _, stands in issued),
            "reward_unit": next(iter(units)) if len(units) == 1 else "null",
        }  # fmt: skip
        if len(units) == 1:
            mart[(user_id,)] |= {
                "owed_value": sum((row.value for row in owed), Decimal(0)),
                "issued_value": sum((stands.value for _, stands in issued), Decimal(0)),
            }
    return mart
