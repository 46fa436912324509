"""Fills the raw tables and variables from which models take units, settlement terms and the digits of amounts.

Models get the rules of the settings, now and before, each unit's kind, and how many digits published amounts have.

A changed setting counts from the run that loaded with it, so that closed days keep the units and terms they were booked
with. A load file without such a run, as of an earlier version, has those of the settings from its beginning.

Source of names and digits of currencies: ISO 4217, in the package iso4217.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from referral_warehouse.settings.reward_units import PERCENT, unit_rule
from referral_warehouse.sql_quoting import identifier

if TYPE_CHECKING:
    import duckdb

    from referral_warehouse.settings import Settings
    from referral_warehouse.warehouse.models import Model

FEWEST_DIGITS, MOST_DIGITS = 2, 6
"""Digits after the point: published amounts have at least two, stored ones have six."""
AMOUNTS = " union ".join(
    f"select {column} from raw.{table}"
    for table, column in [
        ("rewards", "value"), ("rewards_due", "reward_value"), ("rewards_due", "total_value"),
        ("rewards_issued", "reward_value"), ("rewards_issued", "total_value"),
    ]
)  # fmt: skip
"""Each amount once: rounding is the slow part, and amounts repeat."""
Units = tuple[tuple[str, str], ...]


def declare_units(connection: duckdb.DuckDBPyConnection, current: Units) -> Units:
    """Fill ``raw.reward_units`` and ``raw.units``, and set the variable ``amount_digits``.

    Args:
        connection: the draft, with the substitutes of missing raw tables.
        current: (key, unit) of the settings now.

    Returns: the settings that hold in this build: those of the last run, where the load file has any.
    """
    history = _history(connection) or [(1, current)]
    rules = [(number, unit_rule(key, unit)) for number, units in history for key, unit in units]
    connection.execute("delete from scratch.raw.reward_units; delete from scratch.raw.units")
    for number, rule in rules:
        connection.execute(
            "insert into scratch.raw.reward_units values (?, ?, ?, ?, ?, ?)",
            [number, rule.setting, rule.reward_id, rule.campaign_id, rule.reward_type, rule.unit],
        )
    for unit in sorted({rule.unit for _, rule in rules}):
        connection.execute("insert into scratch.raw.units values (?, ?, ?, ?, ?)", [unit, *_described(unit)])
    connection.execute(f"set variable amount_digits = {_digits(connection)}")
    return history[-1][1]


def declare_terms(connection: duckdb.DuckDBPyConnection, settings: Settings) -> dict[str, list[str | int | None]]:
    """Fill ``raw.unit_terms`` with what the settings say on settlement and expiry, now and before.

    Returns: what holds in this build: unit → [``issue`` or ``use``, days until unused rewards expire or None].
    """
    rows = connection.execute("select terms_no, terms from raw.term_settings order by terms_no").fetchall()
    history = [(number, dict(json.loads(terms))) for number, terms in rows] or [(1, settings.unit_terms)]
    connection.execute("delete from scratch.raw.unit_terms")
    for number, terms in history:
        for unit, (word, days) in terms.items():
            connection.execute("insert into scratch.raw.unit_terms values (?, ?, ?, ?)", [number, unit, word, days])
    return history[-1][1]


def with_digits(model: Model, digits: int) -> str:
    """The query of a published model with its amounts (``…_value``) as decimals of so many digits after the point."""
    amounts = [name for name in model.columns if name.endswith("_value")]
    before, found, after = model.sql.rpartition("select * from final")
    if not amounts or not found:
        return model.sql
    casts = ", ".join(f"{_cast(identifier(name), digits)} as {identifier(name)}" for name in amounts)
    return f"{before}select * replace ({casts}) from final{after}"


def _cast(amount: str, digits: int) -> str:
    """A decimal of up to six digits after the point as one of fewer.

    DuckDB needs 650 ns to divide an amount of 128 bits, and 20 ns for one of 64 bits, which has 12 digits before the
    point; both round in the same way.
    """
    bounds = " and ".join(f"cast({sign}{'9' * 12} as decimal(38, 6))" for sign in ("-", ""))
    return (
        f"case when {amount} between {bounds} then cast(cast({amount} as decimal(18, 6)) as decimal(38, {digits})) "
        f"else cast({amount} as decimal(38, {digits})) end"
    )


def _digits(connection: duckdb.DuckDBPyConnection) -> int:
    """How many digits after the point all amounts and units need: as few as possible, so that types rarely change."""
    exact = ", ".join(
        f"coalesce(bool_and(value = round(value, {digits})), true)" for digits in range(FEWEST_DIGITS, MOST_DIGITS)
    )
    row = connection.execute(f"select {exact} from ({AMOUNTS}) as amounts(value)").fetchone() or ()
    by_value = next((FEWEST_DIGITS + index for index, is_exact in enumerate(row) if is_exact), MOST_DIGITS)
    (by_unit,) = connection.execute("select coalesce(max(digits), 0) from scratch.raw.units").fetchone() or (0,)
    return max(by_value, int(by_unit))


def _history(connection: duckdb.DuckDBPyConnection) -> list[tuple[int, Units]]:
    rows = connection.execute("select settings_no, units from raw.unit_settings order by settings_no").fetchall()
    return [(number, tuple(sorted(json.loads(units).items()))) for number, units in rows]


def _described(unit: str) -> tuple[str, str | None, bool, int | None]:
    """Kind, name, whether it is money, and digits after the point, of a unit."""
    from iso4217 import Currency

    if unit == PERCENT:
        return "percent", "rate of spend", False, None
    try:
        currency = Currency(unit)
    except ValueError:
        return "word", None, False, None
    return "currency", currency.currency_name, True, currency.exponent
