"""Interprets the result of one attempt: a response to use, a failure that may be retried, or a typed error.

Pure except for this machine's clock: it neither sends nor sleeps nor counts calls. The client decides what an error
means for other calls.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import httpx

from referral_warehouse.api.attempt_limit import SlowResponse
from referral_warehouse.api.attempts import Failure, RawResponse
from referral_warehouse.api.challenge_pages import ADVICE, is_browser_check, is_page
from referral_warehouse.api.decompression import TooLarge, UnknownEncoding
from referral_warehouse.api.error_mapping import PATH_ADVICE, error_for
from referral_warehouse.api.json_decoding import Unreadable
from referral_warehouse.api.retry import (
    RetryPolicy,
    StatusMeaning,
    is_retried,
    parse_date,
    retry_after_s,
    status_meaning,
)
from referral_warehouse.api.tls_errors import permanent_tls_error
from referral_warehouse.api.transport import Reply
from referral_warehouse.display_text import one_line
from referral_warehouse.errors import ApiUnavailable, causes
from referral_warehouse.redaction import redact

# A slow response uses a whole attempt's time, and retries never pass a browser check: after a few attempts, the full
# number would only prolong the run.
FEW_ATTEMPTS = 3
MAX_ENCODING_CHARS = 60
PAGE_ADVICE = f"Run the same command again later. If the page stays: {PATH_ADVICE}"


class Interpreter:
    """Interprets attempts by one retry policy. ``wall`` returns seconds since the epoch."""

    def __init__(self, policy: RetryPolicy, wall: Callable[[], float]) -> None:
        self._policy = policy
        self._wall = wall

    def response(self, reply: Reply, label: str, attempt: int) -> RawResponse | Failure:
        """A response by its status.

        Args:
            reply: status, headers and body.
            label: names the request in messages.
            attempt: counts from 1.

        Raises: the typed error of a response that is neither used nor retried.
        """
        meaning = status_meaning(reply.status)
        if meaning in (StatusMeaning.RETRY, StatusMeaning.RATE_LIMITED) and is_browser_check(reply.headers, reply.body):
            # Neither a temporary outage nor the API's rate limit: a retry would be refused again.
            meaning = StatusMeaning.FORBIDDEN
        server_time = parse_date(reply.headers.get("date"))
        if meaning is StatusMeaning.SUCCESS:
            return RawResponse(reply.body, server_time, label, attempt, reply.elapsed_s)
        if meaning not in (StatusMeaning.RETRY, StatusMeaning.RATE_LIMITED):
            raise error_for(reply, meaning, label)
        local_time = datetime.fromtimestamp(self._wall(), UTC)
        named_s = retry_after_s(reply.headers.get("retry-after"), server_time or local_time, local_time)
        if meaning is StatusMeaning.RETRY:
            wait_s = self._policy.after_failure_s(attempt, named_s)
            return Failure(f"HTTP {reply.status}", wait_s, status=reply.status)
        wait_s = self._policy.after_violation_s(named_s)
        return Failure("HTTP 429, too many requests", wait_s, is_violation=True, status=reply.status)

    def unreadable(self, raw: RawResponse, error: Unreadable, attempt: int) -> Failure:
        """A response with a good status whose body is not a JSON object."""
        reason, wait_s = redact(str(error)), self._policy.after_failure_s(attempt, None)
        if is_browser_check({}, raw.body):
            return Failure(reason, wait_s, most_attempts=FEW_ATTEMPTS, next_step=ADVICE)
        return Failure(reason, wait_s, next_step=PAGE_ADVICE if is_page({}, raw.body) else None)

    def network_error(self, error: httpx.HTTPError, label: str, attempt: int) -> Failure:
        """A network error. Raises: ApiUnavailable where it would occur again."""
        what = one_line(redact(f"{type(error).__name__}: {error}".rstrip(": ")))
        lasting = permanent_tls_error(error, label, what)
        if lasting is not None:
            raise lasting from None
        if not is_retried(error):
            raise ApiUnavailable(f"{label} could not be requested ({type(error).__name__}).") from None
        is_too_slow = any(isinstance(cause, SlowResponse) for cause in causes(error))
        wait_s = self._policy.after_failure_s(attempt, None)
        return Failure(what, wait_s, most_attempts=FEW_ATTEMPTS if is_too_slow else None)

    def unusable_body(self, error: TooLarge | UnknownEncoding, label: str) -> ApiUnavailable:
        """The error of a body that is not read completely."""
        if isinstance(error, TooLarge):
            return ApiUnavailable(f"The response to {label} is too large ({error}); reading stopped.")
        encoding = one_line(str(error), MAX_ENCODING_CHARS)
        return ApiUnavailable(
            f"The response to {label} was not decoded: its content encoding {encoding!r} was not requested.",
            "Run again later. If it happens again, a proxy or CDN before the API changes the encoding.",
        )
