"""Whole envelopes in which anything may be wrong, and a reading of their values that shares nothing with the loader's.

Envelopes are made as text: how a number is written is a part of what is tried.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from referral_warehouse.load.registry import DOCUMENTED

NOT_THERE = object()
_TEXTS = st.text(st.characters(exclude_categories=()), max_size=6)
_WRITTEN_NUMBERS = st.one_of(
    st.integers(-(2**65), 2**65).map(str),
    st.integers(-50, 50).map(str),
    st.sampled_from(["1e3", "1E+2", "-0", "0.10", "19.99", "1.005", "123456789012", "1e400", "NaN", "-Infinity", "7.0",
                     "9007199254740993", "9007199254740993.0", "0.1000000000000000055", "1234567890123456.78"]),
    st.decimals(-1000, 1000, places=2).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)  # fmt: skip
_DATES = st.one_of(
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(lambda d: d.isoformat() + "Z"),  # noqa: DTZ001
    st.dates().map(str),
    st.sampled_from(
        [
            "",
            "2026-02-30",
            "0000-00-00 00:00:00",
            "0000-00-00",
            "-0001-11-30T00:00:00.000000Z",
            "2026-01-05T08:00:00+05:30",
            "2026-1-5",
            "soon",
            "24:00",
        ]
    ),
)
_JSONS = st.recursive(
    st.sampled_from(["null", "true", "false", "[]", "{}"]) | _WRITTEN_NUMBERS | _TEXTS.map(json.dumps),
    lambda inner: (
        st.lists(inner, max_size=2).map(lambda items: f"[{','.join(items)}]")
        | st.tuples(_TEXTS.map(json.dumps), inner).map(lambda pair: f"{{{pair[0]}:{pair[1]}}}")
    ),
    max_leaves=4,
)
_FITTING: dict[str, st.SearchStrategy[str]] = {
    "int": st.integers(0, 9).map(str) | st.integers(0, 9).map(lambda n: f'"{n}"'),
    "bool": st.sampled_from(["true", "false", "0", "1", '"1"', '"0"', '"TRUE"']),
    "money": st.sampled_from(["null", "5", "19.99", '"19.99"', '""', "1e3", "-0.5", "123456789012"]),
    "time": _DATES.map(json.dumps) | st.just("null"),
    "text": _TEXTS.map(json.dumps) | st.just("null"),
    "json": _JSONS,
}
_ANYTHING = st.one_of(_JSONS, _WRITTEN_NUMBERS, _WRITTEN_NUMBERS.map(json.dumps), _DATES.map(json.dumps))


@st.composite
def rows(draw: st.DrawFn, table: str) -> str:
    """One row as JSON text: mostly in order, with a field or two that are anything, missing, or new."""
    if draw(st.integers(0, 15)) == 0:
        return draw(_JSONS)
    fields = {field.name: draw(_FITTING[field.kind]) for field in DOCUMENTED[table].fields}
    for name in draw(st.lists(st.sampled_from([*fields, "brand_new"]), max_size=2)):
        if draw(st.integers(0, 5)) == 0:
            fields.pop(name, None)
        else:
            fields[name] = draw(_ANYTHING)
    return "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in fields.items()) + "}"


@st.composite
def envelopes(draw: st.DrawFn, table: str) -> str:
    """A list response as JSON text; its shape is right more often than not."""
    items = draw(st.lists(rows(table), max_size=5))
    if draw(st.integers(0, 7)) == 0:
        data = "{" + ",".join(f'"{n}":{item}' for n, item in enumerate(items)) + "}"
    else:
        data = f"[{','.join(items)}]"
    parts = {"data": data, "meta": f'{{"total":{len(items)},"last_page":1}}', "links": '{"next":null}'}
    for name in draw(st.lists(st.sampled_from([*parts, "code"]), max_size=1)):
        if draw(st.booleans()):
            parts.pop(name, None)
        else:
            parts[name] = draw(_JSONS)
    return "{" + ",".join(f'"{name}":{text}' for name, text in parts.items()) + "}"


def true_rows(envelope: str) -> list[Any]:
    """The rows as they are written: numbers as Decimal or int, to the last digit."""
    data = json.loads(envelope, strict=False, parse_float=Decimal, parse_constant=Decimal)["data"]
    return list(data.values()) if isinstance(data, dict) else data


def is_read_right(table: str, found: dict[str, Any], written: Any) -> bool:
    """Whether every column of a loaded row is exactly what was written."""
    try:
        return isinstance(written, dict) and all(
            _agrees(field.kind, written.get(field.name, NOT_THERE), found[field.name])
            for field in DOCUMENTED[table].fields
        )
    except (ValueError, ArithmeticError, LookupError, TypeError, AttributeError):
        return False  # what cannot even be compared is not what was written


def _agrees(kind: str, written: Any, found: Any) -> bool:
    is_empty = written is None or written is NOT_THERE
    if is_empty or (kind not in ("text", "json") and isinstance(written, str) and not written.strip()):
        return found is None
    if kind == "time" and isinstance(written, str) and written.startswith(("0000-00-00", "-0001-11-")):
        return found is None
    if found is None:
        return False
    if kind in ("int", "money"):
        return not isinstance(written, bool) and Decimal(str(written).strip()) == Decimal(found)
    if kind == "bool":
        return {"true": True, "1": True, "false": False, "0": False}[_spelled(written)] is found
    if kind == "time":
        at = datetime.fromisoformat(written.strip().replace("Z", "+00:00"))
        return (at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at) == found
    if kind == "text":
        is_text = isinstance(written, str)
        return written == found if is_text else _spelled(written) == _spelled(json.loads(found, parse_float=Decimal))
    return bool(json.loads(found, parse_float=Decimal) == written)


def _spelled(value: Any) -> str:
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        number = Decimal(repr(value) if isinstance(value, float) else value)
        return format(number.normalize(), "f") if number else "0"
    return str(value).strip().lower()
