"""What published sums must be, added up again in Python from the rows that were planted: whole numbers and Decimal.

Follows the words of sql/DECISIONS.md: a null count is 1, a null total is count times price or 0, and a product that
reaches 10^24 is not known and adds nothing.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from typing import Any

EXACT = Context(prec=80, rounding=ROUND_HALF_UP)
TOO_LARGE = Decimal(10) ** 24
Row = Mapping[str, Any]
Measure = tuple[int, Decimal]


def count_of(row: Row) -> int:
    return 1 if row.get("total_due") is None else int(row["total_due"])


def value_of(row: Row) -> Decimal:
    """What the row adds to a sum of values."""
    if row.get("total_value") is not None:
        return Decimal(row["total_value"])
    if row.get("reward_value") is None:
        return Decimal(0)
    product = EXACT.multiply(Decimal(count_of(row)), row["reward_value"])
    return product if abs(product) < TOO_LARGE else Decimal(0)


def added(rows: Iterable[Row]) -> Measure:
    """Count and value of rows together."""
    with localcontext(EXACT):
        counts, values = 0, Decimal(0)
        for row in rows:
            counts, values = counts + count_of(row), values + value_of(row)
        return counts, values


def type_of(row: Row, rewards: Mapping[int, Row]) -> str:
    given = (row.get("reward_type") or "").strip(" ")
    full = given or ((rewards.get(row["reward_id"]) or {}).get("type") or "").strip(" ") or "unknown"
    return full if len(full) <= 200 else f"{full[:160]}… {hashlib.md5(full.encode()).hexdigest()}"  # noqa: S324


def balances(rows: Iterable[Row], rewards: Mapping[int, Row]) -> dict[tuple[int, int, str], Measure]:
    """Count and value per reward, recipient and reward type."""
    groups: dict[tuple[int, int, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["reward_id"], row.get("recipient_id") or 0, type_of(row, rewards)].append(row)
    return {key: added(group) for key, group in groups.items()}


def held_at(rows: Iterable[Row], sync: str) -> list[Row]:
    """The versions that held when a sync saw the list."""
    return [row for row in rows if row["seen"][0] <= sync and (row["seen"][1] is None or row["seen"][1] > sync)]


def per_key(key: Callable[[Row], Any], rows: Iterable[Row]) -> dict[Any, Measure]:
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return {name: added(group) for name, group in groups.items()}


def cents_per(value: Decimal, people: int) -> Decimal | None:
    """A value per person, rounded to the cent, halves away from zero."""
    if not people:
        return None
    return EXACT.divide(value, Decimal(people)).quantize(Decimal("0.01"), context=EXACT)
