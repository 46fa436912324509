"""One filter becomes one SQL condition; knows how values and days are compared, and nothing else of a query."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from referral_warehouse.sandbox.domain.resources import Field
from referral_warehouse.sandbox.domain.store import stamp
from referral_warehouse.sandbox.quirks import Traps

OPERATORS = {"equal": "=", "gt": ">", "lt": "<", "gte": ">=", "lte": "<=", "like": "like"}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_TRUTH = {"1": 1, "true": 1, "0": 0, "false": 0}


@dataclass(frozen=True)
class Filter:
    """A checked filter: field, operator by its documented name, value as it was sent."""

    field: Field
    operator: str
    value: str


def check_filter(field: Field, operator: str, value: str) -> tuple[str, str] | None:
    """What is wrong with a filter: which part of it, and a sentence; None when it can be asked."""
    if operator not in OPERATORS:
        return "operator", f"The operator {operator} is not supported."
    if operator == "like" or field.kind == "text":
        return None
    if field.kind == "bool" and value not in _TRUTH:
        return "value", f"The value for {field.name} must be true or false."
    if field.kind in ("id", "int", "money") and _number(value) is None:
        return "value", f"The value for {field.name} must be a number."
    if field.kind in ("datetime", "date") and _moment(value) is None:
        return "value", f"The value for {field.name} must be a date."
    return None


def condition(item: Filter, traps: Traps) -> tuple[str, list[Any]]:
    """SQL with ``?`` marks and their values. The filter has passed ``check_filter``."""
    sql, sign, kind = item.field.sql, OPERATORS[item.operator], item.field.kind
    if item.operator == "like":
        text = f"printf('%.2f', ({sql}) / 100.0)" if kind == "money" else f"cast({sql} as text)"
        escaped = re.sub(r"([\\%_])", r"\\\1", item.value)
        return f"{text} like ? escape '\\'", [f"%{escaped}%"]
    if kind == "bool":
        return f"{sql} {sign} ?", [_TRUTH[item.value]]
    if kind in ("id", "int", "money"):
        number = _number(item.value) or Decimal(0)
        number = number * 100 if kind == "money" else number
        return f"{sql} {sign} ?", [int(number) if number == number.to_integral_value() else float(number)]
    if kind in ("datetime", "date"):
        return _time_condition(item, traps)
    return f"{sql} {sign} ?", [item.value]


def _time_condition(item: Filter, traps: Traps) -> tuple[str, list[Any]]:
    sql, sign = item.field.sql, OPERATORS[item.operator]
    moment = _moment(item.value)
    if item.field.kind == "date":
        return f"{sql} {sign} ?", [item.value if moment is None else f"{moment:%Y-%m-%d}"]
    if traps.text_time_filters or moment is None:
        return f"{sql} {sign} ?", [item.value]
    if traps.lte_loses_day or not _DAY.fullmatch(item.value):
        return f"{sql} {sign} ?", [stamp(moment)]
    # A whole day: [moment, after).
    after = stamp(moment + timedelta(days=1)) if moment.date() < date.max else "9999-12-31 23:59:59"
    if item.operator == "equal":
        return f"({sql} >= ? and {sql} < ?)", [stamp(moment), after]
    sign, edge = {"gte": (">=", stamp(moment)), "lt": ("<", stamp(moment)), "gt": (">=", after), "lte": ("<", after)}[
        item.operator
    ]
    return f"{sql} {sign} ?", [edge]


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < 10**15 else None


def _moment(text: str) -> datetime | None:
    """A day or a time, UTC unless it says otherwise."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
