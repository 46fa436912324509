"""The table of what is retried, and the arithmetic of waiting."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.api.retry import (
    LONGEST_RETRY_AFTER_S,
    RetryPolicy,
    StatusMeaning,
    is_retried,
    mentions_block,
    parse_date,
    retry_after_s,
    status_meaning,
)

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("meaning", "statuses"),
    [
        (StatusMeaning.SUCCESS, (200, 201, 204, 206)),
        (StatusMeaning.REDIRECT, (301, 302, 303, 304, 307, 308)),
        (StatusMeaning.NOT_ACCEPTED, (401, 402)),
        (StatusMeaning.FORBIDDEN, (403,)),
        (StatusMeaning.REFUSED, (400, 404, 405, 406, 409, 410, 418, 422, 451)),
        (StatusMeaning.RETRY, (408, 500, 502, 503, 504, 520, 521, 522, 523, 524)),
        (StatusMeaning.RATE_LIMITED, (429,)),
        (StatusMeaning.SERVER_ERROR, (501, 505, 511, 599)),
    ],
)
def test_the_table_of_statuses(meaning: StatusMeaning, statuses: tuple[int, ...]) -> None:
    assert {status: status_meaning(status) for status in statuses} == dict.fromkeys(statuses, meaning)


@pytest.mark.parametrize(
    ("error", "retried"),
    [
        (httpx.ConnectError("refused"), True),
        (httpx.ConnectTimeout("slow"), True),
        (httpx.ReadTimeout("slow"), True),
        (httpx.WriteTimeout("slow"), True),
        (httpx.PoolTimeout("busy"), True),
        (httpx.ReadError("reset"), True),
        (httpx.WriteError("reset"), True),
        (httpx.CloseError("reset"), True),
        (httpx.RemoteProtocolError("cut"), True),
        (httpx.ProxyError("down"), True),
        (httpx.DecodingError("bad gzip"), True),
        (httpx.LocalProtocolError("ours"), False),
        (httpx.UnsupportedProtocol("ours"), False),
        (httpx.TooManyRedirects("never"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_table_of_exceptions(error: httpx.HTTPError, retried: bool) -> None:
    assert is_retried(error) is retried


def test_a_certificate_that_does_not_verify_is_not_retried() -> None:
    error = httpx.ConnectError("tls")
    error.__cause__ = OSError("wrapped")
    error.__cause__.__context__ = ssl.SSLCertVerificationError("self-signed")
    assert is_retried(error) is False


@pytest.mark.parametrize(
    "words",
    [
        "Your IP has been blocked for 7 days",
        "You are BANNED",
        "Too many requests from this address",
        "API abuse detected",
        "Rate limit abuse",
        "Sorry, you have been blocked Cloudflare Ray ID",
    ],
)
def test_a_block_is_recognised(words: str) -> None:
    assert mentions_block(words)


@pytest.mark.parametrize(
    "words",
    [
        "",
        "This action is unauthorized.",
        "The resource requested is marked for administrators only.",
        "Upgrade to the Basic plan",
        "Banner campaigns, urban turbans",
        "No building blocks_available",
    ],
)
def test_other_refusals_are_not_taken_for_a_block(words: str) -> None:
    assert not mentions_block(words)


@given(st.integers(1, 200), st.floats(0, 1, exclude_max=True), st.one_of(st.none(), st.floats(0, 1e6)))
def test_waits_stay_between_the_time_of_the_server_and_the_cap(attempt: int, luck: float, named: float | None) -> None:
    policy = RetryPolicy(jitter=lambda: luck)
    backoff = policy.backoff_s(attempt)
    assert 0 <= backoff <= min(policy.cap_s, policy.base_s * 2.0 ** (attempt - 1))
    wait = policy.after_failure_s(attempt, named)
    assert wait >= backoff
    if named:
        assert wait >= named + policy.margin_s
    assert policy.after_violation_s(named) > (named or policy.limit_wait_s)


def test_back_off_doubles_up_to_the_cap() -> None:
    policy = RetryPolicy(jitter=lambda: 1.0)
    assert [policy.backoff_s(n) for n in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("0", 0.0),
        (" 30 ", 30.0),
        ("Fri, 01 May 2026 12:00:45 GMT", 45.0),
        ("Fri, 01 May 2026 14:00:45 +0200", 45.0),
        ("Fri, 01 May 2026 11:00:00 GMT", 0.0),
        ("Fri, 99 May 2026 11:00:00 GMT", None),
        ("Fri, 01 May 2026 12:00:60 GMT", 59.0),
        ("Fri, 01 May 2082 12:00:45 GMT", LONGEST_RETRY_AFTER_S),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_RETRY_AFTER_S),
        ("99999999999999999999", LONGEST_RETRY_AFTER_S),
    ],
)
def test_retry_after_in_all_its_forms(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, NOON) == seconds


@pytest.mark.parametrize("date", [datetime(1970, 1, 1, tzinfo=UTC), datetime(2030, 2, 20, tzinfo=UTC)])
def test_retry_after_beside_a_wrong_date_counts_from_this_machines_clock(date: datetime) -> None:
    assert retry_after_s("Fri, 01 May 2026 12:00:45 GMT", date, NOON) == 45.0
    assert retry_after_s(format_datetime(date + timedelta(seconds=30), usegmt=True), date, NOON) == 30.0


@pytest.mark.parametrize("named", [None, 0.0])
def test_a_429_that_names_no_time_is_waited_out_for_a_window(named: float | None) -> None:
    assert RetryPolicy().after_violation_s(named) >= 60.0


@given(st.text(max_size=40))
def test_any_text_is_a_date_or_none(text: str) -> None:
    parsed = parse_date(text)
    assert parsed is None or parsed.utcoffset() is not None


@given(
    st.sampled_from(["Mon, ", "", "Monday, ", "\u00e9, "]), st.integers(-5, 10**12), st.integers(-1, 10**6),
    st.integers(-1, 61), st.sampled_from([" GMT", "", " +1400", " -9999", " +99999999999", " EST", " \u0663"]),
    st.sampled_from([" ", "-"]),
)  # fmt: skip
def test_any_year_hour_second_and_offset_is_a_date_or_none(
    day: str, year: int, hour: int, second: int, zone: str, between: str
) -> None:
    parsed = parse_date(f"{day}01{between}Jan{between}{year} {hour:02}:00:{second:02}{zone}")
    assert parsed is None or parsed.utcoffset() is not None
    waited = retry_after_s(f"{day}01 Jan {year:04} {hour:02}:00:{second:02}{zone}", NOON, NOON)
    assert waited is None or 0 <= waited <= LONGEST_RETRY_AFTER_S


def test_dates_without_a_zone_are_utc() -> None:
    assert parse_date("Fri, 01 May 2026 12:00:00 -0000") == NOON
    assert parse_date("Fri, 01 May 2026 12:00:00 GMT") == NOON
