"""Single values: read exactly or refused, and the same whether they are read one by one or as a whole column."""

# ruff: noqa: DTZ001 - times are naive UTC in the load file

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.load.records import converters
from referral_warehouse.load.records.json_text import to_json_text

BIG = "€" * 3_500_000  # more than 10 MB of UTF-8
LONE = "half a pair: \ud83d"

EXACT: list[tuple[str, Any, Any]] = [
    ("money", "19.99", Decimal("19.99")),
    ("money", 19.99, Decimal("19.99")),
    ("money", Decimal("19.99"), Decimal("19.99")),
    ("money", 1e3, Decimal("1000.00")),
    ("money", "1e3", Decimal("1000.00")),
    ("money", Decimal("1E+3"), Decimal("1000.00")),
    ("money", 50, Decimal("50.00")),
    ("money", "50", Decimal("50.00")),
    ("money", " 50.0 ", Decimal("50.00")),
    ("money", "19.990", Decimal("19.99")),
    ("money", ".5", Decimal("0.50")),
    ("money", "", None),
    ("money", None, None),
    ("money", 0, Decimal("0.00")),
    ("money", -0.0, Decimal("0.00")),
    ("money", -19.99, Decimal("-19.99")),
    ("money", "-0.01", Decimal("-0.01")),
    ("money", 999999999999, Decimal("999999999999.00")),
    ("money", 1234567890.12, Decimal("1234567890.12")),
    ("money", "9999999999999999.99", Decimal("9999999999999999.99")),
    ("money", 1.125, Decimal("1.125")),
    ("money", "19.999", Decimal("19.999")),
    ("money", "-9999999999999999.999999", Decimal("-9999999999999999.999999")),
    ("money", Decimal("1234567890123456.78"), Decimal("1234567890123456.78")),
    ("int", 7, 7),
    ("int", 7.0, 7),
    ("int", "7", 7),
    ("int", " +7 ", 7),
    ("int", "-7", -7),
    ("int", Decimal(7), 7),
    ("int", "", None),
    ("int", 2**63 - 1, 2**63 - 1),
    ("int", -(2**63), -(2**63)),
    ("int", str(2**63 - 1), 2**63 - 1),
    ("bool", True, True),
    ("bool", False, False),
    ("bool", 1, True),
    ("bool", 0, False),
    ("bool", 1.0, True),
    ("bool", Decimal(0), False),
    ("bool", "1", True),
    ("bool", "0", False),
    ("bool", "true", True),
    ("bool", " FALSE ", False),
    ("bool", "", None),
    ("time", "2024-05-01T10:00:00.123456Z", datetime(2024, 5, 1, 10, 0, 0, 123456)),
    ("time", "2024-05-01T10:00:00.000000Z", datetime(2024, 5, 1, 10)),
    ("time", "2024-05-01T10:00:00Z", datetime(2024, 5, 1, 10)),
    ("time", "2024-05-01 10:00:00", datetime(2024, 5, 1, 10)),
    ("time", "2024-05-01T10:00:00", datetime(2024, 5, 1, 10)),
    ("time", "2024-05-01", datetime(2024, 5, 1)),
    ("time", "2024-02-29", datetime(2024, 2, 29)),
    ("time", "2024-05-01T01:30:00+02:00", datetime(2024, 4, 30, 23, 30)),
    ("time", "2024-05-01 01:30:00 +0200", datetime(2024, 4, 30, 23, 30)),
    ("time", "2024-12-31T20:00:00-05:30", datetime(2025, 1, 1, 1, 30)),
    ("time", "", None),
    ("text", "", ""),
    ("text", "Zoë 🎉", "Zoë 🎉"),
    ("text", "a\x00b", "a\x00b"),
    ("text", 7, "7"),
    ("text", 2**70, str(2**70)),
    ("text", 1.5, "1.5"),
    ("text", Decimal("1.50"), "1.50"),
    ("text", True, "true"),
    ("text", BIG, BIG),
    ("json", {"a": [1, None, "ü"]}, '{"a":[1,null,"ü"]}'),
    ("json", [], "[]"),
    ("json", "", '""'),
    ("json", {"a": Decimal("1.10"), "b": 2**70}, '{"a":1.10,"b":1180591620717411303424}'),
    ("json", None, None),
]  # fmt: skip

REFUSED: list[tuple[str, Any, str]] = [
    ("money", 0.1 + 0.2, "more digits than JSON numbers represent exactly"),
    ("money", 19.9999999, "more than 6 decimal places"),
    ("money", "0.0000001", "more than 6 decimal places"),
    ("money", Decimal("19.9999999"), "more than 6 decimal places"),
    ("money", True, "a boolean instead of an amount"),
    ("money", "1,99", "not an amount"),
    ("money", "€5", "not an amount"),
    ("money", "٥", "not an amount"),
    ("bool", Decimal("sNaN"), "neither true nor false"),
    ("money", "NaN", "not an amount"),
    ("money", Decimal("NaN"), "not an amount"),
    ("money", float("nan"), "not an amount"),
    ("money", float("inf"), "not an amount"),
    ("money", "1e999", "more than 16 digits before the decimal point"),
    ("money", Decimal("1E+999"), "more than 16 digits before the decimal point"),
    ("money", 10**16, "more than 16 digits before the decimal point"),
    ("money", "10000000000000000", "more than 16 digits before the decimal point"),
    ("money", [5], "not an amount"),
    ("int", True, "a boolean instead of a whole number"),
    ("int", 7.5, "not an exact whole number"),
    ("int", 1e300, "not an exact whole number"),
    ("int", float(2**53), "not an exact whole number"),
    ("int", Decimal("7.5"), "not an exact whole number"),
    ("int", Decimal("NaN"), "not an exact whole number"),
    ("int", Decimal("1E+999"), "not an exact whole number"),
    ("int", "seven", "not a whole number"),
    ("int", "7.0", "not a whole number"),
    ("int", "٧", "not a whole number"),
    ("int", {"id": 7}, "not a whole number"),
    ("int", 2**63, "does not fit into 64 bits"),
    ("int", -(2**63) - 1, "does not fit into 64 bits"),
    ("int", "9" * 20, "does not fit into 64 bits"),
    ("bool", 2, "neither true nor false"),
    ("bool", "yes", "neither true nor false"),
    ("bool", Decimal("NaN"), "neither true nor false"),
    ("bool", [], "neither true nor false"),
    ("time", "2024-02-30", "not a possible date"),
    ("time", "2023-02-29T10:00:00Z", "not a possible date"),
    ("time", "2024-13-01 10:00:00", "not a possible date"),
    ("time", "2024-05-01T25:00:00Z", "not a possible date"),
    ("time", "0000-00-00", "not a possible date"),
    ("time", "0000-01-01", "not a possible date"),
    ("time", "0000-00-00 00:00:00", "not a possible date"),
    ("time", "0001-01-01T00:00:00+05:00", "not a possible date"),
    ("time", "yesterday", "not a date"),
    ("time", "٢٠٢٤-05-01", "not a date"),
    ("time", "01/05/2024", "not a date"),
    ("time", "P1D", "not a date"),
    ("time", 1714557600, "not a date"),
    ("time", True, "not a date"),
    ("text", LONE, "a lone surrogate"),
    ("text", ["a"], "instead of a text"),
    ("text", {"a": 1}, "instead of a text"),
    ("json", {"a": LONE}, "a lone surrogate"),
    ("json", {LONE: 1}, "a lone surrogate"),
    ("json", [Decimal("NaN")], "not a number"),
]


def _name(value: Any) -> str:
    return ascii(value)[:30]


@pytest.mark.parametrize(("kind", "value", "expected"), EXACT, ids=_name)
def test_a_value_is_read_exactly(kind: str, value: Any, expected: Any) -> None:
    read = converters.read(kind, value)
    assert read == expected
    assert isinstance(read, type(expected))
    assert pa.array([read], converters.ARROW_TYPES[kind]).to_pylist() == [expected]
    whole = converters.convert(kind, [value, None])
    assert whole is None or whole.to_pylist() == [expected, None]


@pytest.mark.parametrize(("kind", "value", "reason"), REFUSED, ids=_name)
def test_what_cannot_be_read_exactly_is_refused_with_a_reason(kind: str, value: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace("(", r"\(").replace(")", r"\)")) as caught:
        converters.read(kind, value)
    assert len(str(caught.value)) < 150
    assert str(caught.value).isascii()
    assert converters.convert(kind, [value, None]) is None


def test_nested_too_deeply_is_a_reason_and_not_a_crash() -> None:
    deep: Any = 1
    for _ in range(800):
        deep = {"a": deep}
    with pytest.raises(ValueError, match="nested too deeply"):
        converters.read("json", deep)
    assert to_json_text({"id": 1, "meta": deep}) == '"JSON that is nested too deeply"'


HOSTILE_JSON = [LONE, {LONE: [LONE]}, {"a": "\x00"}, Decimal("NaN"), 2**70, Decimal("1E+999"), [Decimal("0.10")], BIG]


@pytest.mark.parametrize("value", HOSTILE_JSON, ids=_name)
def test_kept_json_is_text_that_duckdb_takes(value: Any) -> None:
    """One text that DuckDB cannot cast would block the package for ever."""
    with duckdb.connect() as connection:
        connection.register("kept", pa.table({"raw": [to_json_text({"value": value})]}))
        found = connection.execute("select json_type(raw::json) from kept").fetchone()
    assert found == ("OBJECT",)


def test_broken_text_is_spelled_out_and_long_numbers_are_kept_as_written() -> None:
    kept = to_json_text({"name": LONE, "value": Decimal("1.10"), "big": 2**70, "nan": Decimal("NaN")})
    assert kept == (
        '{"name":"half a pair: \\\\ud83d","value":1.10,"big":1180591620717411303424,"nan":"NaN"}'
    )  # fmt: skip


WHOLES = st.integers(-(2**65), 2**65)
NUMBERS = st.one_of(
    WHOLES,
    st.floats(),
    st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**17), max_value=10**17),
    st.integers(-(10**12), 10**12).map(lambda mills: mills / 1000),
)
TIMES = st.one_of(
    st.datetimes().map(lambda t: t.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")),
    st.datetimes().map(lambda t: t.isoformat(" ", "seconds")),
    st.datetimes().map(lambda t: t.isoformat(timespec="seconds") + "Z"),
    st.dates().map(str),
    st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}( [0-9]{2}:[0-9]{2}:[0-9]{2})?", fullmatch=True),
    st.from_regex(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{6})?Z", fullmatch=True),
    st.from_regex(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9][+-][01][0-9]:[0-6][0-9]", fullmatch=True),
    st.text(max_size=27),
)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
ANY_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), WHOLES, st.floats(allow_nan=False, allow_infinity=False), ANY_TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(ANY_TEXT, inner, max_size=3)),
    max_leaves=6,
)
COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    "money": NUMBERS,
    "int": WHOLES,
    "bool": st.booleans(),
    "time": TIMES,
    "text": ANY_TEXT,
    "json": ANY_JSON,
}


@given(st.data())
@pytest.mark.parametrize("kind", converters.ARROW_TYPES)
def test_a_whole_column_equals_its_values_one_by_one(kind: str, data: st.DataObject) -> None:
    column = data.draw(st.lists(st.one_of(st.none(), COLUMNS[kind]), max_size=6))
    whole = converters.convert(kind, column)
    if whole is None:
        return
    assert whole.type == converters.ARROW_TYPES[kind]
    assert whole.to_pylist() == pa.array([converters.read(kind, value) for value in column], whole.type).to_pylist()


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        ("int", [1, None, 2**63 - 1]),
        ("bool", [True, None, False]),
        ("text", ["Zoë", None, ""]),
        ("money", [50, 19.99, None, 0, -0.01]),
        ("json", [{}, [], None, {"a": [1, "ü"]}]),
        ("time", ["2023-12-04T12:35:17.000000Z", None]),
        ("time", ["2023-12-04T12:35:17Z"]),
        ("time", ["2023-12-04 12:35:17", "1970-01-01 00:00:00"]),
        ("time", ["2022-09-01", None]),
    ],
)
def test_columns_as_the_api_sends_them_are_converted_as_a_whole(kind: str, column: list[Any]) -> None:
    whole = converters.convert(kind, column)
    assert whole is not None, "a hundred times slower, and nothing else would show it"
    assert whole.to_pylist() == [converters.read(kind, value) for value in column]
