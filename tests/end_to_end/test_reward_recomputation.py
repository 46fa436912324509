"""The reward marts of one large account against a second computation in Python, over the published core tables."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from statistics import NormalDist
from typing import Any

import duckdb
import pytest

from referral_warehouse.load.runner import load
from referral_warehouse.sandbox import Sandbox
from referral_warehouse.settings import Settings, Token
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.publish import publish

Row = dict[str, Any]
WIDTH = NormalDist().inv_cdf(0.9)
CENT = Decimal("0.01")


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse of 2,600 users, synced on the first, second and thirtieth day."""
    with pytest.MonkeyPatch.context() as patch, Sandbox(users=2600, seed=23, calls_per_minute=0) as sandbox:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("machine")))
        settings = Settings(
            api_token=Token(sandbox.token), base_url=sandbox.base_url, calls_per_minute=0, simulated_time=True,
            timeout_s=60.0, warehouse_dir=tmp_path_factory.mktemp("large") / "data", reward_units=(("Coupon", "EUR"),),
        )  # fmt: skip
        for days in (0, 1, 29):
            sandbox.advance(days=days)
            load(settings, sweep=days > 1)
        publish(settings, build(settings))
        with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
            yield connection


def read(connection: duckdb.DuckDBPyConnection, query: str) -> list[Row]:
    cursor = connection.execute(query)
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def test_liability_equals_the_lists_and_the_ledger_ends_with_them(account: duckdb.DuckDBPyConnection) -> None:
    owed: dict[Any, list[Any]] = defaultdict(lambda: [0, Decimal(0), 0, Decimal(0)])
    for row in read(account, "from core.rewards_due"):
        owed[row["reward_id"], row["recipient_id"]][0] += row["due_count"]
        owed[row["reward_id"], row["recipient_id"]][1] += row["due_value"]
    for row in read(account, "from core.rewards_issued where issued_at is null and deleted_at is null"):
        owed[row["reward_id"], row["recipient_id"]][2] += row["issued_count"]
        owed[row["reward_id"], row["recipient_id"]][3] += row["issued_value"]
    assert len(owed) > 250
    shown = read(account, "from marts.reward_liability order by first_seen_due_at")
    columns = ("due_count", "due_value", "in_process_count", "in_process_value")
    assert {(r["reward_id"], r["recipient_id"]): [r[c] for c in columns] for r in shown} == owed
    assert {r["unit"] for r in shown if r["reward_type"] == "Coupon"} == {"EUR"}
    last = "from marts.reward_ledger where until_sync_at is null and (closing_count <> 0 or closing_value <> 0)"
    names = ("due_closing_count", "due_closing_value", "in_process_closing_count", "in_process_closing_value")
    assert {(r["reward_id"], r["recipient_id"]): [r[c] for c in names] for r in read(account, last)} == owed


class Curve:
    """Kaplan-Meier, one age after another, as a textbook has it."""

    def __init__(self, ended: list[tuple[int, bool]]) -> None:
        leaving, qualified = Counter(age for age, _ in ended), Counter(age for age, is_event in ended if is_event)
        self.steps: list[tuple[int, int, int]] = []
        at_risk, self.last_age = len(ended), None
        for age in sorted(leaving):
            if at_risk >= 10:
                self.last_age = age
                if qualified[age]:
                    self.steps.append((age, at_risk, qualified[age]))
            at_risk -= leaving[age]
        self.basis = sum(events for _, _, events in self.steps)

    def stays_open(self, age: int, horizon: int) -> float:
        parts = [1 - d / n for at, n, d in self.steps if age <= at < age + horizon]
        return math.prod(parts)


def forecast(connection: duckdb.DuckDBPyConnection, as_of: datetime, horizon: int) -> dict[Any, dict[str, Any]]:
    """(campaign, unit) → the numbers of its row."""
    users = {row["user_id"]: row for row in read(connection, "from core.users")}
    ended: dict[int, list[tuple[int, bool]]] = defaultdict(list)
    waiting: dict[int, list[tuple[int, bool, bool]]] = defaultdict(list)
    for user in users.values():
        qualified_at = user["qualified_at"] if user["is_qualified"] else None
        if user["referrer_id"] is None or user["joined_at"] > as_of:
            continue
        gone = user["deleted_at"] is not None and user["deleted_at"] <= as_of
        end = qualified_at if qualified_at and qualified_at <= as_of else user["deleted_at"] if gone else as_of
        age = (end - user["joined_at"]) // timedelta(days=1)
        is_event = end == qualified_at
        ended[user["campaign_id"]].append((age, is_event))
        if not is_event and not gone:
            referrer = users.get(user["referrer_id"])
            has_referrer = referrer is not None and (referrer["deleted_at"] is None or referrer["deleted_at"] > as_of)
            waiting[user["campaign_id"]].append((age, has_referrer, qualified_at is not None))
    pool = Curve([one for campaign in ended.values() for one in campaign])
    payouts: dict[Any, list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for reward in read(connection, "from core.rewards where when_referral = 'converted'"):
        unit = "EUR" if reward["reward_type"] == "Coupon" else f"type:{reward['reward_type']}"
        payouts[reward["campaign_id"], unit]["Referring" in reward["reward_for"]] += reward["reward_value"]
    rows = {}
    for (campaign, unit), (invited, referring) in payouts.items():
        if not waiting[campaign]:
            continue
        own = Curve(ended[campaign])
        curve = own if own.basis >= 30 else pool
        people = [
            (age, float(invited + (referring if has_referrer else 0)), curve.stays_open(age, horizon), later)
            for age, has_referrer, later in waiting[campaign]
        ]
        mean = sum(value * (1 - stays) for _, value, stays, _ in people)
        variance = sum(value * value * stays * (1 - stays) for _, value, stays, _ in people)
        for at, n, d in curve.steps:
            depends = sum(value * stays for age, value, stays, _ in people if age <= at < age + horizon)
            variance += depends * depends * d / (n * (n - d)) if n > d else 0
        rows[campaign, unit] = {
            "open": len(people), "qualified": sum(1 - stays for _, _, stays, _ in people), "value": mean,
            "low": max(0.0, mean - WIDTH * math.sqrt(variance)),
            "high": min(sum(value for _, value, _, _ in people), mean + WIDTH * math.sqrt(variance)),
            "later": sum(later for *_, later in people), "is_pooled": own.basis < 30, "basis": curve.basis,
            "last_age": curve.last_age,
        }  # fmt: skip
    return rows


def rounded(value: float) -> Decimal:
    return Decimal(value).quantize(CENT, ROUND_HALF_UP)


def test_contingent_liability_equals_a_textbook_computation(account: duckdb.DuckDBPyConnection) -> None:
    shown = read(account, "from marts.contingent_liability")
    as_of = shown[0]["as_of_at"]
    ever, soon = forecast(account, as_of, 10**6), forecast(account, as_of, 28)
    assert {(r["campaign_id"], r["unit"]) for r in shown} == set(ever)
    assert {r["is_pooled"] for r in shown} == {True, False}, "both kinds of curve must be in the account"
    for row in shown:
        wanted = ever[row["campaign_id"], row["unit"]]
        assert row["open_referrals_count"] == wanted["open"]
        assert row["expected_qualified"] == pytest.approx(wanted["qualified"], rel=1e-9)
        assert row["chance_to_qualify"] == pytest.approx(wanted["qualified"] / wanted["open"], rel=1e-9)
        for name, key in (("expected_value", "value"), ("low_value", "low"), ("high_value", "high")):
            assert abs(row[name] - rounded(wanted[key])) <= CENT, (name, row, wanted)
        assert abs(row["expected_28d_value"] - rounded(soon[row["campaign_id"], row["unit"]]["value"])) <= CENT
        assert (row["is_pooled"], row["basis_count"], row["curve_days_count"]) == (
            wanted["is_pooled"], wanted["basis"], wanted["last_age"]
        )  # fmt: skip


def test_backtest_equals_a_textbook_computation(account: duckdb.DuckDBPyConnection) -> None:
    shown = read(account, "from marts.contingent_backtest")
    then = forecast(account, shown[0]["predicted_at"], 28)
    now = read(account, "select as_of_at from marts.contingent_liability limit 1")[0]["as_of_at"]
    assert shown[0]["predicted_at"] == now - timedelta(days=28)
    assert {(r["campaign_id"], r["unit"]) for r in shown} == set(then)
    assert sum(r["actual_qualified_count"] for r in shown) > 50
    for row in shown:
        wanted = then[row["campaign_id"], row["unit"]]
        assert (row["open_referrals_count"], row["actual_qualified_count"]) == (wanted["open"], wanted["later"])
        assert row["predicted_qualified"] == pytest.approx(wanted["qualified"], rel=1e-9)
        assert row["is_within_interval"] == (row["low_value"] <= row["actual_value"] <= row["high_value"])


def test_nothing_reads_the_contingent_marts_into_what_is_owed() -> None:
    from referral_warehouse.warehouse.models import load_models

    readers = [m.name for m in load_models() if any("contingent" in name or "forecast" in name for name in m.reads)]
    assert sorted(readers) == ["contingent_backtest", "contingent_liability"]
