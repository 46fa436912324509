"""What the checks of reward lists and unit settings report of an account whose results are computed by hand."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from referral_warehouse.warehouse.build import prepare_draft_dir, run_models
from referral_warehouse.warehouse.connection import connect_draft, substitute_missing_tables
from referral_warehouse.warehouse.models import load_checks
from referral_warehouse.warehouse.reward_units import declare_terms, declare_units
from tests.sql.test_cases import MODELS, needed_for
from tests.warehouse.planting import plant

FIRST, SECOND = "2026-01-01 08:00:00", "2026-01-02 08:00:00"
CHECKS = {
    check.name: check
    for check in load_checks()
    if check.name in {"warn_status_not_understood", "warn_price_unknown", "warn_unit_setting_unknown"}
}
UNITS = (
    ("Amazon Vouchr", "EUR"), ("Commission", "percent"), ("campaign:6", "GBP"), ("reward:13", "USD"),
    ("reward:12", "EUR"),
)  # fmt: skip


def issued(number: int, status: str | None, count: int, value: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": number, "reward_id": 12, "recipient_id": 7, "reward_type": "Amazon Voucher", "reward_value": 10,
        "total_due": count, "total_value": value, "status": status, "seen": [FIRST, None], **more,
    }  # fmt: skip


@pytest.fixture(scope="module")
def draft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """Undated payouts of several statuses; rewards without a value; settings that fit nothing."""
    given = {
        "campaigns": [{"id": 5, "name": "Spring", "seen": [FIRST, None]}],
        "rewards": [
            {"id": 12, "campaign_id": 5, "name": "Voucher", "type": "Amazon Voucher", "value": 10,
             "seen": [FIRST, None]},
            {"id": 20, "campaign_id": 5, "name": "Share", "type": "Commission", "value": 5, "seen": [FIRST, None]},
            {"id": 21, "campaign_id": 5, "name": "Mug", "type": "Gift", "seen": [FIRST, None]},
        ],
        "rewards_issued": [
            issued(1, "Invoice Due", 1, 10), issued(2, " On Hold", 2, 20), issued(3, "on hold", 1, 12.5),
            issued(4, "paused", 1, 10), issued(5, "CANCELLED ", 4, 40), issued(6, "Failed", 3, 30),
            issued(7, None, 1, 10), issued(8, "paused", 9, 90, issued_at=FIRST),
            issued(9, "Paused", 5, 50), issued(10, "Invoice Due", 6, None, reward_value=None),
        ],
        "rewards_due": [
            {"id": 1, "reward_id": 20, "recipient_id": 7, "reward_type": "Commission", "reward_value": 5,
             "total_due": 2, "seen": [FIRST, None]},
            {"id": 2, "reward_id": 20, "recipient_id": 7, "reward_type": "Commission", "reward_value": 5,
             "total_due": 1, "total_value": 3, "seen": [FIRST, None]},
            {"id": 3, "reward_id": 21, "recipient_id": 7, "reward_type": "Gift", "total_due": 4, "seen": [FIRST, None]},
        ],
        "observations": [
            {"stream": "rewards_issued", "id": number, "what": "vanished", "observed_at": SECOND} for number in (9, 10)
        ],
    }  # fmt: skip
    settings = plant(tmp_path_factory.mktemp("answers"), given, syncs=[FIRST, SECOND])
    read = {name.split(".")[1] for check in CHECKS.values() for name in check.reads} | {"reward_liability"}
    wanted = {model.qualified_name for name in read for model in needed_for(MODELS[name])}
    prepare_draft_dir(settings)
    with connect_draft(settings) as connection:
        substitute_missing_tables(connection)
        declare_units(connection, UNITS)
        declare_terms(connection, settings)
        run_models(connection, [model for model in MODELS.values() if model.qualified_name in wanted])
        yield connection


def reported(draft: duckdb.DuckDBPyConnection, name: str) -> list[tuple[Any, ...]]:
    return sorted(draft.execute(CHECKS[name].sql).fetchall(), key=str)


def test_unknown_statuses_are_named_with_what_is_owed_under_them(draft: duckdb.DuckDBPyConnection) -> None:
    """Also with other letters and blanks; not the dated row, nor the one that left the list."""
    assert reported(draft, "warn_status_not_understood") == [
        ("on hold", "EUR", 3, Decimal("32.5")), ("paused", "EUR", 1, Decimal(10)),
    ]  # fmt: skip


def test_cancelled_and_failed_rows_are_not_owed_and_unknown_ones_are(draft: duckdb.DuckDBPyConnection) -> None:
    """Invoice Due 10 + on hold 20 + 12.50 + paused 10 + no status 10."""
    query = "select in_process_count, in_process_value from marts.reward_liability where unit = 'EUR'"
    assert draft.execute(query).fetchall() == [(6, Decimal("62.5"))]


def test_rewards_without_a_value_are_named_and_those_that_are_no_longer_owed_are_not(
    draft: duckdb.DuckDBPyConnection,
) -> None:
    """Nor is a percentage: it has a price, although no amount follows from it."""
    assert reported(draft, "warn_price_unknown") == [
        ("rewards_due", "Gift", "type:Gift", 1, Decimal(4))
    ]  # fmt: skip


def test_percentages_have_the_totals_of_the_api_and_no_product(draft: duckdb.DuckDBPyConnection) -> None:
    """Three rewards of 5 percent are due; the API has a total of 3 for one of them."""
    query = "select due_count, due_value from marts.reward_liability where unit = 'percent'"
    assert draft.execute(query).fetchall() == [(3, Decimal(3))]


def test_settings_that_fit_nothing_are_named_with_the_most_similar_name(draft: duckdb.DuckDBPyConnection) -> None:
    names = [row[:3] for row in reported(draft, "warn_unit_setting_unknown")]
    assert names == [
        ("Amazon Vouchr", "EUR", "Amazon Voucher"), ("campaign:6", "GBP", "campaign:5 (Spring)"),
        ("reward:13", "USD", "reward:12 (Voucher)"),
    ]  # fmt: skip
