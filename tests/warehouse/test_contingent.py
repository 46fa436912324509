"""The contingent liability where people qualify by a known distribution: is the interval right as often as it says?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import build
from tests.conftest import using_models
from tests.warehouse.few_models import FEWEST, copy_few_models
from tests.warehouse.planting import plant

CAMPAIGNS, PEOPLE = 160, 220
LOOK = "2026-06-01 00:00:00"
# Half of the referrals ever qualify, after an exponential time of 20 days in the mean; hashes stand for chance.
DISTRIBUTION = f"""
insert into raw.users by name
select id, 1 + id % {CAMPAIGNS} as campaign_id, 0 as referrer_id, date,
    coalesce(qualified_at <= timestamp '{LOOK}', false) as qualified,
    case when qualified_at <= timestamp '{LOOK}' then qualified_at end as qualified_at
from (
    select *, case when hash(id, 'whether') % 1000 < 500
        then date + to_seconds(cast(-20 * 86400 * ln((1 + hash(id, 'delay') % 1000000) / 1000000.0) as bigint)) end
        as qualified_at
    from (
        select id, timestamp '{LOOK}' - to_seconds(cast(hash(id, 'joining') % (140 * 86400) as bigint)) as date
        from range(1, $people) as people (id)
    )
)
"""
ROWS = (
    "select is_within_interval, predicted_qualified, actual_qualified_count, is_pooled from marts.contingent_backtest"
)


@pytest.fixture(scope="module", autouse=True)
def forecast_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Builds of this module have the marts that forecast."""
    with using_models(copy_few_models(tmp_path_factory.mktemp("models"), (*FEWEST, "marts.contingent_"))):
        yield


def account(folder: Path, people: int) -> Settings:
    """A load file of people who qualify by the distribution, in campaigns with a reward of 25 for each of them."""
    rewards = [
        {"id": n, "campaign_id": n, "type": "Cash", "value": 25, "reward_for": "Person Invited (Referred User)",
         "when_referral": "converted", "seen": [LOOK, None]} for n in range(1, CAMPAIGNS + 1)
    ]  # fmt: skip
    settings = plant(folder, {"rewards": rewards}, syncs=[LOOK])
    with duckdb.connect(str(settings.load_path)) as connection:
        connection.execute(DISTRIBUTION.replace("$people", str(people)))
    return settings


def test_four_of_five_outcomes_lie_within_the_interval(tmp_path: Path) -> None:
    settings = account(tmp_path, CAMPAIGNS * PEOPLE)
    report = build(settings)
    with duckdb.connect(str(report.draft_path), read_only=True) as connection:
        rows = connection.execute(ROWS).fetchall()
        low, expected, high = connection.execute(
            "select sum(low_value), sum(expected_value), sum(high_value) from marts.contingent_liability"
        ).fetchall()[0]
        waiting = connection.execute(
            "select sum(exp(-date_diff('second', joined_at, as_of_at) / (20.0 * 86400)) / "
            "(1 + exp(-date_diff('second', joined_at, as_of_at) / (20.0 * 86400)))) * 25 "
            "from core.users cross join (select distinct as_of_at from marts.contingent_liability) "
            "where not is_qualified"
        ).fetchall()[0][0]
    assert len(rows) == CAMPAIGNS
    assert not any(is_pooled for *_, is_pooled in rows)
    within = sum(is_within for is_within, *_ in rows) / len(rows)
    assert 0.72 <= within <= 0.88, f"{within:.0%} of the outcomes lie within what should hold 80 %"
    predicted, actual = sum(row[1] for row in rows), sum(row[2] for row in rows)
    assert abs(predicted / actual - 1) < 0.05, "the forecast leans to one side"
    # the distribution: who is still open after t days qualifies later with the chance e / (1 + e), e = exp(-t / 20)
    assert abs(float(expected) / waiting - 1) < 0.05
    assert low < expected < high


@pytest.mark.full
@pytest.mark.parametrize("orders", [2, pytest.param(3, marks=pytest.mark.full)])
def test_the_order_of_the_rows_in_the_load_file_leaves_no_trace(tmp_path: Path, orders: int) -> None:
    """Enough rows that several threads sum up: floating-point sums would differ in their last digit."""
    settings = account(tmp_path, 200_000)
    published = []
    for number in range(orders):
        with duckdb.connect(str(settings.load_path)) as connection:
            connection.execute("create temp table shuffled as select * from raw.users order by hash(id, ?)", [number])
            connection.execute("truncate raw.users; insert into raw.users select * from shuffled")
        with duckdb.connect(str(build(settings).draft_path), read_only=True) as connection:
            published.append(
                [connection.execute(f"select * from marts.{mart} order by all").fetchall()
                 for mart in ("contingent_liability", "contingent_backtest")]
            )  # fmt: skip
    assert len(published[0][0]) == len(published[0][1]) == CAMPAIGNS
    assert all(other == published[0] for other in published[1:])
