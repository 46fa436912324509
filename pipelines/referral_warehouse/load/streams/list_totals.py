"""Totals of the rows of a reward list that are owed, as the API returned them: rows, rewards and value.

Computed from the rows as they were read, before they are stored and modelled. ``fail_value_is_not_the_list`` compares
the published tables with it. Values of different units are added, because only sums of the same list are compared.
"""

from __future__ import annotations

from decimal import Context, Decimal, localcontext

import pyarrow as pa
import pyarrow.compute as pc

from referral_warehouse.load.report import ListTotals

LARGEST_VALUE = Decimal(10) ** 24
"""Where a row has no total, larger products of count and price have no value (sql/DECISIONS.md)."""
EXACT = Context(prec=76)
"""Python rounds decimals to 28 digits by default; counts and prices of 19 and 18 digits have longer products."""
FIELDS = ["id", "total_due", "total_value", "reward_value"]


def totals_of(rows: pa.Table) -> ListTotals:
    """The totals of rows of a reward list, one row an id."""
    total = ListTotals()
    with localcontext(EXACT):
        for row in rows.select(FIELDS).to_pylist():
            rewards = 1 if row["total_due"] is None else row["total_due"]
            value = row["total_value"]
            if value is None:
                value = rewards * (row["reward_value"] or Decimal(0))
                value = value if abs(value) < LARGEST_VALUE else Decimal(0)
            total.rows += 1
            total.rewards += rewards
            total.value += value
    return total


class UndatedRows:
    """The rows of rewards issued that had no date when they were last read in this run."""

    def __init__(self) -> None:
        self._rows: dict[int, pa.Table] = {}

    def take(self, rows: pa.Table) -> None:
        """Take over rows that were read: the newest reading of each id counts."""
        has_no_date = pc.is_null(rows.column("issued_at"))
        if self._rows:
            self.forget(rows.filter(pc.invert(has_no_date)).column("id").to_pylist())
        undated = rows.filter(has_no_date).select(FIELDS)
        for number, identifier in enumerate(undated.column("id").to_pylist()):
            self._rows[identifier] = undated.slice(number, 1)

    def forget(self, ids: list[int]) -> None:
        """Leave out rows that are dated now, or gone."""
        for identifier in ids:
            self._rows.pop(identifier, None)

    def totals(self) -> ListTotals:
        """The totals of the rows."""
        return totals_of(pa.concat_tables(self._rows.values())) if self._rows else ListTotals()
