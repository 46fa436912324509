"""Durations: what is written as people write it is read back, and nothing else is a duration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.operate.durations import LONGEST_S, duration_text, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("45s", 45),
        ("90m", 5400),
        ("3h", 10_800),
        ("2d", 172_800),
        ("1h30m", 5400),
        (" 3H ", 10_800),
        ("3660d", LONGEST_S),
    ],
)
def test_a_duration_is_read(text: str, seconds: int) -> None:
    assert parse_duration("--max-age", text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0m", "3", "h", "-3h", "3 h", "1.5h", "3w", "30m1h", "3661d", "9" * 400 + "d", "٣h"]
)
def test_any_other_text_is_refused_with_the_name_and_an_example(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"--max-age is not a duration .* Write it like 90m, 3h"):
        parse_duration("--max-age", text)


@given(st.integers(0, 999), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_all_parts_of_a_duration_add_up(days: int, hours: int, minutes: int, seconds: int) -> None:
    total = days * 86_400 + hours * 3600 + minutes * 60 + seconds
    if total:
        assert parse_duration("x", f"{days}d{hours}h{minutes}m{seconds}s") == total


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (11_100, "3 h 5 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_duration_is_shown_in_two_units(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
