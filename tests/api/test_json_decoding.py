"""Bodies are read exactly or refused as unreadable, and error bodies become short messages."""

from __future__ import annotations

import contextlib
import json
import math
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from referral_warehouse.api.json_decoding import Unreadable, describe_unreadable, error_words, parse_object, plain_words
from referral_warehouse.display_text import one_line


@pytest.mark.parametrize(
    ("written", "exact"),
    [
        ("19.99", "19.99"),
        ("999999999999.99", "999999999999.99"),
        ("-0.01", "-0.01"),
        ("1e3", "1000"),
        ("1234567890123456.78", "1234567890123456.78"),
        ("1000000000000000.01", "1000000000000000.01"),
        ("0.12345678901234567890", "0.12345678901234567890"),
        ("18446744073709551616", "18446744073709551616"),
        ("-9223372036854775809", "-9223372036854775809"),
        ("12345678901234567e2", "1234567890123456700"),
        ("1e400", "1e400"),
    ],
)
def test_numbers_keep_their_value(written: str, exact: str) -> None:
    value = parse_object(b'{"data": [{"value": %s}]}' % written.encode())["data"][0]["value"]
    assert Decimal(repr(value) if isinstance(value, float) else value) == Decimal(exact)


@given(st.integers(-(10**17), 10**17), st.integers(0, 20), st.sampled_from(["", " ", "\n  "]))
@example(100000000000000001, 2, "")
def test_every_written_decimal_is_read_exactly(digits: int, places: int, blank: str) -> None:
    written = f"{Decimal(digits).scaleb(-places):f}"
    value = parse_object(f'{{"v":{blank}{written}}}'.encode())["v"]
    assert Decimal(repr(value) if isinstance(value, float) else value) == Decimal(written)


def test_long_digits_inside_text_do_not_change_the_numbers() -> None:
    payload = parse_object(b'{"id": "12345678901234567890.5", "v": 19.99}')
    assert payload == {"id": "12345678901234567890.5", "v": 19.99}
    assert isinstance(payload["v"], float)


def test_json_that_only_the_lenient_parser_accepts_is_accepted() -> None:
    payload = parse_object(b'\xef\xbb\xbf{"lone": "\\ud800", "raw": "a\x01b", "nan": NaN, "inf": -Infinity}')
    assert (payload["lone"], payload["raw"]) == ("\ud800", "a\x01b")
    assert math.isnan(payload["nan"])
    assert not payload["inf"].is_finite()
    assert isinstance(payload["nan"], Decimal)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b'{"data": [{"email": "someone@example.com"', "cut-off JSON"),
        (b"<html><head><title>Maintenance</title></head><body>Back <b>soon</b></body></html>", "Maintenance Back soon"),
        (b"[1, 2]", "array"),
        (b'"text"', "string"),
        (b"null", "null"),
        (b"true", "boolean"),
        (b"12.5", "number"),
        (b"oops", "not JSON"),
        (b"\xff\xfe\xfd", "not JSON"),
        (b'{"a": "\xff"}', "JSON"),
        (b'{"a":' * 3000, "JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "JSON"),
        (b'{"a": 1e999999999999999999999}', "JSON"),
    ],
)
def test_what_is_not_an_object_is_unreadable_and_named(body: bytes, words: str) -> None:
    with pytest.raises(Unreadable, match=words) as refused:
        parse_object(body)
    assert "example.com" not in str(refused.value)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_unreadable(body: bytes) -> None:
    with contextlib.suppress(Unreadable):
        assert isinstance(parse_object(body), dict)
    assert 0 < len(describe_unreadable(body)) < 400


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=8), _JSON, max_size=5), st.booleans())
def test_what_was_written_is_what_is_read(payload: dict[str, object], ascii_only: bool) -> None:
    body = json.dumps(payload, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        assert parse_object(body) == payload
    except Unreadable:
        assert b"\xed" in body  # a lone surrogate written as raw bytes is not UTF-8


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"message": "Unauthenticated."}', "Unauthenticated."),
        (
            b'{"code": 400, "message": "Wrong", "errors": {"email": [{"field": "email", "message": "is required"}]}}',
            "Wrong (email: is required)",
        ),
        (b'{"message": "Wrong", "errors": {"a": ["one", "two"], "b": "three"}}', "Wrong (a: one; a: two; b: three)"),
        (b'{"message": "Wrong", "errors": [{"field": "x", "message": "bad"}]}', "Wrong (x: bad)"),
        (b'{"errors": {"a": [1, null, {"message": 5}]}}', ""),
        (b'{"message": null}', ""),
        (b'{"message": ["not", "text"]}', ""),
        (b'{"message": "cut', ""),
        (b"[]", ""),
        (b"", ""),
        (b"<h1>Server  Error</h1>\n<style>p{display:block}</style>", "Server Error"),
        (b"plain words", "plain words"),
    ],
)
def test_error_bodies_become_their_own_words(body: bytes, words: str) -> None:
    assert error_words(body) == words


def test_words_are_one_short_printable_line() -> None:
    assert one_line("a\r\n\tb\x00c\x1b[31m  d") == r"a b\x00c\x1b[31m d"
    assert len(one_line("x" * 5000)) == 240
    assert plain_words(b"<p>" + b"y " * 100_000, limit=10).endswith("…")
