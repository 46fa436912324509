"""Every published rate names its numerator and its denominator in its comment, and is their quotient."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import duckdb
import pytest

from referral_warehouse.load.runner import load
from referral_warehouse.sandbox import Sandbox
from referral_warehouse.settings import Settings, Token
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.publish import publish

RATE = re.compile(r"^share_|_rate$|_per_")
FORMULA = re.compile(r"^(?:(\w+)|\((\w+) \+ (\w+)\)) / (\w+)(?=[:;,]|$)")
KINDS = ("Amazon Voucher", "Cash Digital Card", "Coupon", "Custom Reward")
EXPECTED = {
    "marts.campaign_costs": {"cost_per_qualified_value"},
    "marts.campaign_costs_monthly": {"cost_per_qualified_value"},
    "marts.campaign_performance": {
        "user_participation_rate", "uninvited_participation_rate", "conversion_rate", "mature_conversion_rate",
        "referrals_per_user", "referrals_per_referrer", "cost_per_qualified_value",
    },
    "marts.coupon_usage": {"use_rate"},
    "marts.referral_cohorts": {"conversion_rate"},
    "marts.referral_funnel": {"share_of_previous", "share_of_first", "referrals_per_referrer"},
    "marts.referrer_performance": {"conversion_rate"},
}  # fmt: skip


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """An account like that of the demo, synced on two days, whose rewards are all counted in one unit."""
    folder = tmp_path_factory.mktemp("rates")
    with Sandbox(users=250, seed=7, calls_per_minute=0) as sandbox, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "machine"))
        settings = Settings(
            api_token=Token(sandbox.token), base_url=sandbox.base_url, calls_per_minute=0, simulated_time=True,
            warehouse_dir=folder / "data", reward_units=tuple((kind, "EUR") for kind in KINDS),
        )  # fmt: skip
        load(settings)
        sandbox.advance(days=1)
        load(settings)
        publish(settings, build(settings))
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        yield connection


def rates(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], str]:
    """The comment of each published rate, by table and column."""
    found = connection.execute(
        "select schema_name || '.' || table_name, column_name, comment from duckdb_columns() "
        "where schema_name = 'marts'"
    ).fetchall()
    return {(table, column): comment for table, column, comment in found if RATE.search(column)}


def test_every_rate_of_the_marts_is_tested(snapshot: duckdb.DuckDBPyConnection) -> None:
    assert rates(snapshot).keys() == {(table, column) for table, names in EXPECTED.items() for column in names}


@pytest.mark.parametrize(("table", "column"), [(table, name) for table in EXPECTED for name in sorted(EXPECTED[table])])
def test_a_rate_is_the_quotient_of_the_columns_that_it_names(
    table: str, column: str, snapshot: duckdb.DuckDBPyConnection
) -> None:
    comment = rates(snapshot)[table, column]
    formula = FORMULA.match(comment)
    assert formula, f"{table}.{column}: the comment begins with 'numerator / denominator', not with {comment!r}"
    *numerators, denominator = (name for name in formula.groups() if name)
    names = ", ".join([column, denominator, *numerators])
    rows = snapshot.execute(f"select {names} from {table}").fetchall()
    assert any(row[0] for row in rows), "no row has a value to compare"
    for value, below, *above in rows:
        assert value == expected(column, below, above), (table, column, below, above)


def expected(column: str, denominator: Any, numerators: list[Any]) -> Any:
    """The quotient; null without a denominator or a numerator. Money is rounded to the cent, half away from zero."""
    if not denominator or None in numerators:
        return None
    quotient = Decimal(sum(numerators)) / Decimal(denominator)
    if column.endswith("_value"):
        return quotient.quantize(Decimal("0.01"), ROUND_HALF_UP)
    return pytest.approx(float(quotient))
