"""The rate limiter: whose turn it is to call, so that no window of a minute ever sees more calls than the budget.

It knows calls, minutes and strikes; it knows nothing of HTTP, tokens in clear, streams or what a call asks.

The rule: a call counts from the moment it may be sent until one window after its answer came (or it was given up).
Whenever the server saw it, that was inside this span; so if N+1 calls had reached the server within one window, the
last of them would have been sent while N others still counted, which never happens. It holds for sliding and for
fixed windows and for any network delay, and costs latency/(window + latency) of the budget: half a percent at 300 ms.

pyrate-limiter 4.5 was tried and not taken: its SQLite bucket keeps one time per call, from before sending, so a call
that the network held counts in a minute that is not the server's (of two processes with a budget of 60, the simulated
server of the tests saw 67 calls within a minute at 10 to 500 ms, 68 where every tenth took 5 to 25 s); and strikes,
pauses and others on the same token would be ours all the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from referral_warehouse.api.rate_limit.host import (
    HostClock,
    boot_clock,
    call_store_folder,
    call_store_name,
    remove_old_call_stores,
)
from referral_warehouse.api.rate_limit.shared_quota import Count, SharedQuota
from referral_warehouse.api.rate_limit.store import CallStore, Held, Strike
from referral_warehouse.api.rate_limit.store_file import STRIKES_KEPT_S
from referral_warehouse.api.rate_limit.turn_queue import TurnQueue
from referral_warehouse.errors import BudgetExhausted, ConfigurationError, ProtectiveStop
from referral_warehouse.settings import Settings

# The vendor blocks an address after more than three abuses in its own counting, which we do not see and other
# programs add to. The second strike that we see within seven days therefore ends all calls until it is old enough.
STRIKES_THAT_STOP = 2

WINDOW_S = 60.0
# For clocks that run at slightly different speeds and servers that round.
MARGIN_S = 0.1
# Long enough for a few full windows of another process; then the budget is taken by somebody who does not stop.
PATIENCE_S = 600.0

SHORTEST_WAIT_S = 0.001

_REASONS = {
    "budget": "the calls of each minute are taken by other processes on this machine",
    "sharing": "others who use the same token leave no calls over",
    "pause": "the API asked for a pause",
}

Pause = Callable[[float], None]
Tell = Callable[[float, str], None]


class Permit:
    """The right to send one call; released when its answer came or it was given up."""

    __slots__ = ("_rate_limiter", "_seq")

    def __init__(self, rate_limiter: RateLimiter, seq: int) -> None:
        self._rate_limiter = rate_limiter
        self._seq = seq

    def release(self, limit: int | None = None, remaining: int | None = None) -> None:
        """Say that the call is over, with the server's own count where its answer carried one."""
        if self._seq:
            self._rate_limiter._release(self._seq, limit, remaining)


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How many calls a token may send. Units: seconds.

    Attributes:
        calls_per_minute: calls in a window; 0 for no limit.
        hold_s: how long a call counts whose end nobody reports.
        window_s: the length of a window.
        patience_s: how long a thread waits for a call before it gives up.
    """

    calls_per_minute: int
    hold_s: float = 180.0
    window_s: float = WINDOW_S
    patience_s: float = PATIENCE_S


class RateLimiter:
    """Permits for the threads of this process, within a budget shared by every process that uses the call store."""

    def __init__(self, call_store: CallStore, limits: CallLimits, clock: Callable[[], float] = boot_clock) -> None:
        self._call_store = call_store
        self._limits = limits
        self._clock = clock
        self._sharing = SharedQuota(limits.window_s)
        self._limit: int | None = None
        self._latest_count: Count | None = None
        self._last_held = Held(0, 0, 0)
        self._lock = threading.Lock()
        self._queue = TurnQueue()

    def acquire(self, pause: Pause, tell: Tell | None = None) -> Permit:
        """Wait for a permit, first come, first served, and write the call.

        Args:
            pause: sleeps; may raise to end the wait.
            tell: is called before each wait with its seconds and its reason.

        Raises: BudgetExhausted after the patience; ProtectiveStop when violations of any process forbid every call.
        """
        if self._limits.calls_per_minute == 0 and not self._call_store.exists():
            return Permit(self, 0)
        with self._queue.turn():
            since = self._clock()
            while True:
                taken = self._call_store.take(self._capacity(), self._limits.hold_s, self._hold_back)
                if taken.seq is not None:
                    return Permit(self, taken.seq)
                self.refuse_if_struck()
                waited = self._clock() - since
                if waited + taken.wait_s > self._limits.patience_s:
                    raise BudgetExhausted(
                        f"No call could be sent for {waited:.0f} s and none may for another {taken.wait_s:.0f} s: "
                        f"{_REASONS[taken.reason]}."
                    )
                if tell is not None:
                    tell(taken.wait_s, taken.reason)
                # Never a busy loop, even where two clocks disagree by their last digit.
                pause(max(taken.wait_s, SHORTEST_WAIT_S))

    def strike(self, what: str, wait_s: float) -> tuple[Strike, ...]:
        """Write a 429 down and pause every process for ``wait_s``; returns the strikes that count now.

        The caller asks ``refuse_if_struck`` whether it was one too many.
        """
        return self._call_store.strike([what], wait_s)

    def block(self) -> tuple[Strike, ...]:
        """The API says that the address is blocked: as good as all the strikes there are, for every process."""
        return self._call_store.strike(["block"] * STRIKES_THAT_STOP, 0.0)

    def strikes(self) -> tuple[Strike, ...]:
        """The strikes of the last seven days, oldest first."""
        return self._call_store.strikes()

    def forgive(self) -> int:
        """Forget all strikes, on the operator's explicit wish; returns how many there were."""
        return self._call_store.forgive()

    def refuse_if_struck(self) -> None:
        """Raises: ProtectiveStop while too many strikes are younger than seven days."""
        strikes = self._call_store.strikes()
        free_at = stopped_until(strikes)
        if free_at is not None:
            blocked = any(strike.what == "block" for strike in strikes)
            what = (
                "said that this address is blocked" if blocked else f"answered 'too many requests' {len(strikes)} times"
            )
            raise ProtectiveStop(
                f"The API {what} within the last 7 days; no call is sent before {free_at:%F %H:%M} UTC."
            )

    def close(self) -> None:
        """Close the call store."""
        self._call_store.close()

    def _capacity(self) -> int | None:
        budget = self._limits.calls_per_minute
        if budget == 0:
            return None
        return budget if self._limit is None else min(budget, self._limit)

    def _hold_back(self, held: Held) -> float:
        with self._lock:
            count, self._latest_count = self._latest_count, None
        if count is not None:
            # The count may be older than the last pause; what we held when it was made is known from the last turn.
            then = replace(
                held,
                calls=max(held.calls, self._last_held.calls + 1),
                in_flight=max(held.in_flight, self._last_held.in_flight + 1),
            )
            self._sharing.observe(count, then)
        self._last_held = held
        return self._sharing.hold_back(self._clock(), held)

    def _release(self, seq: int, limit: int | None, remaining: int | None) -> None:
        with self._lock:
            if limit and remaining is not None:
                self._limit = limit
                if self._latest_count is None or self._latest_count.seq < seq:
                    self._latest_count = Count(self._clock(), seq, limit, remaining)
            elif self._limit is None:
                self._sharing.observe_nothing()
        self._call_store.done(seq)


def stopped_until(strikes: tuple[Strike, ...]) -> datetime | None:
    """When the strikes that stop us are old enough; None when there are too few."""
    if len(strikes) < STRIKES_THAT_STOP:
        return None
    return strikes[-STRIKES_THAT_STOP].at + timedelta(seconds=STRIKES_KEPT_S)


def open_rate_limiter(settings: Settings, clock: HostClock | None = None) -> RateLimiter:
    """The rate limiter of the settings' token, over the machine's call store.

    Args:
        settings: token, base URL, budget and timeout.
        clock: replaces the machine's clocks.

    Raises: ConfigurationError without a token, and when no folder for the call store can be written.
    """
    if settings.api_token is None:
        raise ConfigurationError("SOURCES__REFERRAL_FACTORY__API_TOKEN is not set.")
    clock = HostClock() if clock is None else clock
    window_s = WINDOW_S + MARGIN_S
    folder = call_store_folder(settings)
    remove_old_call_stores(folder, clock.wall(), older_than_s=STRIKES_KEPT_S + 86_400)
    name = call_store_name(settings.api_token.reveal(), settings.base_url if settings.is_loopback else None)
    call_store = CallStore(folder / name, window_s=window_s, strikes_that_stop=STRIKES_THAT_STOP, clock=clock)
    limits = CallLimits(settings.calls_per_minute, hold_s=3 * settings.timeout_s, window_s=window_s)
    return RateLimiter(call_store, limits, clock.since_boot)
