"""The rate limiter: permits calls so that no window of a minute contains more of them than the budget.

Knows calls, windows and violations; nothing of HTTP, tokens, streams or the purpose of a call.

The rule: a call counts from its permit until one window after its response (or after it was given up). The server
received it within this span; so if N+1 calls had reached the server within one window, the last of them would have
been sent while N others still counted, which never happens. This is true of sliding and of fixed windows and for any
network delay. It costs latency/(window + latency) of the budget: half a percent at 300 ms.

pyrate-limiter 4.5 was tried and not chosen: its SQLite bucket stores one time per call, that before sending, so a call
that the network delays counts in another minute than the server's (of two processes with a budget of 60, the simulated
server of the tests saw 67 calls within a minute at 10 to 500 ms, 68 where every tenth took 5 to 25 s). Violations,
pauses and other users of the token would be our own code in any case.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from referral_warehouse.api.rate_limit.address import AddressViolations, address_store_name, merged
from referral_warehouse.api.rate_limit.host import (
    HostClock,
    boot_clock,
    call_store_folder,
    call_store_name,
    existing_call_store,
    remove_old_call_stores,
)
from referral_warehouse.api.rate_limit.shared_quota import Count, SharedQuota
from referral_warehouse.api.rate_limit.store import CallCounts, CallStore, Violation
from referral_warehouse.api.rate_limit.store_file import VIOLATIONS_KEPT_S
from referral_warehouse.api.rate_limit.turn_queue import TurnQueue
from referral_warehouse.errors import BudgetExhausted, ConfigurationError, ProtectiveStop
from referral_warehouse.settings import Settings, Token

# The vendor blocks an address after more than three violations. Its count is not visible and includes other programs.
# The second violation within seven days therefore stops all calls until it is old enough.
VIOLATIONS_THAT_STOP = 2

WINDOW_S = 60.0
# For clocks with slightly different speeds and for servers that round.
MARGIN_S = 0.1
# Long enough for several full windows of another process.
MAX_WAIT_S = 600.0

SHORTEST_WAIT_S = 0.001

_REASONS = {
    "budget": "other processes on this machine use all calls of each minute",
    "sharing": "other users of the same token use all calls",
    "pause": "calls are paused after a rate-limit violation, or because the record of calls was damaged",
}

Pause = Callable[[float], None]
OnWait = Callable[[float, str], None]


class Permit:
    """The right to send one call; released after its response, or when it was given up."""

    __slots__ = ("_rate_limiter", "_seq")

    def __init__(self, rate_limiter: RateLimiter, seq: int) -> None:
        self._rate_limiter = rate_limiter
        self._seq = seq

    def release(self, limit: int | None = None, remaining: int | None = None) -> None:
        """End the call, with the server's own count where the response had one."""
        if self._seq:
            self._rate_limiter._release(self._seq, limit, remaining)


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How many calls a token may send. Units: seconds.

    Attributes:
        calls_per_minute: calls in a window; 0 for no limit.
        hold_s: after how long a call whose end is not reported counts as ended.
        window_s: the length of a window.
        max_wait_s: how long a thread waits for a permit before it gives up.
    """

    calls_per_minute: int
    hold_s: float = 180.0
    window_s: float = WINDOW_S
    max_wait_s: float = MAX_WAIT_S


class RateLimiter:
    """Permits for the threads of this process, within a budget shared by every process that uses the call store."""

    def __init__(
        self, call_store: CallStore, limits: CallLimits, clock: Callable[[], float] = boot_clock,
        address: AddressViolations | None = None,
    ) -> None:  # fmt: skip
        self._call_store = call_store
        self._address = address
        self._limits = limits
        self._clock = clock
        self._sharing = SharedQuota(limits.window_s)
        self._limit: int | None = None
        self._latest_count: Count | None = None
        self._last_counts = CallCounts(0, 0, 0)
        self._lock = threading.Lock()
        self._queue = TurnQueue()

    def acquire(self, pause: Pause, on_wait: OnWait | None = None) -> Permit:
        """Wait for a permit, first come, first served, and record the call.

        Args:
            pause: sleeps; may raise to end the wait.
            on_wait: is called before each wait with its seconds and reason.

        Raises: BudgetExhausted after ``max_wait_s``; ProtectiveStop when violations of any process forbid all calls.
        """
        if self._limits.calls_per_minute == 0 and not self._call_store.exists():
            return Permit(self, 0)
        with self._queue.turn():
            since = self._clock()
            while True:
                if self._address is not None and self._address.violations():
                    self.refuse_after_violations()
                taken = self._call_store.take(self._capacity(), self._limits.hold_s, self._others_wait_s)
                if taken.seq is not None:
                    return Permit(self, taken.seq)
                self.refuse_after_violations()
                waited = self._clock() - since
                if waited + taken.wait_s > self._limits.max_wait_s:
                    raise BudgetExhausted(
                        f"No call could be sent for {waited:.0f} s, and none for another {taken.wait_s:.0f} s: "
                        f"{_REASONS[taken.reason]}."
                    )
                if on_wait is not None:
                    on_wait(taken.wait_s, taken.reason)
                # Never a busy loop, even where two clocks differ slightly.
                pause(max(taken.wait_s, SHORTEST_WAIT_S))

    def record_violation(self, what: str, wait_s: float) -> tuple[Violation, ...]:
        """Record a 429 and pause every process for ``wait_s``; returns the violations that count now.

        ``refuse_after_violations`` raises where it was one too many.
        """
        return self._record([what], wait_s)

    def block(self) -> tuple[Violation, ...]:
        """Record that the address is blocked: it counts as all violations that stop every process."""
        return self._record(["block"] * VIOLATIONS_THAT_STOP, 0.0)

    def _record(self, what: list[str], wait_s: float) -> tuple[Violation, ...]:
        at = self._call_store.now()
        self._call_store.record_violation(what, wait_s, at)
        if self._address is not None:
            self._address.record(what, at)
        return self.violations()

    def violations(self) -> tuple[Violation, ...]:
        """The violations of the last seven days, oldest first: of the token, and of its address with other tokens."""
        return merged(self._call_store.violations(), self._address.violations() if self._address is not None else ())

    def forgive(self) -> int:
        """Delete all violations, at the operator's explicit request; returns how many there were."""
        count = len(self.violations())
        self._call_store.forgive()
        if self._address is not None:
            self._address.forgive()
        return count

    def refuse_after_violations(self) -> None:
        """Raises: ProtectiveStop while too many violations are younger than seven days."""
        violations = self.violations()
        free_at = stopped_until(violations)
        if free_at is not None:
            blocked = any(violation.what == "block" for violation in violations)
            what = (
                "reported that this address is blocked"
                if blocked
                else f"reported 'too many requests' {len(violations)} times"
            )
            raise ProtectiveStop(
                f"The API {what} within the last 7 days; no call is sent before {free_at:%F %H:%M} UTC."
            )

    def close(self) -> None:
        """Close the call store."""
        self._call_store.close()
        if self._address is not None:
            self._address.close()

    def _capacity(self) -> int | None:
        budget = self._limits.calls_per_minute
        if budget == 0:
            return None
        return budget if self._limit is None else min(budget, self._limit)

    def _others_wait_s(self, counts: CallCounts) -> float:
        with self._lock:
            count, self._latest_count = self._latest_count, None
        if count is not None:
            # The count may be older than the last pause; the last turn recorded how many calls counted then.
            then = replace(
                counts,
                calls=max(counts.calls, self._last_counts.calls + 1),
                in_flight=max(counts.in_flight, self._last_counts.in_flight + 1),
            )
            self._sharing.observe(count, then)
        self._last_counts = counts
        return self._sharing.wait_for_others_s(self._clock(), counts)

    def _release(self, seq: int, limit: int | None, remaining: int | None) -> None:
        with self._lock:
            if limit and remaining is not None:
                self._limit = limit
                if self._latest_count is None or self._latest_count.seq < seq:
                    self._latest_count = Count(self._clock(), seq, limit, remaining)
            elif self._limit is None:
                self._sharing.observe_nothing()
        self._call_store.done(seq)


def stopped_until(violations: tuple[Violation, ...]) -> datetime | None:
    """When the violations that stop all calls are old enough; None when there are too few."""
    if len(violations) < VIOLATIONS_THAT_STOP:
        return None
    return violations[-VIOLATIONS_THAT_STOP].at + timedelta(seconds=VIOLATIONS_KEPT_S)


def recorded_violations(settings: Settings) -> tuple[Violation, ...]:
    """The violations of the last seven days, oldest first, without creating a file or a folder; none without a token.

    Raises: ConfigurationError when the call store cannot be used.
    """
    if settings.api_token is None:
        return ()
    names = (_name(settings, settings.api_token), address_store_name(_loopback_url(settings)))
    own, of_address = (_recorded(existing_call_store(settings, name)) for name in names)
    return merged(own, of_address)


def _recorded(path: Path | None) -> tuple[Violation, ...]:
    if path is None:
        return ()
    call_store = CallStore(path, window_s=WINDOW_S + MARGIN_S, violations_that_stop=VIOLATIONS_THAT_STOP)
    try:
        return call_store.violations()
    finally:
        call_store.close()


def _name(settings: Settings, token: Token) -> str:
    return call_store_name(token.reveal(), _loopback_url(settings))


def _loopback_url(settings: Settings) -> str | None:
    return settings.base_url if settings.is_loopback else None


def open_rate_limiter(settings: Settings, clock: HostClock | None = None) -> RateLimiter:
    """The rate limiter of the settings' token, over the machine's call store.

    Args:
        settings: token, base URL, budget and timeout.
        clock: replaces the machine's clocks.

    Raises: ConfigurationError without a token, and when no folder for the call store can be written.
    """
    if settings.api_token is None:
        raise ConfigurationError(
            "SOURCES__REFERRAL_FACTORY__API_TOKEN is not set.",
            "Run `referrals init`, which asks for the token, or set it; docs/connecting.md says where the token is.",
        )
    clock = HostClock() if clock is None else clock
    window_s = WINDOW_S + MARGIN_S
    folder = call_store_folder(settings)
    remove_old_call_stores(folder, clock.wall(), older_than_s=VIOLATIONS_KEPT_S + 86_400)
    call_store, address = (
        CallStore(folder / name, window_s=window_s, violations_that_stop=VIOLATIONS_THAT_STOP, clock=clock)
        for name in (_name(settings, settings.api_token), address_store_name(_loopback_url(settings)))
    )
    limits = CallLimits(settings.calls_per_minute, hold_s=3 * settings.timeout_s, window_s=window_s)
    return RateLimiter(call_store, limits, clock.since_boot, AddressViolations(address, clock.since_boot))
