"""Text from outside is shown whole, visibly and on one line, and parses back exactly where a program reads it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from referral_warehouse.display_text import display_text, json_text, one_line
from tests.hostile_text import HALF_SURROGATE, HOSTILE, stays_visible

ANY_TEXT = st.text(st.characters(), max_size=400) | st.text(st.sampled_from("a漢\u0301\x1b\n\u202e[]"), max_size=80)
EVERY = [*HOSTILE.values(), HALF_SURROGATE]


def width(text: str) -> int:
    """Columns of a terminal, as rich counts them."""
    return cell_len(text)


@given(ANY_TEXT, st.integers(2, 300))
def test_any_text_is_one_visible_line_of_bounded_width(text: str, columns: int) -> None:
    shown = display_text(text, columns)
    assert stays_visible_in_any_script(shown)
    assert display_text(shown, columns) == shown, "a text that goes through it twice does not change"
    assert len(shown) <= columns * 5 + 1, "marks are bounded too"
    assert len(one_line(text, columns).splitlines()) <= 1


def stays_visible_in_any_script(shown: str) -> bool:
    return len(shown.splitlines()) <= 1 and all(letter.isprintable() or letter.isspace() for letter in shown)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert display_text(text) == text


@pytest.mark.parametrize("text", EVERY, ids=[*HOSTILE, "half a surrogate pair"])
def test_hostile_text_is_visible_whole_and_bounded(text: str) -> None:
    shown = display_text(text, 100)
    assert stays_visible(shown)
    assert width(shown) <= 100
    assert shown.endswith("…") == (len(display_text(text, 100_000)) > len(shown))
    shown.encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x00\x7f\x85\x9b", r"\x00\x7f\x85\x9b"),
        ("\u202eabc\u2066\u200b\ufeff\u2028", r"\u202eabc\u2066\u200b\ufeff\u2028"),
        ("\U000e0041", r"\U000e0041"),
        ("\ud83d", r"\ud83d"),
        ("e\u0301", "e\u0301"),
        ("e" + "\u0301" * 6, "e" + "\u0301" * 4 + r"\u0301\u0301"),
        ("\u0301a", r"\u0301a"),
        ("Gift [/promo] :fire:", "Gift [/promo] :fire:"),
        ("25\u00a0€", "25\u00a0€"),
        ("❤️", "❤️"),
    ],
)
def test_what_is_hidden_is_shown_and_the_rest_stays(text: str, shown: str) -> None:
    assert display_text(text) == shown


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abcde…"),
        ("漢字漢字", 7, "漢字漢…"),
        ("漢字漢字", 6, "漢字…"),
        ("ab\x1bcd", 5, "ab…"),
    ],
)
def test_a_text_is_cut_between_characters(text: str, columns: int, shown: str) -> None:
    assert display_text(text, columns) == shown


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3),
    max_leaves=8,
)


def joined(value: object) -> object:
    """JSON as every reader has it: two halves of a pair that follow each other are one character."""
    return json.loads(json.dumps(value))


@given(JSON_VALUES, st.booleans(), st.booleans())
def test_json_is_exact_and_keeps_its_lines(value: object, ascii_only: bool, indent: bool) -> None:
    text = json_text(value, ascii_only=ascii_only, indent=indent)
    assert json.loads(text) == joined(value)
    assert not ascii_only or text.isascii()
    assert indent or len(text.splitlines()) <= 1
    text.encode()


def test_json_holds_every_hostile_text_exactly_and_none_that_acts() -> None:
    text = json_text(HOSTILE)
    assert json.loads(text) == HOSTILE
    assert all(letter.isprintable() or letter in "\u00a0\u3000" for letter in text)
    assert json.loads(json_text(HALF_SURROGATE)) == HALF_SURROGATE


def test_times_and_amounts_become_strings() -> None:
    moment = datetime(2026, 1, 5, 10, tzinfo=UTC)
    value = {"at": moment, "on": date(2026, 1, 5), "value": Decimal("25.00")}
    expected = {"at": "2026-01-05T10:00:00+00:00", "on": "2026-01-05", "value": "25.00"}
    assert json.loads(json_text(value)) == expected
    assert json.loads(json_text(value | {"n": 10**30})) == expected | {"n": 10**30}, "where orjson gives up too"
