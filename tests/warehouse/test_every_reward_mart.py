"""Random histories of rewards: every mart about rewards against a recomputation in Python, row by row.

Each seed is an account of five histories, so that ``make test`` simulates ten and ``make soak`` a thousand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from referral_warehouse.warehouse.build import prepare_draft_dir, run_models
from referral_warehouse.warehouse.checks import run_checks
from referral_warehouse.warehouse.connection import connect_draft, substitute_missing_tables
from referral_warehouse.warehouse.models import load_checks
from referral_warehouse.warehouse.reward_units import declare_terms, declare_units
from tests.sampling import sampled
from tests.sql.test_cases import MODELS, needed_for
from tests.warehouse.reward_histories import account_marts, owed_marts, use_marts
from tests.warehouse.reward_histories.events import HISTORIES, LISTS, History
from tests.warehouse.reward_histories.ledger import expected_ledger
from tests.warehouse.reward_histories.load_file import plant_history
from tests.warehouse.reward_histories.owed_marts import Mart
from tests.warehouse.reward_histories.replay import last_account, observed_runs
from tests.warehouse.reward_histories.simulation import simulate

PLACE = "reward_id, recipient_id, campaign_id, reward_type, unit"
MARTS: dict[str, tuple[str, str, Callable[[History, Any], Mart]]] = {
    "reward_liability": (PLACE, "", owed_marts.liability),
    "reward_liability_daily": (
        "campaign_id, reward_type, unit, day_on", "where not is_estimated", owed_marts.liability_daily,
    ),
    "campaign_costs": ("campaign_id, unit", "", owed_marts.campaign_costs),
    "campaign_costs_monthly": ("campaign_id, unit, month_on", "", owed_marts.campaign_costs_monthly),
    "campaign_performance": ("campaign_id", "", owed_marts.campaign_performance),
    "referrer_performance": ("user_id", "", owed_marts.referrer_performance),
    "referral_funnel_daily": ("campaign_id, source, day_on", "", account_marts.funnel_daily),
    "unused_rewards": ("campaign_id, unit", "", use_marts.unused_rewards),
    "unused_rewards_daily": ("campaign_id, unit, day_on", "", use_marts.unused_daily),
    "coupon_usage": ("campaign_id, batch_id, month_on", "", account_marts.coupon_usage),
    "contingent_liability": ("campaign_id, unit", "", account_marts.contingent),
}  # fmt: skip
ESTIMATED = ("campaign_id, reward_type, unit, day_on", "where is_estimated", account_marts.estimated_days)
WANTED = {model.qualified_name for name in ("reward_ledger", "units", *MARTS) for model in needed_for(MODELS[name])}
NEEDED = [model for model in MODELS.values() if model.qualified_name in WANTED]
CHECKS = [
    check for check in load_checks()
    if check.name.startswith("fail_") and check.reads <= WANTED and "keys" not in check.name
]  # fmt: skip


def check(seed: int, folder: Path) -> None:
    """Raises: AssertionError naming the first row that differs."""
    history = simulate(seed)
    settings = plant_history(history, folder)
    prepare_draft_dir(settings)
    with connect_draft(settings) as connection:
        substitute_missing_tables(connection)
        declare_units(connection, ())
        declare_terms(connection, settings)
        run_models(connection, NEEDED)
        digits = connection.execute("select getvariable('amount_digits')").fetchall()[0][0]
        ledger = expected_ledger(history, digits)
        rows = {(*place, number): row for (place, number), row in ledger.rows.items()}
        compare(connection, "reward_ledger", f"{PLACE}, sync_no", "", rows, seed)
        for name, (keys, condition, expected) in MARTS.items():
            compare(connection, name, keys, condition, expected(history, ledger), seed)
        keys, condition, expected = ESTIMATED
        compare(connection, "reward_liability_daily", keys, condition, expected(history, ledger), seed)
        failed = [result.check for result in run_checks(connection, CHECKS) if result.violations_count]
        assert not failed, f"seed {seed}: {failed}"


def compare(
    connection: duckdb.DuckDBPyConnection, name: str, keys: str, condition: str, expected: Mart, seed: int
) -> None:
    """Raises: AssertionError naming the first row of a mart that differs, with the columns that do."""
    cursor = connection.execute(f"select {keys}, * from marts.{name} {condition}")
    names = [column[0] for column in cursor.description or []]
    size = len(keys.split(", "))
    rows = cursor.fetchall()
    found = {row[:size]: dict(zip(names[size:], row[size:], strict=True)) for row in rows}
    assert len(found) == len(rows), f"seed {seed}, {name} has a key twice"
    for key in sorted(found.keys() | expected.keys(), key=str):
        where = f"seed {seed}, {name}, {keys} = {key}"
        assert key in found, f"{where} is missing: {nonzero(expected[key])}"
        row = found[key]
        if key not in expected:
            assert may_be_more(name, row), f"{where} should not be there: {nonzero(row)}"
            continue
        wanted = {column: value for column, value in expected[key].items() if value is not None and column in row}
        shown = {
            column: "null" if row[column] is None and wanted[column] == "null" else row[column] for column in wanted
        }
        different = {column: (shown[column], wanted[column]) for column in wanted if shown[column] != wanted[column]}
        assert not different, f"{where}, found and expected: {different}"


def may_be_more(name: str, row: dict[str, Any]) -> bool:
    """Rows in which no reward moved: a payout failed and was made again; in other marts something else happened."""
    amounts = {
        column: value for column, value in row.items()
        if column.endswith(("_count", "_value")) and "opening" not in column and "closing" not in column and value
    }  # fmt: skip
    if name == "reward_ledger":
        return not row["is_opening_balance"] and not amounts
    if name == "reward_liability_daily":
        return not any(value for column, value in row.items() if column.endswith(("_count", "_value")))
    rewards = ("due_", "in_process_", "issued_", "owed_", "rewards_", "coupons_")
    return name in ("campaign_performance", "referrer_performance", "referral_funnel_daily") and not any(
        column.startswith(rewards) for column in amounts
    )


def nonzero(row: dict[str, Any]) -> dict[str, Any]:
    return {column: value for column, value in row.items() if value}


@pytest.mark.parametrize("seed", sampled(range(1020 // HISTORIES), 10 // HISTORIES))
def test_every_reward_mart_equals_the_recomputation(seed: int, tmp_path: Path) -> None:
    check(seed, tmp_path)


def test_the_histories_have_everything_that_real_accounts_do() -> None:
    """Runs that saw one list alone or failed, payouts that vanish and return, people who are deleted and restored."""
    found: Counter[str] = Counter()
    for seed in range(20):
        history = simulate(seed)
        ledger = expected_ledger(history, 3)
        for observed in observed_runs(history):
            before, now = observed.before, observed.now
            lists = observed.run.streams & LISTS
            is_news = before.rows != now.rows
            found["one list alone"] += len(lists) == 1 and is_news
            found["failed"] += not observed.run.is_finished and (observed.sync_no or 0) > 1 and is_news
            found["waiting"] += observed.sync_no is None and is_news
            for key, row in before.gone.items():
                back = now.rows.get(key)
                found["dated row is back"] += row.state == "issued" and back == row
                found["dated row is back and changed"] += row.state == "issued" and back not in (None, row)
            found["person deleted"] += len(now.deleted.keys() - before.deleted.keys())
            found["person restored"] += len(before.deleted.keys() - now.deleted.keys())
        now = last_account(history)
        owed = [row for row in now.rows.values() if row.state in ("due", "in process")]
        found["owed to a deleted person"] += sum(row.recipient_id in now.deleted for row in owed)
        found["owed to nobody"] += sum(row.recipient_id is None for row in owed)
        found["taken back"] += len(ledger.taken_back)
        found["issue stands although it vanished"] += sum(
            row.state == "issued" and key not in ledger.taken_back for key, row in now.gone.items()
        )
        coupons = use_marts.known_coupons(history).values()
        found["coupon of nobody"] += sum(coupon["user_id"] is None for coupon in coupons)
        found["coupon deleted with its holder"] += sum(
            bool(coupon["deleted_at"]) and coupon["user_id"] in now.deleted for coupon in coupons
        )
    kinds = (
        "one list alone", "failed", "waiting", "dated row is back", "dated row is back and changed", "person deleted",
        "person restored", "owed to a deleted person", "owed to nobody", "taken back", "coupon of nobody",
        "issue stands although it vanished", "coupon deleted with its holder",
    )  # fmt: skip
    assert {kind: found[kind] for kind in kinds if found[kind] < 3} == {}
