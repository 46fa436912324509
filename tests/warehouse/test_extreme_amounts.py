"""Single records that once stopped every publication: amounts, counts and texts that sums, rows or days multiply."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.publish import publish
from tests.conftest import using_models
from tests.sampling import sampled
from tests.warehouse.exact_totals import cents_per
from tests.warehouse.extremes import FIRST, LONG, MOST, SYNCS, Tables, ordinary_account, planted
from tests.warehouse.few_models import FEWEST, copy_few_models
from tests.warehouse.planting import plant

SUMMED = (
    *FEWEST, "core.", "marts.reward_l", "marts.referral_funnel", "marts.referrer_performance",
    "marts.campaign_performance",
)  # fmt: skip
"""Models whose sums are compared. All models are built of such amounts in test_extreme_values and with long texts."""

LARGEST, SMALLEST = 2**63 - 1, -(2**63)


@pytest.fixture
def summed_models(tmp_path: Path) -> Iterator[None]:
    with using_models(copy_few_models(tmp_path / "models", SUMMED)):
        yield


@pytest.fixture
def forecast_models(tmp_path: Path) -> Iterator[None]:
    with using_models(copy_few_models(tmp_path / "models", (*FEWEST, "marts.contingent_"))):
        yield


def published(folder: Path, tables: Tables) -> Settings:
    settings = plant(folder, planted(tables), syncs=SYNCS)
    warnings = publish(settings, build(settings)).warnings
    assert all(warning.severity == "warn" for warning in warnings)
    return settings


def ask(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def due(number: int, **values: Any) -> dict[str, Any]:
    return {"id": number, "reward_id": 1, "recipient_id": 101, "reward_type": "Cash", "total_due": 1, **values}


@pytest.mark.usefixtures("summed_models")
@pytest.mark.parametrize(
    ("rows", "count", "value"),
    sampled([
        ([due(1, total_value=MOST), due(2, total_value=MOST)], 2, 2 * MOST),
        ([due(1, total_value=-MOST), due(2, total_value=-MOST), due(3, total_value=MOST)], 3, -MOST),
        ([due(1, total_due=3, reward_value=MOST)], 3, 3 * MOST),
        ([due(1, total_due=10**7, reward_value=MOST)], 10**7, 10**7 * MOST),
        ([due(n, total_due=LARGEST, total_value=1) for n in (1, 2, 3)], 3 * LARGEST, Decimal(3)),
        ([due(n, total_due=SMALLEST, total_value=1) for n in (1, 2, 3)], 3 * SMALLEST, Decimal(3)),
        ([due(1, total_due=LARGEST, reward_value=Decimal("0.01"))], LARGEST, LARGEST * Decimal("0.01")),
        ([due(n, total_due=SMALLEST, reward_value=Decimal(100_000)) for n in (1, 2)], 2 * SMALLEST,
         2 * SMALLEST * Decimal(100_000)),
    ], 2),
)  # fmt: skip
def test_sums_beyond_single_values_are_exact(
    rows: list[dict[str, Any]], count: int, value: Decimal, tmp_path: Path
) -> None:
    settings = published(tmp_path, ordinary_account() | {"rewards_due": rows, "rewards_issued": []})
    assert ask(settings, "select due_count, due_value, owed_count, owed_value from marts.reward_liability") == [
        (count, value, count, value)
    ]
    closing = "select closing_count, closing_value from marts."
    assert ask(settings, closing + "reward_ledger") == [(count, value)]
    assert ask(settings, closing + "reward_liability_daily where day_on = '2026-01-04'") == [(count, value)]
    assert ask(
        settings, "select stage_count from marts.referral_funnel where stage = 'rewards due' and campaign_id = 5"
    ) == [(count,)]
    assert ask(settings, "select owed_count, owed_value, earned_value from marts.referrer_performance") == [
        (count, value, value)
    ]
    performance = (
        "select due_count, owed_value, qualified_count, cost_per_qualified_value from marts.campaign_performance"
    )
    [(due_count, owed_value, qualified, cost)] = ask(settings, performance + " where campaign_id = 5")
    assert (due_count, owed_value) == (count, value)
    assert cost == cents_per(value, qualified)
    daily = "select min(opening_value), max(closing_value) from marts.reward_liability_daily where not is_estimated"
    with duckdb.connect() as connection:
        feed = settings.feeds_dir / "marts.reward_liability_daily.parquet"
        assert connection.execute(daily.replace("marts.reward_liability_daily", f"'{feed}'")).fetchall() == [
            (value, value)
        ]


@pytest.mark.usefixtures("summed_models")
@pytest.mark.parametrize("number", sampled([30, 1, 3], 1))
def test_products_that_no_sum_could_hold_are_unknown_and_named(number: int, tmp_path: Path) -> None:
    rows = [due(n, total_due=LARGEST, reward_value=MOST) for n in range(1, number + 1)]
    account = ordinary_account() | {"rewards_due": [*rows, due(100, total_value=7)], "rewards_issued": []}
    settings = plant(tmp_path, planted(account), syncs=SYNCS)
    warnings = {warning.check: warning for warning in publish(settings, build(settings)).warnings}
    warned = warnings["warn_value_too_large"]
    assert warned.violations_count == number
    assert warned.example is not None
    assert warned.example.startswith("stream=rewards_due, record_id=")
    assert ask(settings, "select count(*) from core.rewards_due where due_value is null") == [(number,)]
    assert ask(settings, "select due_count, due_value from marts.reward_liability") == [(1 + number * LARGEST, 7)]
    assert ask(settings, "select closing_count, closing_value from marts.reward_ledger") == [(1 + number * LARGEST, 7)]


def forecasts(folder: Path, value: Decimal, campaign_id: int = 5) -> list[tuple[Any, ...]]:
    """The contingent marts of an account in which two campaigns promise the value to each person invited."""
    account = ordinary_account()
    reward = {**account["rewards"][0], "value": value}
    account["rewards"] = [{**reward, "campaign_id": campaign_id}, {**reward, "id": 2, "campaign_id": 6}]
    account["campaigns"][0]["id"] = campaign_id
    for user in account["users"]:
        user["campaign_id"] = campaign_id
    late = "2025-12-28 08:00:00"
    others = [{**user, "id": user["id"] + 100, "campaign_id": 6} for user in account["users"]]
    others += [{**user, "id": user["id"] + 200, "qualified_at": user.get("qualified_at") and late} for user in others]
    account["users"] += others
    account["rewards_due"] = account["rewards_issued"] = []
    settings = published(folder, account)
    return ask(settings, "select * from marts.contingent_liability order by campaign_id") + ask(
        settings, "select * from marts.contingent_backtest order by campaign_id"
    )


@pytest.mark.usefixtures("forecast_models")
@pytest.mark.parametrize("value", sampled([MOST, -MOST, Decimal("-50.00"), Decimal("0.01"), Decimal("0.00")], 1))
def test_rewards_at_the_limits_have_a_forecast(value: Decimal, tmp_path: Path) -> None:
    account = ordinary_account()
    account["rewards"][0]["value"] = value
    settings = published(tmp_path, account)
    [(open_count, chance, expected, low, high, most, soon)] = ask(
        settings,
        "select open_referrals_count, chance_to_qualify, expected_value, low_value, high_value, most_value, "
        "expected_28d_value from marts.contingent_liability",
    )
    assert open_count > 1
    assert 0 < chance < 1
    assert most == open_count * value
    assert min(most, 0) <= low <= expected <= high <= max(most, 0)
    assert min(most, 0) <= soon <= max(most, 0)
    assert abs(float(expected) - open_count * chance * float(value)) <= 0.01 + abs(float(most)) * 1e-12


@pytest.mark.full
@pytest.mark.usefixtures("forecast_models")
def test_a_campaign_may_have_any_id(tmp_path: Path) -> None:
    """The curve of the whole account once bore the number -1, which the API may give a campaign."""
    ordinary = [row[1:] for row in forecasts(tmp_path / "ordinary", Decimal(50))]
    for number in (-1, SMALLEST):
        assert [row[1:] for row in forecasts(tmp_path / str(number), Decimal(50), number)] == ordinary
    assert len(ordinary) == 4


MANY_DUE = """
insert into raw.rewards_due by name
select 10 + n as id, 1 as reward_id, n as recipient_id, 1 as total_due,
    timestamptz '2026-01-01 08:00:00+00' as _dlt_valid_from
from range(3000) as numbers (n)
"""
MANY_COUPONS = """
insert into raw.coupons by name
select 10 + n as id, 'c' || n as name, 101 as referral_id, 1 as batch_id from range(3000) as numbers (n)
"""
LONG_TEXTS = {
    "the source of somebody who joined long ago": "update raw.users set source = $long, date = '1999-01-01' "
    "where id = 105",
    "a reward type of ten estimated years": "update raw.rewards set type = $long, when_referral = 'invited'; "
    "update raw.users set date = '0001-01-01' where id = 105",
    "a reward type that the list does not repeat": "update raw.rewards set type = $long; " + MANY_DUE,
    "the name of a reward": "update raw.rewards set name = $long; " + MANY_DUE,
    "the name of a campaign": "update raw.campaigns set name = $long; " + MANY_DUE,
    "the name of a batch": "update raw.coupon_batches set name = $long; " + MANY_COUPONS,
}


@pytest.mark.parametrize("change", sampled(LONG_TEXTS, 1))
def test_a_long_text_of_one_record_is_not_repeated_on_rows_of_others(change: str, tmp_path: Path) -> None:
    """100,000 characters on each of thousands of days or rows are more than the memory of a build."""
    settings = plant(tmp_path, planted(ordinary_account()), syncs=SYNCS)
    with duckdb.connect(str(settings.load_path)) as connection:
        connection.execute("set timezone = 'UTC'")
        for statement in LONG_TEXTS[change].split(";"):
            connection.execute(statement.replace("$long", f"repeat('ä', {len(LONG)})"))
    publish(settings, build(settings))
    assert settings.warehouse_path.stat().st_size < 30_000_000
    lengths = ask(
        settings,
        "select max(length(source)) from core.users union all select max(length(reward_type)) from core.rewards "
        "union all select max(length(name)) from core.rewards union all select max(length(name)) from core.campaigns",
    )
    is_batch = "batch" in change
    assert max(row[0] or 0 for row in lengths) == (len("Referred") if is_batch else len(LONG)), (
        "in core as the API gives it"
    )


def test_values_of_one_record_stay_what_they_are(tmp_path: Path) -> None:
    """The largest amounts of two lists and a definition, as they are published row by row."""
    account = ordinary_account()
    account["rewards"][0]["value"] = MOST
    account["campaigns"][0]["reach"] = LARGEST
    account["users"][0] |= {"reach": SMALLEST, "referrals_count": LARGEST}
    account["rewards_due"] = [due(1, total_due=LARGEST, total_value=MOST, reward_value=MOST, seen=[FIRST, None])]
    settings = published(tmp_path, account)
    assert ask(settings, "select due_count, due_value, reward_value from core.rewards_due") == [(LARGEST, MOST, MOST)]
    assert ask(settings, "select reward_value from core.rewards") == [(MOST,)]
    assert ask(settings, "select reach, referrals_count from core.users where user_id = 101") == [(SMALLEST, LARGEST)]
    assert ask(settings, "select stage_count from marts.referral_funnel where campaign_id = 5 and stage = 'reach'") == [
        (LARGEST,)
    ]
