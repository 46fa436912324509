"""Issued rewards that are owed until they are used: settings, roll-forward and check, on generated accounts."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.checks import run_checks
from referral_warehouse.warehouse.connection import connect_draft
from referral_warehouse.warehouse.models import load_checks
from referral_warehouse.warehouse.reward_units import declare_terms, declare_units
from tests.sampling import sampled
from tests.sql.refilled_draft import RefilledDraft, refilled_draft
from tests.warehouse.few_models import needed_models
from tests.warehouse.planting import fill, plant

FIRST, NOW = (dt.datetime.fromisoformat(text) for text in ("2026-01-01T08:00:00", "2026-05-01T08:00:00"))
[ADD_UP] = [check for check in load_checks() if check.name == "fail_unused_rewards_add_up"]
NEEDED = needed_models({"marts.unused_rewards", *ADD_UP.reads})
CREDIT: dict[str, Any] = {"settles_on": (("credit", "use"),), "reward_units": (("Coupon", "credit"),)}


@pytest.fixture(scope="module")
def draft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RefilledDraft]:
    with refilled_draft(tmp_path_factory.mktemp("terms")) as found:
        yield found


def random_account(seed: int) -> dict[str, list[dict[str, Any]]]:
    """People with several rewards and fewer or more coupons; rows with several rewards, odd values, withdrawn ones."""
    draw = random.Random(seed)
    tables: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("rewards_issued", "coupons", "observations", "users")
    }
    tables["rewards"] = [{"id": 1, "campaign_id": 5, "type": "Coupon", "value": 5, "seen": [FIRST, None]}]
    for user_id in range(1, 41):
        tables["users"].append({"id": user_id, "campaign_id": 5 + user_id % 2})
        for _ in range(draw.randrange(4)):
            count, gone = draw.choice([1, 1, 2, 3, 7]), draw.random() < 0.1
            price = Decimal(draw.randrange(0, 2_000)) / 100
            total = price * count if draw.random() < 0.7 else Decimal(draw.randrange(0, 9_999)) / 100
            tables["rewards_issued"].append({
                "id": len(tables["rewards_issued"]) + 1, "reward_id": 1, "recipient_id": user_id,
                "reward_type": "Coupon",
                "reward_value": price, "total_due": count, "total_value": total, "seen": [FIRST, NOW if gone else None],
                "issued_at": None if draw.random() < 0.1 else FIRST + dt.timedelta(days=draw.randrange(-90, 140)),
            })  # fmt: skip
        for _ in range(draw.randrange(6)):
            issued_at = FIRST + dt.timedelta(days=draw.randrange(-90, 115))
            used = issued_at + dt.timedelta(days=draw.randrange(0, 60)) if draw.random() < 0.5 else None
            coupon = {"id": len(tables["coupons"]) + 1, "referral_id": user_id, "issued_at": issued_at, "used_at": used}
            tables["coupons"].append(coupon)
            if draw.random() < 0.1:
                tables["observations"].append(
                    {
                        "stream": "coupons",
                        "id": coupon["id"],
                        "what": "vanished",
                        "observed_at": NOW - dt.timedelta(days=9),
                    }
                )
    return tables


def recomputed(account: dict[str, list[dict[str, Any]]], expiry: int | None) -> dict[str, dict[str, Decimal]]:
    """Outcome → count and value of the single rewards, one by one."""
    found: dict[str, dict[str, Decimal]] = defaultdict(lambda: {"count": Decimal(0), "value": Decimal(0)})
    deleted = {row["id"] for row in account["observations"]}
    for user in account["users"]:
        coupons = sorted(
            (c for c in account["coupons"] if c["referral_id"] == user["id"]), key=lambda c: (c["issued_at"], c["id"])
        )
        rows = sorted(
            (r for r in account["rewards_issued"] if r["recipient_id"] == user["id"] and r["issued_at"]),
            key=lambda r: (r["issued_at"], r["id"]),
        )
        for row in rows:
            count, left = row["total_due"], row["total_value"]
            single = row["total_value"] / count
            if single != row["reward_value"]:
                single = Decimal(int(row["total_value"] * 100) // count) / 100
            for number in range(count):
                value = single if number < count - 1 else left
                left -= value
                if row["seen"][1] is not None:
                    outcome = "withdrawn"
                else:
                    coupon = coupons.pop(0) if coupons else {"id": 0, "used_at": None}
                    days = (NOW.date() - min(row["issued_at"], NOW).date()).days
                    outcome = (
                        "used" if coupon["used_at"] else "withdrawn" if coupon["id"] in deleted
                        else "expired" if expiry is not None and days >= expiry else "unused"
                    )  # fmt: skip
                found[outcome]["count"] += 1
                found[outcome]["value"] += value
    return found


@pytest.mark.parametrize("seed", sampled(range(6), 1))
def test_every_single_reward_is_used_expired_withdrawn_or_unused(seed: int, tmp_path: Path) -> None:
    account, expiry = random_account(seed), random.Random(seed).choice([None, 30, 120])
    days = () if expiry is None else (("credit", expiry),)
    settings = replace(plant(tmp_path, account, syncs=[FIRST, NOW]), expires_after_days=days, **CREDIT)
    build(settings)
    wanted = recomputed(account, expiry)
    with connect_draft(settings) as connection:
        for outcome in ("used", "expired", "withdrawn", "unused"):
            row = connection.execute(
                f"select sum({outcome}_count), sum({outcome}_value) from marts.unused_rewards"
            ).fetchone()
            assert row == (wanted[outcome]["count"], wanted[outcome]["value"]), outcome
        assert connection.execute("select min(closing_count) >= 0 from marts.unused_rewards_daily").fetchone() == (
            True,
        )
        failed = [
            r.check for r in run_checks(connection, load_checks()) if r.violations_count and r.check.startswith("fail")
        ]
    assert failed == []


TERMS: tuple[dict[str, list[str | int | None]], ...] = (
    {},
    {"credit": ["use", None]},
    {"credit": ["use", 30]},
    {"credit": ["use", 120], "points": ["use", None]},
    {"points": ["use", 45]},
    {"credit": ["issue", None], "points": ["use", 10]},
)


@pytest.mark.parametrize("seed", sampled(range(40), 1))
def test_changed_terms_of_settlement_leave_closed_days_as_they_were(seed: int, draft: RefilledDraft) -> None:
    """The daily roll-forward after each run, whose setting may be another one, against the one of the run before."""
    draw = random.Random(f"terms {seed}")
    account = random_account(seed)
    for row in account["rewards_issued"]:
        row["reward_type"] = draw.choice(("Coupon", "Gift"))
    moments = sorted(NOW - dt.timedelta(days=days) for days in draw.sample(range(100), 4))
    history = [draw.choice(TERMS) for _ in moments]
    account["term_settings"] = []
    before: dict[Any, Any] = {}
    for number, terms in enumerate(history, start=1):
        account["term_settings"].append({"terms_no": number, "run_id": f"r{number}", "terms": json.dumps(terms)})
        after = roll_forward(draft, account, moments[:number])
        if number > 1:
            over = moments[number - 2].date()
            assert closed_days(after, over) == closed_days(before, over)
        before = after
    for unit in ("credit", "points"):
        still_owed = sum(row["closing_value"] for key, row in before.items() if key[1:] == (unit, moments[-1].date()))
        assert (still_owed > 0) == (history[-1].get(unit, ["issue"])[0] == "use"), unit


def closed_days(days: dict[Any, dict[str, Any]], over: dt.date) -> dict[Any, dict[str, Any]]:
    return {key: row for key, row in days.items() if key[2] < over}


def roll_forward(draft: RefilledDraft, account: dict[str, Any], syncs: list[dt.datetime]) -> dict[Any, dict[str, Any]]:
    """(campaign_id, unit, day) → the movements of the day, after the check of the sums; each day adds up."""
    draft.clear()
    fill(draft.connection, account, syncs)
    declare_units(draft.connection, (("Coupon", "credit"), ("Gift", "points")))
    declare_terms(draft.connection, draft.settings)
    draft.build(NEEDED)
    assert [result.violations_count for result in run_checks(draft.connection, [ADD_UP])] == [0]
    cursor = draft.connection.execute("select * from marts.unused_rewards_daily order by day_on")
    names = [column[0] for column in cursor.description or []]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    closing: dict[Any, Decimal] = defaultdict(Decimal)
    for row in rows:
        place = row["campaign_id"], row["unit"]
        assert row["opening_value"] == closing[place]
        gained = row["issued_value"] + row["reclassified_in_value"]
        lost = [row[f"{name}_value"] for name in ("used", "expired", "withdrawn", "reclassified_out")]
        assert row["closing_value"] == row["opening_value"] + gained - sum(lost)
        closing[place] = row["closing_value"]
    return {(row["campaign_id"], row["unit"], row["day_on"]): row for row in rows}


def test_rewards_that_ended_before_their_unit_was_settled_on_use_do_not_stop_a_publication(
    draft: RefilledDraft,
) -> None:
    """A coupon that was issued and used in January; its unit is settled on use since April. It is on no day."""
    given: dict[str, list[dict[str, Any]]] = {
        "users": [{"id": 1, "campaign_id": 5}],
        "rewards_issued": [{
            "id": 1, "recipient_id": 1, "reward_type": "Coupon", "reward_value": 5, "total_due": 1, "total_value": 5,
            "issued_at": FIRST, "seen": [FIRST, None],
        }],
        "coupons": [{"id": 1, "referral_id": 1, "issued_at": FIRST, "used_at": FIRST + dt.timedelta(days=2)}],
        "term_settings": [
            {"terms_no": 1, "run_id": "r1", "terms": "{}"},
            {"terms_no": 2, "run_id": "r2", "terms": json.dumps({"credit": ["use", None]})},
        ],
    }  # fmt: skip
    assert roll_forward(draft, given, [FIRST, NOW - dt.timedelta(days=20), NOW]) == {}
    columns = "issued_count, used_count, used_value, unused_count"
    found = draft.connection.execute(f"select {columns} from marts.unused_rewards").fetchall()
    assert found == [(1, 1, Decimal(5), 0)]
