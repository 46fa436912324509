"""Translates one filter into one SQL condition: how values and days are compared."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from referral_warehouse.sandbox.domain.resources import Field
from referral_warehouse.sandbox.domain.store import MILL, stamp
from referral_warehouse.sandbox.quirks import Quirks

OPERATORS = {"equal": "=", "gt": ">", "lt": "<", "gte": ">=", "lte": "<=", "like": "like"}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_BOOLEANS = {"1": 1, "true": 1, "0": 0, "false": 0}


@dataclass(frozen=True)
class Filter:
    """A checked filter: field, operator by its documented name, value as it was sent."""

    field: Field
    operator: str
    value: str


def check_filter(field: Field, operator: str, value: str) -> tuple[str, str] | None:
    """What is wrong with a filter, as its part and a message; None when it is valid."""
    if operator not in OPERATORS:
        return "operator", f"The operator {operator} is not supported."
    if operator == "like" or field.kind == "text":
        return None
    if field.kind == "bool" and value not in _BOOLEANS:
        return "value", f"The value for {field.name} must be true or false."
    if field.kind in ("id", "int", "money") and _number(value) is None:
        return "value", f"The value for {field.name} must be a number."
    if field.kind in ("datetime", "date") and _parse_time(value) is None:
        return "value", f"The value for {field.name} must be a date."
    return None


def condition(item: Filter, quirks: Quirks) -> tuple[str, list[Any]]:
    """SQL with ``?`` placeholders, and their values. The filter has passed ``check_filter``."""
    sql, sign, kind = item.field.sql, OPERATORS[item.operator], item.field.kind
    if item.operator == "like":
        text = (
            f"printf('%.' || iif(({sql}) % 10, 3, 2) || 'f', ({sql}) / {MILL}.0)"
            if kind == "money"
            else f"cast({sql} as text)"
        )
        escaped = re.sub(r"([\\%_])", r"\\\1", item.value)
        return f"{text} like ? escape '\\'", [f"%{escaped}%"]
    if kind == "bool":
        return f"{sql} {sign} ?", [_BOOLEANS[item.value]]
    if kind in ("id", "int", "money"):
        number = _number(item.value) or Decimal(0)
        number = number * MILL if kind == "money" else number
        return f"{sql} {sign} ?", [int(number) if number == number.to_integral_value() else float(number)]
    if kind in ("datetime", "date"):
        return _time_condition(item, quirks)
    return f"{sql} {sign} ?", [item.value]


def _time_condition(item: Filter, quirks: Quirks) -> tuple[str, list[Any]]:
    sql, sign = item.field.sql, OPERATORS[item.operator]
    time = _parse_time(item.value)
    if item.field.kind == "date":
        return f"{sql} {sign} ?", [item.value if time is None else f"{time:%Y-%m-%d}"]
    if quirks.text_time_filters or time is None:
        return f"{sql} {sign} ?", [item.value]
    if quirks.lte_loses_day or not _DAY.fullmatch(item.value):
        return f"{sql} {sign} ?", [stamp(time)]
    # A whole day: [time, after).
    after = stamp(time + timedelta(days=1)) if time.date() < date.max else "9999-12-31 23:59:59"
    if item.operator == "equal":
        return f"({sql} >= ? and {sql} < ?)", [stamp(time), after]
    sign, edge = {"gte": (">=", stamp(time)), "lt": ("<", stamp(time)), "gt": (">=", after), "lte": ("<", after)}[
        item.operator
    ]
    return f"{sql} {sign} ?", [edge]


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < 10**15 else None


def _parse_time(text: str) -> datetime | None:
    """A day or a time, UTC unless it has an offset."""
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
