"""Rows that the account itself dates in the future, in 1970 or in the year 1 are kept, and daily tables stay short."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.publish import publish
from tests.conftest import using_models
from tests.sampling import sampled
from tests.warehouse.few_models import FEWEST, copy_few_models
from tests.warehouse.planting import plant

DATES = ["0001-01-01", "1969-12-31", "1970-01-01", "2030-06-01", "9999-12-31 23:59:59"]
FIRST, LAST = "2026-01-01 08:00:00", "2026-01-03 08:00:00"


@pytest.fixture(scope="module", autouse=True)
def daily_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Builds of this module have the daily tables; test_extreme_values builds all models of such dates."""
    with using_models(
        copy_few_models(
            tmp_path_factory.mktemp("models"),
            (*FEWEST, "core.", "marts.reward_l", "marts.referral_funnel", "marts.campaign_perf"),
        )
    ):
        yield


@pytest.mark.parametrize("date", sampled(DATES, 2))
def test_the_daily_tables_stay_within_the_days_there_are(tmp_path: Path, date: str) -> None:
    reward = {"reward_id": 1, "reward_type": "Cash", "reward_value": 5, "total_due": 1, "total_value": 5}
    tables = {
        "campaigns": [{"id": 5, "name": "Spring", "seen": [FIRST, None]}],
        "rewards": [{"id": 1, "campaign_id": 5, "type": "Cash", "value": 5, "reward_for": "Person Referring",
                     "when_referral": "converted", "seen": [FIRST, None]}],
        "users": [
            {"id": 1, "campaign_id": 5, "date": "2025-12-01", "referrals_count": 1, "converted_referrals_count": 1},
            {"id": 2, "campaign_id": 5, "referrer_id": 1, "date": date, "qualified": True, "qualified_at": date,
             "unsubscribed": True, "unsubscribed_at": date, "referrals_count": 0, "converted_referrals_count": 0},
        ],
        "rewards_due": [{"id": 1, "recipient_id": 1, "seen": [FIRST, None], **reward}],
        "rewards_issued": [{"id": 1, "recipient_id": 2, "issued_at": date, "seen": [FIRST, None], **reward}],
        "coupons": [{"id": 1, "name": "A", "referral_id": 2, "issued_at": date, "used_at": date}],
    }  # fmt: skip
    settings = plant(tmp_path, tables, syncs=[FIRST, LAST])
    publication = publish(settings, build(settings))
    warned = {found.check: found for found in publication.warnings}
    assert warned["warn_dates_out_of_range"].violations_count == 6
    assert "row_id=" in str(warned["warn_dates_out_of_range"])
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        for table in ("referral_funnel_daily", "reward_liability_daily"):
            days = f"select year(min(day_on)) >= 2000, max(day_on) from marts.{table}"
            ((is_bounded, newest),) = connection.execute(days).fetchall()
            assert is_bounded
            assert str(newest) == "2026-01-03"
        kept = "select joined_at = timestamp '{0}', qualified_at = timestamp '{0}' from core.users where user_id = 2"
        assert connection.execute(kept.format(date)).fetchall() == [(True, True)]
        recent = "select new_users_7d_count, qualified_28d_count from marts.campaign_performance"
        assert connection.execute(recent).fetchall() == [(0, 0)]
