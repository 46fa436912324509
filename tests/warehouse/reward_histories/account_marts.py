"""What the marts of coupons, of promises, of days before the first sync and of the daily funnel must say of a history.

Each function returns key → columns, from the events and settings of a history alone.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from decimal import Decimal
from typing import Any

from tests.warehouse.reward_histories.events import History, Row
from tests.warehouse.reward_histories.issued_flows import flows, states_undated
from tests.warehouse.reward_histories.load_file import BATCHES
from tests.warehouse.reward_histories.owed_marts import Mart, days_between, named
from tests.warehouse.reward_histories.replay import NONE, Account, Amount, last_account, observed_runs
from tests.warehouse.reward_histories.use_marts import known_coupons


def coupon_campaign(coupon: dict[str, Any], user_campaigns: dict[int, int]) -> int:
    """That of the batch, else that of the person who has it; 0 where nobody has it."""
    batch_id = int(coupon["batch_id"])
    return batch_id if batch_id in BATCHES else user_campaigns.get(coupon["user_id"], 0)


def coupon_usage(history: History, _: Any) -> Mart:
    """(campaign, batch, month) of the issue."""
    user_campaigns = last_account(history).user_campaigns
    mart: Mart = {}
    for coupon in known_coupons(history).values():
        campaign_id = coupon_campaign(coupon, user_campaigns)
        key = campaign_id, coupon["batch_id"], coupon["issued_at"].date().replace(day=1)
        row = mart.setdefault(
            key, dict.fromkeys(("issued_count", "used_count", "deleted_count", "outstanding_count"), 0)
        )
        row["issued_count"] += 1
        state = "used" if coupon["used_at"] else "deleted" if coupon["deleted_at"] else "outstanding"
        row[f"{state}_count"] += 1
    return mart


def promises(history: History, account: Account) -> list[tuple[int, str, str, dict[str, Any]]]:
    """(campaign, type, unit, definition) of the rewards that are not counted in percent, in an account."""
    origin = history.origin.rewards
    found = []
    for reward_id, campaign_id in account.campaigns.items():
        row = Row(reward_id, 1, account.types[reward_id], 1, Decimal(0), "due")
        place = account.place(row)
        if place.unit != "percent":
            found.append(
                (campaign_id, place.reward_type, place.unit, {**origin[reward_id], "value": account.prices[reward_id]})
            )
    return found


def contingent(history: History, _: Any) -> Mart:
    """(campaign, unit) in which rewards may fall due: how many referrals are open, and the most they may bring."""
    now = last_account(history)
    there = now.user_campaigns.keys() - now.deleted.keys()
    friends = [key for key in there if now.referrers[key] and not history.origin.people[key]["qualified"]]
    mart: Mart = {}
    for campaign_id, _, unit, definition in promises(history, now):
        found = [key for key in friends if now.user_campaigns[key] == campaign_id]
        if definition["when_referral"] == "converted" and found:
            if "Referring" in definition["reward_for"]:
                found = [key for key in found if now.referrers[key] in there]
            row = mart.setdefault((campaign_id, unit), {"open_referrals_count": 0, "most_value": Decimal(0)})
            row["open_referrals_count"] = sum(now.user_campaigns[key] == campaign_id for key in friends)
            row["most_value"] += definition["value"] * len(found)
    return mart


def estimated_days(history: History, _: Any) -> Mart:
    """(campaign, type, unit, day) of days before the first sync."""
    first = next(observed.now for observed in observed_runs(history) if observed.run.is_sync)
    now, first_on = last_account(history), history.syncs[0].at.date()
    earned: dict[Any, list[Amount]] = defaultdict(lambda: [NONE, NONE])
    for campaign_id, kind, unit, definition in promises(history, observed_runs(history)[0].before):
        for key, home in now.user_campaigns.items():
            person = history.origin.people[key]
            when = person["date"] if definition["when_referral"] == "invited" else person["qualified_at"]
            if "Referring" in definition["reward_for"] and now.referrers[key] not in now.user_campaigns:
                continue  # who left before the first look
            if now.referrers[key] and home == campaign_id and when and when.date() < first_on:
                sums = earned[campaign_id, kind, unit, when.date()]
                sums[0] = sums[0].plus(Amount(1, definition["value"]))
    for observed, undated in states_undated(history):
        for name, place, found, issued_at in flows(observed, undated) if observed.sync_no == 1 else ():
            if name.endswith("_issued") and issued_at and issued_at.date() < first_on:
                sums = earned[(*place[2:], issued_at.date())]
                sums[1] = sums[1].plus(found)
    owed: dict[Any, Amount] = defaultdict(Amount)
    for row in first.rows.values():
        if row.state in ("due", "in process"):
            owed[first.place(row)[2:]] = owed[first.place(row)[2:]].plus(Amount(row.count, row.value))
    mart: Mart = {}
    for series in {key[:3] for key in earned}:
        closing = NONE
        for day in days_between(min(key[3] for key in earned if key[:3] == series), first_on - dt.timedelta(days=1)):
            accrued, issued = earned.get((*series, day), [NONE, NONE])
            after = closing.plus(accrued, issued.minus)
            accrued = accrued.plus(after.minus.gain)  # what was issued beyond all that had fallen due fell due with it
            opening, closing = closing, closing.plus(accrued, issued.minus)
            is_last = day == first_on - dt.timedelta(days=1)
            gap = (
                named("gap", owed[series].plus(closing.minus))
                if is_last
                else {"gap_count": "null", "gap_value": "null"}
            )
            mart[(*series, day)] = (
                named("opening", opening)
                | named("accrued", accrued)
                | named("issued", issued)
                | named("closing", closing)
                | gap
            )
    return mart


def funnel_daily(history: History, ledger: Any) -> Mart:
    """(campaign, source, day) on which rewards moved since the second sync, or coupons were issued or used."""
    mart: Mart = {}
    units: dict[int, set[str]] = defaultdict(set)
    for place, _ in ledger.rows:
        units[place.campaign_id].add(place.unit)
    unit_of = {campaign_id: next(iter(found)) for campaign_id, found in units.items() if len(found) == 1}

    user_campaigns = last_account(history).user_campaigns

    def sums_of(campaign_id: int, user_id: int | None, day: dt.date) -> dict[str, Any]:
        source = "Direct" if user_id in user_campaigns else "unknown"
        sums = mart.setdefault((campaign_id, source, day), {"reward_unit": unit_of.get(campaign_id, "null")})
        for name in ("accrued", "issued", "reversed"):
            sums.setdefault(f"rewards_{name}_count", 0)
            sums.setdefault(f"rewards_{name}_value", Decimal(0) if campaign_id in unit_of else "null")
        return sums

    for (place, number), row in ledger.rows.items():
        if row["is_opening_balance"]:
            continue
        sums = sums_of(place.campaign_id, place.recipient_id, history.syncs[number - 1].at.date())
        for name in ("accrued", "issued", "reversed"):
            sums[f"rewards_{name}_count"] += row[f"{name}_count"]
            if place.campaign_id in unit_of:
                sums[f"rewards_{name}_value"] += row[f"{name}_value"]
    for coupon in known_coupons(history).values():
        for name in ("issued", "used"):
            if coupon[f"{name}_at"]:
                sums = sums_of(coupon_campaign(coupon, user_campaigns), coupon["user_id"], coupon[f"{name}_at"].date())
                sums[f"coupons_{name}_count"] = sums.get(f"coupons_{name}_count", 0) + 1
    return mart
