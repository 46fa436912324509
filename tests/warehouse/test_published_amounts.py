"""Published amounts have fewer digits than computed ones, and are rounded as a decimal of 38 digits would be."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import pytest

from referral_warehouse.warehouse.models import load_models
from referral_warehouse.warehouse.reward_units import with_digits

AMOUNTS = (
    "0", "null", "0.005", "-0.005", "0.004999", "0.015", "1.125", "-2.675", "999999999999.999999",
    "-999999999999.999999", "999999999999", "-999999999999", "1000000000000", "-1000000000000.005",
    "99999999999999999999999999999999.999999", "-99999999999999999999999999999999.994999",
)  # fmt: skip
"""Around the limits of 64 bits, and halves."""


@pytest.mark.parametrize("digits", range(2, 7))
def test_amounts_are_rounded_as_decimals_of_38_digits(digits: int) -> None:
    values = ", ".join(f"(cast({amount} as decimal(38, 6)))" for amount in AMOUNTS)
    sql = f"with final as (select a_value, a_value as plain from (values {values}) as t(a_value)) select * from final"
    model = replace(load_models()[0], sql=sql, columns={"a_value": ""})
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"select a_value, cast(plain as decimal(38, {digits})), typeof(a_value) from ({with_digits(model, digits)})"
        ).fetchall()
    assert len(rows) == len(AMOUNTS)
    assert [row[0] for row in rows] == [row[1] for row in rows]
    assert {row[2] for row in rows} == {f"DECIMAL(38,{digits})"}
