"""One request to the API becomes one decoded response, or one typed error.

Joins transport, rate limiter, retry policy and the interpretation of responses; knows the envelope only as a JSON
object, and nothing of pages, streams, dlt or tables. It can only GET.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from referral_warehouse.api.attempts import ApiResponse, Failure, RawResponse
from referral_warehouse.api.clock import ClientClock
from referral_warehouse.api.concurrency_limit import ConcurrencyLimit
from referral_warehouse.api.decompression import TooLarge, UnknownEncoding
from referral_warehouse.api.interpretation import Interpreter
from referral_warehouse.api.json_decoding import Unreadable
from referral_warehouse.api.query import Purpose, Query, query_kind, query_label, query_target, quote_segment
from referral_warehouse.api.rate_limit.host import HostClock
from referral_warehouse.api.rate_limit.limiter import Permit, RateLimiter, open_rate_limiter
from referral_warehouse.api.rate_limit.store import Violation
from referral_warehouse.api.rate_limit.turn_queue import TurnQueue
from referral_warehouse.api.retry import RetryPolicy, StatusMeaning, status_meaning
from referral_warehouse.api.stop_signal import StopSignal
from referral_warehouse.api.transport import Reply, Transport
from referral_warehouse.errors import (
    ApiUnavailable,
    AuthenticationError,
    BudgetExhausted,
    ProtectiveStop,
    RequestRefused,
)
from referral_warehouse.events import log_client_event
from referral_warehouse.settings import Settings

__all__ = ["ApiResponse", "Client", "RawResponse", "quote_segment"]

# Servers refuse longer addresses in different ways, a connection reset among them.
MAX_TARGET_CHARS = 8_000
Event = dict[str, Any]
T = TypeVar("T")


class Client:
    """Reads from the API. Thread-safe: several threads may ``get`` at once.

    Attributes:
        concurrency: how many requests may be in flight; others wait for their turn, first come, first served.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        rate_limiter: RateLimiter | None = None,
        policy: RetryPolicy | None = None,
        clock: ClientClock | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        """Prepare the client; nothing is sent.

        Args:
            settings: base URL, token and limits.
            rate_limiter: shared with others, who close it; None for one of the client's own.
            policy: how often and how long to retry.
            clock: replaces the machine's clocks and its sleep.
            on_event: is called with each request, retry, wait and rate-limit violation, in the thread where it occurs.

        Raises: ConfigurationError; ProtectiveStop while violations forbid every call.
        """
        self._clock = ClientClock() if clock is None else clock
        self._policy = RetryPolicy() if policy is None else policy
        self._transport = Transport(settings, clock=self._clock.monotonic)
        self._rate_limiter = (
            open_rate_limiter(settings, HostClock(wall=self._clock.wall)) if rate_limiter is None else rate_limiter
        )
        self._owns_rate_limiter = rate_limiter is None
        self.concurrency = ConcurrencyLimit(settings.concurrency, settings.calls_per_minute)
        self._turns = TurnQueue(lambda: self.concurrency.now)
        self._interpreter = Interpreter(self._policy, self._clock.wall)
        self._stop_signal = StopSignal(self._clock.sleep)
        self._on_event = on_event
        self._lock = threading.Lock()
        self._sent: dict[str, Counter[Purpose]] = {"": Counter()}
        try:
            self._rate_limiter.refuse_after_violations()
        except BaseException:
            self.close()
            raise

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included."""
        with self._lock:
            return sum(counted.total() for counted in self._sent.values())

    def sent(self, counted_apart: str = "") -> Counter[Purpose]:
        """Requests sent so far, by what they were for (a copy): those that are counted apart, or all others."""
        with self._lock:
            return self._sent.get(counted_apart, Counter[Purpose]()).copy()

    @property
    def violations(self) -> tuple[Violation, ...]:
        """The token's rate-limit violations of the last seven days, oldest first."""
        return self._rate_limiter.violations()

    @property
    def stopped(self) -> bool:
        """Whether stop() was called."""
        return self._stop_signal.is_stopped

    def get(self, query: Query, server_error_attempts: int | None = None) -> ApiResponse:
        """Send a request, retry what is worth retrying, and decode the response.

        Args:
            query: what to request.
            server_error_attempts: attempts in all while the response is HTTP 500; None for those of the policy.

        Raises: ApiUnavailable, BudgetExhausted, AuthenticationError, RequestRefused (its ``status``; 400 for a
        query too long for a URL), ProtectiveStop; ApiError after stop(); ConfigurationError when the call store
        cannot be written.
        """
        return self._request(query, RawResponse.decode, server_error_attempts)

    def send(self, query: Query) -> RawResponse:
        """Send and retry like ``get``, but do not decode the body: decoding it where it is used costs half as much.

        Raises: as ``get``; a body that is not JSON is detected only when it is decoded.
        """
        return self._request(query, lambda raw: raw)

    def stop(self) -> None:
        """End all waiting, sleeping and reading soon, in every thread, with ApiError."""
        self._stop_signal.stop()
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

    def _request(self, query: Query, finish: Callable[[RawResponse], T], server_error_attempts: int | None = None) -> T:
        target, label = query_target(query), query_label(query)
        if len(target) > MAX_TARGET_CHARS:
            raise RequestRefused(f"{label} is too long for a URL; no request was sent.", 400)
        started = self._clock.monotonic()
        for attempt in itertools.count(1):
            outcome = self._attempt(query, target, label, attempt)
            if isinstance(outcome, RawResponse):
                try:
                    return finish(outcome)
                except Unreadable as error:
                    outcome = self._interpreter.unreadable(outcome, error, attempt)
            most = server_error_attempts if outcome.is_server_error else outcome.most_attempts
            elapsed_s = self._clock.monotonic() - started
            if not self._policy.allows_another(attempt, most, elapsed_s + outcome.wait_s):
                raise _final_error(
                    outcome, f"{label} had no usable response in {attempt} attempts over {elapsed_s:.0f} s"
                )
            self._emit("retry", path=label, attempt=attempt, reason=outcome.reason, wait_s=round(outcome.wait_s, 3))
            if not outcome.is_violation:
                # The wait after a violation is in the call store, which every thread and process reads.
                self._stop_signal.sleep(outcome.wait_s)
        raise AssertionError("unreachable")

    def _attempt(self, query: Query, target: str, label: str, attempt: int) -> RawResponse | Failure:
        self._stop_signal.check()
        with self._turns.turn():
            sent = self.concurrency.begin()
            outcome = self._attempt_in_turn(query, target, label, attempt)
            if isinstance(outcome, Failure):
                changed = self.concurrency.failed(sent)
            else:
                changed = self.concurrency.succeeded(sent, query_kind(query), outcome.elapsed_s, len(self._turns))
        if changed is not None:
            self._emit("concurrency", in_flight=changed)
        return outcome

    def _attempt_in_turn(self, query: Query, target: str, label: str, attempt: int) -> RawResponse | Failure:
        permit = self._rate_limiter.acquire(self._stop_signal.sleep, self._report_wait)
        reply: Reply | None = None
        try:
            self._stop_signal.check()
            self._count(query, query.purpose if attempt == 1 else Purpose.RETRY)
            reply = self._transport.fetch(target)
        except httpx.HTTPError as error:
            self._stop_signal.check()
            return self._interpreter.network_error(error, label, attempt)
        except (TooLarge, UnknownEncoding) as error:
            raise self._interpreter.unusable_body(error, label) from None
        finally:
            _release(permit, reply)
        details = {"status": reply.status, "elapsed_s": round(reply.elapsed_s, 3), "bytes": len(reply.body)}
        self._emit("request", path=label, attempt=attempt, **details)
        return self._interpret(reply, label, attempt)

    def _count(self, query: Query, purpose: Purpose) -> None:
        with self._lock:
            self._sent.setdefault(query.counted_apart, Counter())[purpose] += 1

    def _interpret(self, reply: Reply, label: str, attempt: int) -> RawResponse | Failure:
        try:
            outcome = self._interpreter.response(reply, label, attempt)
        except ProtectiveStop as error:
            self._rate_limiter.block()
            self._stop_signal.fail_with(error)
            raise
        except AuthenticationError as error:
            if status_meaning(reply.status) is StatusMeaning.NOT_ACCEPTED:
                self._stop_signal.fail_with(error)
            raise
        if isinstance(outcome, Failure) and outcome.is_violation:
            violations = self._rate_limiter.record_violation("429", outcome.wait_s)
            self._emit("strike", path=label, strikes=len(violations), wait_s=round(outcome.wait_s, 3))
            self._rate_limiter.refuse_after_violations()
        return outcome

    def _report_wait(self, seconds: float, reason: str) -> None:
        self._emit("wait", wait_s=round(seconds, 3), reason=reason)

    def _emit(self, kind: str, **details: Any) -> None:
        log_client_event(kind, details)
        if self._on_event is not None:
            self._on_event({"kind": kind, **details})


def _final_error(failure: Failure, text: str) -> ApiUnavailable | BudgetExhausted:
    text = f"{text}; the last failure: {failure.reason}."
    if failure.is_violation:
        return BudgetExhausted(f"{text} The API requires a wait of {failure.wait_s:.0f} s.")
    return ApiUnavailable(text, failure.next_step, status=failure.status)


def _release(permit: Permit, reply: Reply | None) -> None:
    if reply is None:
        permit.release()
    else:
        permit.release(_header_count(reply, "x-ratelimit-limit"), _header_count(reply, "x-ratelimit-remaining"))


def _header_count(reply: Reply, name: str) -> int | None:
    value = reply.headers.get(name, "").strip()
    return int(value[:12]) if value.isascii() and value.isdigit() else None
