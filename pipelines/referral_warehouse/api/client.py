"""One question to the API becomes one decoded answer, or one typed error.

Joins transport, rate limiter and retry policy; knows the envelope only as a JSON object, and nothing of pages, streams,
dlt or tables. It can only GET.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote, unquote, urlencode

import httpx

from referral_warehouse.api.attempt_limit import SlowResponse
from referral_warehouse.api.attempts import Answer, Failure, Sent
from referral_warehouse.api.challenge_pages import ADVICE, checks_browsers
from referral_warehouse.api.decompression import TooLarge, UnknownPacking
from referral_warehouse.api.error_mapping import error_for
from referral_warehouse.api.json_decoding import Unreadable
from referral_warehouse.api.query import Query, query_params, quote_segment
from referral_warehouse.api.rate_limit.limiter import Permit, RateLimiter, open_rate_limiter
from referral_warehouse.api.rate_limit.store import Strike
from referral_warehouse.api.retry import RetryPolicy, Verdict, is_retried, parse_date, retry_after_s, verdict_of
from referral_warehouse.api.tls_errors import lasting_error
from referral_warehouse.api.transport import Reply, Transport
from referral_warehouse.display_text import display_text, one_line
from referral_warehouse.errors import (
    ApiError,
    ApiUnavailable,
    AuthenticationError,
    BudgetExhausted,
    ProtectiveStop,
    ReferralsError,
    RequestRefused,
    causes,
)
from referral_warehouse.events import log_client_event
from referral_warehouse.settings import Settings

__all__ = ["Answer", "Client", "Sent", "quote_segment"]

# An answer that trickles uses up a whole attempt's time, and a check of browsers is passed by no repetition: where it
# was no passing trouble, asking eight times would only keep the run waiting.
HOPELESS_ATTEMPTS = 3
MAX_PACKING_CHARS = 60
# Servers refuse longer addresses in ways of their own, a reset among them.
MAX_TARGET_CHARS = 8_000
Event = dict[str, Any]
T = TypeVar("T")


class Client:
    """The only door to the API. Thread-safe: several threads may ``get`` at once."""

    def __init__(
        self,
        settings: Settings,
        *,
        rate_limiter: RateLimiter | None = None,
        policy: RetryPolicy | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], object] | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        """Set up; nothing is sent.

        Raises: ConfigurationError; ProtectiveStop while strikes forbid every call.
        """
        self._transport = Transport(settings, clock=clock)
        self._token = settings.api_token
        self._rate_limiter = open_rate_limiter(settings, wall=wall) if rate_limiter is None else rate_limiter
        self._owns_rate_limiter = rate_limiter is None
        self._policy = RetryPolicy() if policy is None else policy
        self._clock = clock
        self._wall = wall
        self._stopping = threading.Event()
        self._sleep = self._stopping.wait if sleep is None else sleep
        self._on_event = on_event
        self._lock = threading.Lock()
        self._calls = 0
        self._halt: ReferralsError | None = None
        try:
            self._rate_limiter.refuse_if_struck()
        except BaseException:
            self.close()
            raise

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included."""
        return self._calls

    @property
    def strikes(self) -> tuple[Strike, ...]:
        """The token's strikes of the last seven days, oldest first."""
        return self._rate_limiter.strikes()

    @property
    def stopped(self) -> bool:
        """Whether stop() was called."""
        return self._stopping.is_set()

    def get(self, query: Query, doubtful_attempts: int | None = None) -> Answer:
        """Ask, retry what is worth retrying, and decode. ``doubtful_attempts`` is how often a 500 is believed to pass.

        Raises: ApiUnavailable, BudgetExhausted, AuthenticationError, RequestRefused (its ``status``; 400 for a
        question that no address carries), ProtectiveStop;
        ApiError after stop(); ConfigurationError when the call store cannot be written.
        """
        return self._ask(query, Sent.decode, doubtful_attempts)

    def send(self, query: Query) -> Sent:
        """Ask and retry like ``get``, but leave the body as it came: a page decoded where it is used costs half.

        Raises: as ``get``; a body that is not JSON shows only when it is decoded.
        """
        return self._ask(query, lambda sent: sent)

    def _ask(self, query: Query, finish: Callable[[Sent], T], doubtful_attempts: int | None = None) -> T:
        params = query_params(query)
        target = f"{query.path}?{urlencode(params, quote_via=quote)}" if params else query.path
        words = "&".join(f"{name}={value}" for name, value in params)
        label = display_text(unquote(f"{query.path}?{words}" if words else query.path))
        if len(target) > MAX_TARGET_CHARS:
            raise RequestRefused(f"{label} is too long a question for an address, so the API was not asked.", 400)
        started = self._clock()
        attempt = 0
        while True:
            attempt += 1
            outcome = self._attempt(target, label, attempt)
            if isinstance(outcome, Sent):
                try:
                    return finish(outcome)
                except Unreadable as error:
                    outcome = self._unreadable(outcome, error, attempt)
            most = doubtful_attempts if outcome.is_server_error else outcome.most_attempts
            self._refuse_another(outcome, label, attempt, self._clock() - started, most or self._policy.attempts)
            self._emit("retry", path=label, attempt=attempt, reason=outcome.reason, wait_s=round(outcome.wait_s, 3))
            if not outcome.is_strike:
                # A strike's pause is in the call store, where every thread and process waits for it.
                self._pause(outcome.wait_s)

    def stop(self) -> None:
        """End all waiting, sleeping and reading soon, in every thread; each raises ApiError."""
        self._stopping.set()
        self._transport.abort()

    def close(self) -> None:
        """Close the connections and the call store."""
        self._transport.close()
        if self._owns_rate_limiter:
            self._rate_limiter.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _attempt(self, target: str, label: str, attempt: int) -> Sent | Failure:
        self._refuse_when_over()
        permit = self._rate_limiter.acquire(self._pause, self._tell_wait)
        reply: Reply | None = None
        try:
            self._refuse_when_over()
            with self._lock:
                self._calls += 1
            reply = self._transport.fetch(target)
        except httpx.HTTPError as error:
            self._refuse_when_over()
            return self._after_network_error(error, label, attempt)
        except TooLarge as error:
            raise ApiUnavailable(f"The answer to {label} is too large ({error}); reading stopped.") from None
        except UnknownPacking as error:
            packing = one_line(str(error), MAX_PACKING_CHARS)
            raise ApiUnavailable(
                f"The answer to {label} is packed as {packing!r}, which was not asked for; it was not unpacked.",
                "Run again later; if it stays so, a proxy or CDN between here and the API packs its answers anew.",
            ) from None
        finally:
            _release(permit, reply)
        self._emit(
            "request",
            path=label,
            status=reply.status,
            attempt=attempt,
            elapsed_s=round(reply.elapsed_s, 3),
            bytes=len(reply.body),
        )
        return self._judge(reply, label, attempt)

    def _judge(self, reply: Reply, label: str, attempt: int) -> Sent | Failure:
        verdict = verdict_of(reply.status)
        if verdict in (Verdict.RETRY, Verdict.STRIKE) and checks_browsers(reply.headers, reply.body):
            # Neither an outage that passes nor the API's own limit: asking again would only be refused again.
            verdict = Verdict.FORBIDDEN
        server_time = parse_date(reply.headers.get("date"))
        if verdict is Verdict.ANSWER:
            return Sent(reply.body, server_time, label, attempt, reply.elapsed_s)
        here = datetime.fromtimestamp(self._wall(), UTC)
        named_s = retry_after_s(reply.headers.get("retry-after"), server_time or here, here)
        if verdict is Verdict.RETRY:
            wait_s = self._policy.after_failure_s(attempt, named_s)
            return Failure(f"HTTP {reply.status}", wait_s, status=reply.status)
        if verdict is Verdict.STRIKE:
            return self._strike(label, self._policy.after_strike_s(named_s))
        refusal = error_for(reply, verdict, label, self._mask)
        if isinstance(refusal, ProtectiveStop):
            self._rate_limiter.block()
        is_of_the_token = verdict is Verdict.NOT_ACCEPTED and isinstance(refusal, AuthenticationError)
        if is_of_the_token or isinstance(refusal, ProtectiveStop):
            # The other threads would only hear the same.
            self._halt = refusal
        raise refusal

    def _unreadable(self, sent: Sent, error: Unreadable, attempt: int) -> Failure:
        reason, wait_s = self._mask(str(error)), self._policy.after_failure_s(attempt, None)
        if checks_browsers({}, sent.body):
            return Failure(reason, wait_s, most_attempts=HOPELESS_ATTEMPTS, next_step=ADVICE)
        return Failure(reason, wait_s)

    def _strike(self, label: str, wait_s: float) -> Failure:
        strikes = self._rate_limiter.strike("429", wait_s)
        self._emit("strike", path=label, strikes=len(strikes), wait_s=round(wait_s, 3))
        self._rate_limiter.refuse_if_struck()
        return Failure("HTTP 429, too many requests", wait_s, is_strike=True, status=429)

    def _after_network_error(self, error: httpx.HTTPError, label: str, attempt: int) -> Failure:
        what = one_line(self._mask(f"{type(error).__name__}: {error}".rstrip(": ")))
        refusal = lasting_error(error, label, what)
        if refusal is not None:
            raise refusal from None
        if not is_retried(error):
            raise ApiUnavailable(f"{label} could not be asked ({type(error).__name__}).") from None
        is_trickle = any(isinstance(cause, SlowResponse) for cause in causes(error))
        wait_s = self._policy.after_failure_s(attempt, None)
        return Failure(what, wait_s, most_attempts=HOPELESS_ATTEMPTS if is_trickle else None)

    def _refuse_another(self, failure: Failure, label: str, attempt: int, elapsed_s: float, most: int) -> None:
        # A strike's wait is judged alone: the pause before it belongs to the budget, not to this question.
        if attempt < most and elapsed_s + failure.wait_s <= self._policy.deadline_s:
            return
        text = f"{label} got no usable answer in {attempt} attempts over {elapsed_s:.0f} s; the last: {failure.reason}."
        if failure.is_strike:
            raise BudgetExhausted(f"{text} The API asks to wait {failure.wait_s:.0f} s.")
        raise ApiUnavailable(text, failure.next_step, status=failure.status)

    def _refuse_when_over(self) -> None:
        if self._halt is not None:
            # A new instance for each thread: they all end with the same words, none with another's traceback.
            raise type(self._halt)(self._halt.message, self._halt.next_step)
        if self._stopping.is_set():
            raise ApiError("The run was asked to stop.")

    def _pause(self, seconds: float) -> None:
        self._refuse_when_over()
        self._sleep(seconds)
        self._refuse_when_over()

    def _tell_wait(self, seconds: float, reason: str) -> None:
        self._emit("wait", wait_s=round(seconds, 3), reason=reason)

    def _emit(self, kind: str, **details: Any) -> None:
        log_client_event(kind, details)
        if self._on_event is not None:
            self._on_event({"kind": kind, **details})

    def _mask(self, text: str) -> str:
        secret = self._token.reveal() if self._token is not None else ""
        return text.replace(secret, "***") if secret else text


def _release(permit: Permit, reply: Reply | None) -> None:
    if reply is None:
        permit.release()
    else:
        permit.release(_count(reply, "x-ratelimit-limit"), _count(reply, "x-ratelimit-remaining"))


def _count(reply: Reply, name: str) -> int | None:
    value = reply.headers.get(name, "").strip()
    return int(value[:12]) if value.isascii() and value.isdigit() else None
