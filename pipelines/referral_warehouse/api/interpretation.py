"""Interprets what one attempt brought: a response to use, a failure that may be retried, or a typed error.

Pure but for this machine's clock: it sends nothing, sleeps for nobody and counts no call. What an error means for other
calls is for the client.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import httpx

from referral_warehouse.api.attempt_limit import SlowResponse
from referral_warehouse.api.attempts import Failure, Sent
from referral_warehouse.api.challenge_pages import ADVICE, checks_browsers
from referral_warehouse.api.decompression import TooLarge, UnknownPacking
from referral_warehouse.api.error_mapping import error_for
from referral_warehouse.api.json_decoding import Unreadable
from referral_warehouse.api.retry import RetryPolicy, Verdict, is_retried, parse_date, retry_after_s, verdict_of
from referral_warehouse.api.tls_errors import lasting_error
from referral_warehouse.api.transport import Reply
from referral_warehouse.display_text import one_line
from referral_warehouse.errors import ApiUnavailable, causes
from referral_warehouse.redaction import redact

# A response that trickles uses up a whole attempt's time, and a browser check is passed by no repetition: where that
# does not end after a few attempts, eight would only keep the run waiting.
HOPELESS_ATTEMPTS = 3
MAX_PACKING_CHARS = 60


class Interpreter:
    """Interprets attempts by one retry policy. ``wall`` returns seconds since the epoch."""

    def __init__(self, policy: RetryPolicy, wall: Callable[[], float]) -> None:
        self._policy = policy
        self._wall = wall

    def response(self, reply: Reply, label: str, attempt: int) -> Sent | Failure:
        """A response by its status.

        Args:
            reply: status, headers and body.
            label: names the request in messages.
            attempt: counts from 1.

        Raises: the typed error of a response that is neither used nor retried.
        """
        verdict = verdict_of(reply.status)
        if verdict in (Verdict.RETRY, Verdict.STRIKE) and checks_browsers(reply.headers, reply.body):
            # Neither an outage that ends nor the API's own limit: a retry would only be refused again.
            verdict = Verdict.FORBIDDEN
        server_time = parse_date(reply.headers.get("date"))
        if verdict is Verdict.ANSWER:
            return Sent(reply.body, server_time, label, attempt, reply.elapsed_s)
        if verdict not in (Verdict.RETRY, Verdict.STRIKE):
            raise error_for(reply, verdict, label)
        local_time = datetime.fromtimestamp(self._wall(), UTC)
        named_s = retry_after_s(reply.headers.get("retry-after"), server_time or local_time, local_time)
        if verdict is Verdict.RETRY:
            wait_s = self._policy.after_failure_s(attempt, named_s)
            return Failure(f"HTTP {reply.status}", wait_s, status=reply.status)
        wait_s = self._policy.after_strike_s(named_s)
        return Failure("HTTP 429, too many requests", wait_s, is_strike=True, status=reply.status)

    def unreadable(self, sent: Sent, error: Unreadable, attempt: int) -> Failure:
        """A response with a good status whose body is not a JSON object."""
        reason, wait_s = redact(str(error)), self._policy.after_failure_s(attempt, None)
        if checks_browsers({}, sent.body):
            return Failure(reason, wait_s, most_attempts=HOPELESS_ATTEMPTS, next_step=ADVICE)
        return Failure(reason, wait_s)

    def network_error(self, error: httpx.HTTPError, label: str, attempt: int) -> Failure:
        """An attempt that the network ended. Raises: ApiUnavailable where the error would occur again."""
        what = one_line(redact(f"{type(error).__name__}: {error}".rstrip(": ")))
        lasting = lasting_error(error, label, what)
        if lasting is not None:
            raise lasting from None
        if not is_retried(error):
            raise ApiUnavailable(f"{label} could not be asked ({type(error).__name__}).") from None
        is_trickle = any(isinstance(cause, SlowResponse) for cause in causes(error))
        wait_s = self._policy.after_failure_s(attempt, None)
        return Failure(what, wait_s, most_attempts=HOPELESS_ATTEMPTS if is_trickle else None)

    def unusable_body(self, error: TooLarge | UnknownPacking, label: str) -> ApiUnavailable:
        """The error of a body that is not read to its end."""
        if isinstance(error, TooLarge):
            return ApiUnavailable(f"The answer to {label} is too large ({error}); reading stopped.")
        packing = one_line(str(error), MAX_PACKING_CHARS)
        return ApiUnavailable(
            f"The answer to {label} is packed as {packing!r}, which was not asked for; it was not unpacked.",
            "Run again later; if it stays so, a proxy or CDN between here and the API packs its answers anew.",
        )
