"""What is retried and how long one waits: a table of statuses and exceptions, and pure arithmetic.

This room decides and never acts: no sockets, no sleeping, no call store. The waits are few enough lines that a retry
library would hide more than it saves: ours depend on the answer's own headers and on the strikes.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum

import httpx

from referral_warehouse.api.tls_errors import lasting_advice

MAX_SECONDS_DIGITS = 12

_jitter = random.SystemRandom().random


class Verdict(Enum):
    """What an answer's status means for the caller."""

    ANSWER = "an answer"
    RETRY = "temporary: asked again"
    STRIKE = "over the limit: written down, waited out, asked again unless it is one too many"
    NOT_ACCEPTED = "the token is not accepted"
    FORBIDDEN = "not allowed, or the address is blocked"
    REFUSED = "the question is refused"
    REDIRECT = "a redirect: never followed, the token travels nowhere else"
    DOWN = "a server error that asking again will not cure"


# 520 to 530 are how a content network in front of the API says that it could not reach it, or that it is overloaded.
STATUS_TABLE: Mapping[int, Verdict] = {
    401: Verdict.NOT_ACCEPTED,
    402: Verdict.NOT_ACCEPTED,
    403: Verdict.FORBIDDEN,
    **dict.fromkeys((408, 425), Verdict.RETRY),
    429: Verdict.STRIKE,
    **dict.fromkeys((500, 502, 503, 504, *range(520, 531)), Verdict.RETRY),
}

# What the network does. LocalProtocolError, InvalidURL and the like are ours and would fail again.
RETRIED_EXCEPTIONS: tuple[type[httpx.HTTPError], ...] = (
    httpx.TimeoutException,
    httpx.NetworkError,
    httpx.RemoteProtocolError,
    httpx.ProxyError,
    httpx.DecodingError,
)

LONGEST_RETRY_AFTER_S = 7 * 86_400.0
"""No block of the vendor lasts longer; a header that names years comes from a wrong clock."""
_LEAP_SECOND = re.compile(r"(?<=:\d\d):60\b", re.ASCII)

_BLOCK_WORDS = re.compile(
    r"\b(?:block(?:s|ed|ing)?|ban(?:s|ned)?|blacklist(?:ed)?|too many|abus(?:e|es|ed|ing|ive)|rate.?limit(?:s|ed)?)\b",
    re.IGNORECASE,
)


def verdict_of(status: int) -> Verdict:
    """The row of the table for a status; what is not named follows its class."""
    if status in STATUS_TABLE:
        return STATUS_TABLE[status]
    if 200 <= status < 300:
        return Verdict.ANSWER
    if 300 <= status < 400:
        return Verdict.REDIRECT
    return Verdict.REFUSED if 400 <= status < 500 else Verdict.DOWN


def speaks_of_a_block(words: str) -> bool:
    """Whether a 403's text says that the address or the token was shut out for its behaviour."""
    return _BLOCK_WORDS.search(words) is not None


def is_retried(error: httpx.HTTPError) -> bool:
    """Whether a transport error is worth another try; a TLS error that would come again is not."""
    return isinstance(error, RETRIED_EXCEPTIONS) and lasting_advice(error) is None


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential back-off with full jitter, a cap, a number of attempts and a deadline for the whole call.

    Units: seconds. ``deadline_s`` counts from the first attempt; ``margin_s`` is added to every Retry-After, because
    waiting exactly as told has been seen to meet a second 429; ``limit_wait_s`` is how long a 429 that names no time
    (or "0") is waited out: a whole window.
    """

    attempts: int = 8
    base_s: float = 1.0
    cap_s: float = 60.0
    deadline_s: float = 600.0
    margin_s: float = 2.0
    limit_wait_s: float = 60.0
    jitter: Callable[[], float] = _jitter

    def backoff_s(self, attempt: int) -> float:
        """How long to wait after the ``attempt``-th failure, uniformly between 0 and the exponential step."""
        step = min(self.cap_s, self.base_s * 2.0 ** min(attempt - 1, 30))
        return step * self.jitter()

    def allows_another(self, attempt: int, most_attempts: int | None, elapsed_s: float) -> bool:
        """Whether there may be another attempt.

        Args:
            attempt: the number of the last one, from 1.
            most_attempts: how many there may be in all; None for those of the policy.
            elapsed_s: seconds from the first attempt to the next one, its wait included.
        """
        return attempt < (most_attempts or self.attempts) and elapsed_s <= self.deadline_s

    def after_failure_s(self, attempt: int, retry_after_s: float | None) -> float:
        """The wait after a temporary failure: the back-off, or longer where the server named a time."""
        backoff = self.backoff_s(attempt)
        return backoff if not retry_after_s else max(backoff, retry_after_s + self.margin_s)

    def after_strike_s(self, retry_after_s: float | None) -> float:
        """The wait after a 429. Zero, a time in the past and no time at all are not "now"."""
        return (retry_after_s or self.limit_wait_s) + self.margin_s


def parse_date(text: str | None) -> datetime | None:
    """An HTTP date as UTC; None when absent or unreadable."""
    if not text:
        return None
    try:
        parsed = parsedate_to_datetime(_LEAP_SECOND.sub(":59", text))
        # "-0000" parses as naive: the standard's way of writing UTC without a claim about the place.
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def retry_after_s(text: str | None, answered_at: datetime, here: datetime | None = None) -> float | None:
    """Seconds named by a Retry-After header (seconds or HTTP date); None when absent or unreadable.

    Never negative and never more than ``LONGEST_RETRY_AFTER_S``. A date is relative to the answer's own ``Date``, so
    that a wrong clock here changes nothing; where that makes no sense, ``Date`` is wrong, and this machine's clock
    (``here``) is taken.
    """
    value = (text or "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:MAX_SECONDS_DIGITS]), LONGEST_RETRY_AFTER_S)
    named = parse_date(value)
    if named is None:
        return None
    waits = [(named - moment).total_seconds() for moment in (answered_at, here) if moment is not None]
    possible = (wait for wait in waits if 0 <= wait <= LONGEST_RETRY_AFTER_S)
    return next(possible, min(max(0.0, waits[-1]), LONGEST_RETRY_AFTER_S))
