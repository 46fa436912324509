"""What a list of rewards adds up to, exactly."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa

from referral_warehouse.load.report import ListTotals
from referral_warehouse.load.streams.list_totals import totals_of

COUNT = 2**63 - 1


def test_sums_with_more_digits_than_decimals_have_by_default_are_exact() -> None:
    price = Decimal("99999.99")
    rows = [{"id": n, "total_due": COUNT, "total_value": None, "reward_value": price} for n in range(1_000)]
    exact = Decimal(COUNT * 9_999_999 * 10)  # prices in hundredths × 1,000 rows
    assert totals_of(pa.Table.from_pylist(rows)) == ListTotals(rows=1_000, rewards=COUNT * 1_000, value=exact)
