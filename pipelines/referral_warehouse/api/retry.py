"""Which responses and errors are retried, and after which wait: a table of statuses and exceptions.

Pure: no sockets, no sleeping, no call store. A retry library would save few lines, because the waits depend on headers
of the response and on rate-limit violations.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import Enum

import httpx

from referral_warehouse.api.tls_errors import tls_advice
from referral_warehouse.utc_times import as_utc

MAX_SECONDS_DIGITS = 12

_jitter = random.SystemRandom().random


class StatusMeaning(Enum):
    """The meaning of a status for the caller."""

    SUCCESS = "a response"
    RETRY = "temporary: retried"
    RATE_LIMITED = "over the limit: recorded, and retried after a wait unless it is one too many"
    NOT_ACCEPTED = "the token is not accepted"
    FORBIDDEN = "not allowed, or the address is blocked"
    REFUSED = "the request is refused"
    REDIRECT = "a redirect: never followed, the token is sent nowhere else"
    SERVER_ERROR = "a permanent server error"


# 520 to 530: a content network in front of the API cannot reach it, or is overloaded.
STATUS_TABLE: Mapping[int, StatusMeaning] = {
    401: StatusMeaning.NOT_ACCEPTED,
    402: StatusMeaning.NOT_ACCEPTED,
    403: StatusMeaning.FORBIDDEN,
    **dict.fromkeys((408, 425), StatusMeaning.RETRY),
    429: StatusMeaning.RATE_LIMITED,
    **dict.fromkeys((500, 502, 503, 504, *range(520, 531)), StatusMeaning.RETRY),
}

# Errors of the network. LocalProtocolError, InvalidURL and the like are our own and would occur again.
RETRIED_EXCEPTIONS: tuple[type[httpx.HTTPError], ...] = (
    httpx.TimeoutException,
    httpx.NetworkError,
    httpx.RemoteProtocolError,
    httpx.ProxyError,
    httpx.DecodingError,
)

LONGEST_RETRY_AFTER_S = 7 * 86_400.0
"""No block of the vendor lasts longer; a header that names years is due to a wrong clock."""
_LEAP_SECOND = re.compile(r"(?<=:\d\d):60\b", re.ASCII)

_BLOCK_WORDS = re.compile(
    r"\b(?:block(?:s|ed|ing)?|ban(?:s|ned)?|blacklist(?:ed)?|too many|abus(?:e|es|ed|ing|ive)|rate.?limit(?:s|ed)?)\b",
    re.IGNORECASE,
)


def status_meaning(status: int) -> StatusMeaning:
    """The meaning of a status by the table; other statuses by their class."""
    if status in STATUS_TABLE:
        return STATUS_TABLE[status]
    if 200 <= status < 300:
        return StatusMeaning.SUCCESS
    if 300 <= status < 400:
        return StatusMeaning.REDIRECT
    return StatusMeaning.REFUSED if 400 <= status < 500 else StatusMeaning.SERVER_ERROR


def mentions_block(words: str) -> bool:
    """Whether the text of a 403 mentions a block of the address or the token."""
    return _BLOCK_WORDS.search(words) is not None


def is_retried(error: httpx.HTTPError) -> bool:
    """Whether a transport error is retried; a permanent TLS error is not."""
    return isinstance(error, RETRIED_EXCEPTIONS) and tls_advice(error) is None


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential back-off with full jitter, a cap, a number of attempts and a deadline for the whole call.

    Units: seconds. ``deadline_s`` counts from the first attempt; ``margin_s`` is added to every Retry-After, because
    a second 429 was seen after exactly that time; ``limit_wait_s`` is the wait after a 429 without a time (or with
    "0"): a whole window.
    """

    attempts: int = 8
    base_s: float = 1.0
    cap_s: float = 60.0
    deadline_s: float = 600.0
    margin_s: float = 2.0
    limit_wait_s: float = 60.0
    jitter: Callable[[], float] = _jitter

    def backoff_s(self, attempt: int) -> float:
        """The wait after the ``attempt``-th failure, uniformly between 0 and the exponential step."""
        step = min(self.cap_s, self.base_s * 2.0 ** min(attempt - 1, 30))
        return step * self.jitter()

    def allows_another(self, attempt: int, most_attempts: int | None, elapsed_s: float) -> bool:
        """Whether there may be another attempt.

        Args:
            attempt: the number of the last one, from 1.
            most_attempts: the limit of attempts; None for that of the policy.
            elapsed_s: seconds from the first attempt to the next one, its wait included.
        """
        return attempt < (most_attempts or self.attempts) and elapsed_s <= self.deadline_s

    def after_failure_s(self, attempt: int, retry_after_s: float | None) -> float:
        """The wait after a temporary failure: the back-off, or longer where the server named a time."""
        backoff = self.backoff_s(attempt)
        return backoff if not retry_after_s else max(backoff, retry_after_s + self.margin_s)

    def after_violation_s(self, retry_after_s: float | None) -> float:
        """The wait after a 429. Zero, a time in the past and no time do not mean "now"."""
        return (retry_after_s or self.limit_wait_s) + self.margin_s


def parse_date(text: str | None) -> datetime | None:
    """An HTTP date as UTC; None when absent or unreadable."""
    if not text:
        return None
    try:
        parsed = parsedate_to_datetime(_LEAP_SECOND.sub(":59", text))
        # "-0000" parses as naive: in the standard it is UTC without a statement about the place.
        return as_utc(parsed)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def retry_after_s(text: str | None, responded_at: datetime, local_time: datetime | None = None) -> float | None:
    """Seconds named by a Retry-After header (seconds or HTTP date); None when absent or unreadable.

    Never negative and never more than ``LONGEST_RETRY_AFTER_S``. A date is relative to the response's own ``Date``, so
    that a wrong local clock has no effect; where that is implausible, ``Date`` is wrong, and this machine's clock
    (``local_time``) is used.
    """
    value = (text or "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:MAX_SECONDS_DIGITS]), LONGEST_RETRY_AFTER_S)
    named = parse_date(value)
    if named is None:
        return None
    waits = [(named - time_).total_seconds() for time_ in (responded_at, local_time) if time_ is not None]
    possible = (wait for wait in waits if 0 <= wait <= LONGEST_RETRY_AFTER_S)
    return next(possible, min(max(0.0, waits[-1]), LONGEST_RETRY_AFTER_S))
