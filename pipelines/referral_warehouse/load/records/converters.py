"""Single JSON values read exactly: integers, booleans, money, times, texts and JSON; never a guess, never a float.

Pure functions. ``convert`` takes a whole column when all its values have the expected JSON type, ``read`` takes one
value of any type and raises ValueError with the reason when it cannot be read exactly.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson
import pendulum
import pyarrow as pa
import pyarrow.compute as pc

from referral_warehouse.api.numbers import Oversized, quoted, whole_number
from referral_warehouse.load.records.json_text import read_json, to_json_text

CENT = Decimal("0.01")
SMALLEST_AMOUNT = Decimal("0.000001")
MONEY_LIMIT = Decimal(10) ** 16
EXACT_FLOAT_DIGITS = 15
EXACT_CENTS = 10**15
TIME = pa.timestamp("us")
EARLIEST_TIME = pa.scalar(datetime.min, TIME).value  # noqa: DTZ901 - times are naive UTC here
MONEY = pa.decimal128(38, 6)
ARROW_TYPES: dict[str, pa.DataType] = {
    "int": pa.int64(),
    "bool": pa.bool_(),
    "money": MONEY,
    "time": TIME,
    "text": pa.string(),
    "json": pa.string(),
}
BOOLEAN_WORDS = {"1": True, "true": True, "0": False, "false": False}
# How databases and PHP write a date that was never set; in PHP it is a day of November of the year -1.
ZERO_DATE = re.compile(
    r"\s*(0000-00-00|-(00)?0001-11-(29|30))([T ][0-9:.]{5,16}\s?(Z|[+-]\d{2}:?\d{2})?)?\s*", re.ASCII
)
DAY_OR_TIME = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?\s?(Z|[+-]\d{2}:?\d{2})?)?", re.ASCII)
_NONE = type(None)


def convert(kind: str, column: Sequence[Any]) -> pa.Array | None:
    """A whole column at once, or None when some value must be read separately."""
    kinds = set(map(type, column))
    kinds.discard(_NONE)
    if not kinds:
        return pa.nulls(len(column), ARROW_TYPES[kind])
    try:
        if kind == "json":
            return _json_column(column)
        if kind == "text" and kinds == {str}:
            return pa.array(column, pa.string())
        if kind == "int" and kinds == {int}:
            return pa.array(column, pa.int64())
        if kind == "bool" and kinds == {bool}:
            return pa.array(column, pa.bool_())
        if kind == "money" and kinds <= {int, float}:
            return _money_column(column)
        if kind == "time" and kinds == {str}:
            return _time_column(pa.array(column, pa.string()))
    except (pa.ArrowInvalid, ValueError, OverflowError, TypeError):
        return None
    return None


def _money_column(column: Sequence[Any]) -> pa.Array | None:
    """Numbers that are exactly so many cents: the nearest double of the cents must be the number itself."""
    cents = [None if value is None else round(value * 100) for value in column]
    for value, cent in zip(column, cents, strict=True):
        if cent is not None and (cent / 100 != value or not -EXACT_CENTS < cent < EXACT_CENTS):
            return None
    whole = pa.array(cents, pa.int64()).cast(pa.decimal128(20, 0))
    return pc.multiply(whole, pa.scalar(CENT, pa.decimal128(3, 2))).cast(MONEY)


def _time_column(texts: pa.Array) -> pa.Array | None:
    lengths = pc.unique(pc.binary_length(texts)).drop_null().to_pylist()
    times: pa.Array | None = None
    if lengths == [27] or lengths == [20]:
        if pc.all(pc.ends_with(texts, "Z")).as_py():
            times = texts.cast(pa.timestamp("us", "UTC")).cast(TIME)
    elif lengths == [19]:
        times = texts.cast(TIME)
    elif lengths == [10]:
        times = texts.cast(pa.date32()).cast(TIME)
    # Arrow has a year 0, Python does not
    return times if times is not None and pc.min(times).value >= EARLIEST_TIME else None


def _json_column(column: Sequence[Any]) -> pa.Array:
    dumps = orjson.dumps
    return pa.array([None if value is None else dumps(value) for value in column], pa.binary()).cast(pa.string())


def without_zero_dates(column: Sequence[Any]) -> tuple[Sequence[Any], int]:
    """A column of times in which zero dates are null, and how many there were."""
    zeros = [isinstance(value, str) and ZERO_DATE.fullmatch(value) is not None for value in column]
    if not any(zeros):
        return column, 0
    return [None if zero else value for value, zero in zip(column, zeros, strict=True)], sum(zeros)


def read(kind: str, value: Any) -> Any:
    """One value, exactly. Raises: ValueError with the reason."""
    if value is None:
        return None
    return _READERS[kind](value)


def read_int(value: Any) -> int | None:
    """``7``, ``7.0``, ``"7"`` → 7; ``""`` → None."""
    if isinstance(value, str) and value.strip() == "":
        return None
    if isinstance(value, (bool, int, float, Decimal, str, Oversized)):
        return whole_number(value)
    raise ValueError(f"{_short(value)} is not a whole number")


def read_bool(value: Any) -> bool | None:
    """``true``, ``1``, ``"1"``, ``"true"`` and their opposites; ``""`` → None."""
    if isinstance(value, bool):
        return value
    if isinstance(value, Decimal) and value.is_nan():  # a signalling NaN cannot be compared
        raise ValueError("NaN is neither true nor false")
    if isinstance(value, (int, float, Decimal)) and value in (0, 1):
        return bool(value)
    if isinstance(value, str):
        text = value.strip().lower()
        if text == "":
            return None
        if text in BOOLEAN_WORDS:
            return BOOLEAN_WORDS[text]
    raise ValueError(f"{_short(value)} is neither true nor false")


def read_money(value: Any) -> Decimal | None:
    """``19.99``, ``"1.125"``, ``1e3``, ``50`` → six decimal places; ``""`` → None; more places are refused."""
    if isinstance(value, bool):
        raise ValueError("a boolean instead of an amount")
    if isinstance(value, float):
        value = repr(value)
        if sum(character.isdigit() for character in value.split("e")[0].strip("-0")) > EXACT_FLOAT_DIGITS:
            raise ValueError(f"{value} has more digits than JSON numbers represent exactly")
    if isinstance(value, str) and value.strip() == "":
        return None
    if not isinstance(value, (str, int, Decimal)):
        raise ValueError(f"{_short(value)} is not an amount")
    text = str(value).strip()
    if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", text, re.ASCII):
        raise ValueError(f"{_short(value)} is not an amount")
    try:
        amount = Decimal(text)
        if abs(amount) >= MONEY_LIMIT:
            raise ValueError(f"{_short(value)} has more than 16 digits before the decimal point")
        exact = amount.quantize(SMALLEST_AMOUNT)
    except InvalidOperation:
        raise ValueError(f"{_short(value)} is not an amount") from None
    if exact != amount:
        raise ValueError(f"{_short(value)} has more than 6 decimal places")
    return exact + 0  # no negative zero


def read_time(value: Any) -> datetime | None:
    """ISO 8601 with ``Z`` or offset, ``YYYY-MM-DD HH:MM:SS``, plain days (both UTC) → naive UTC; ``""`` → None."""
    if not isinstance(value, str):
        raise ValueError(f"{_short(value)} is not a date")
    text = value.strip()
    if text == "":
        return None
    if not DAY_OR_TIME.fullmatch(text):
        raise ValueError(f"{_short(value)} is not a date")
    try:
        parsed = pendulum.parse(text.replace(" ", "T", 1).replace(" ", ""), tz="UTC", exact=False)
    except (ValueError, OverflowError):
        raise ValueError(f"{_short(value)} is not a possible date") from None
    if not isinstance(parsed, datetime):
        raise ValueError(f"{_short(value)} is not a date")
    try:
        return parsed.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        raise ValueError(f"{_short(value)} is not a possible date") from None


def read_text(value: Any) -> str:
    """Text as it is; numbers and booleans in their JSON spelling; lone surrogates are refused."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("text that is not valid Unicode (a lone surrogate)") from None
        return value
    if isinstance(value, (bool, int, float)):
        return orjson.dumps(value).decode() if isinstance(value, (bool, float)) else str(value)
    if isinstance(value, Decimal) and value.is_finite():
        return str(value)
    raise ValueError(f"{_short(value)} instead of a text")


def _short(value: Any) -> str:
    return quoted(value if isinstance(value, str) else to_json_text(value))


_READERS: dict[str, Any] = {
    "int": read_int,
    "bool": read_bool,
    "money": read_money,
    "time": read_time,
    "text": read_text,
    "json": read_json,
}
