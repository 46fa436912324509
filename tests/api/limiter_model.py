"""A simulated minute: calls in flight over a network with delays, others on the same token, a server that counts."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from pathlib import Path

from referral_warehouse.api.rate_limit.host import HostClock
from referral_warehouse.api.rate_limit.limiter import VIOLATIONS_THAT_STOP, CallLimits, Permit, RateLimiter
from referral_warehouse.api.rate_limit.store import CallStore

WINDOW_S = 60.0


class SimulatedTime:
    """Time that passes only in ``pause``, and what happens meanwhile."""

    def __init__(self, now: float = 5000.0) -> None:
        self.now = now
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def clock(self) -> float:
        return self.now

    def at(self, when: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (when, next(self._order), act))

    def pause(self, seconds: float) -> None:
        until = self.now + seconds
        while self._due and self._due[0][0] <= until:
            when, _, act = heapq.heappop(self._due)
            self.now = max(self.now, when)
            act()
        self.now = until

    def until_next(self) -> None:
        self.pause(max(0.0, self._due[0][0] - self.now))

    def rate_limiter(self, path: Path, budget: int, *, margin_s: float = 0.1, hold_s: float = 180.0) -> RateLimiter:
        window_s = WINDOW_S + margin_s
        call_store = CallStore(
            path,
            window_s=window_s,
            violations_that_stop=VIOLATIONS_THAT_STOP,
            clock=HostClock(self.clock, self.clock, "one"),
        )
        return RateLimiter(call_store, CallLimits(budget, hold_s, window_s, max_wait_s=1e9), self.clock)


class Server:
    """Counts arrivals; ``fixed_from`` makes its windows fixed, else they slide."""

    def __init__(self, simulated: SimulatedTime, limit: int, fixed_from: float | None = None) -> None:
        self._simulated = simulated
        self._limit = limit
        self._fixed_from = fixed_from
        self._recent: deque[float] = deque()
        self.arrivals: list[float] = []
        self.refused = 0
        self.lowest = limit

    def hit(self, *, ours: bool = True) -> int:
        """One call arrives; returns what remains."""
        now = self._simulated.now
        # Half-open windows [begin, begin + 60): an arrival exactly on the boundary opens the next one.
        age_s = WINDOW_S if self._fixed_from is None else (now - self._fixed_from) % WINDOW_S + 1e-9
        begin = now - age_s
        while self._recent and self._recent[0] <= begin:
            self._recent.popleft()
        if not ours and len(self._recent) >= self._limit:
            return 0  # other programs are refused too, and a refused call does not count
        self._recent.append(now)
        remaining = self._limit - len(self._recent)
        if ours:
            self.arrivals.append(now)
            self.refused += remaining < 0
            self.lowest = min(self.lowest, remaining)
        return max(0, remaining)


class Caller:
    """One process with some threads: sends, and releases each permit when its response arrives."""

    def __init__(
        self, simulated: SimulatedTime, server: Server, rate_limiter: RateLimiter, threads: int, limit: int | None
    ) -> None:
        self._simulated = simulated
        self._server = server
        self.rate_limiter = rate_limiter
        self._threads = threads
        self._limit = limit
        self.in_flight = 0
        self.is_killed = False
        self.sent = 0

    def send(self, up_s: float, down_s: float) -> None:
        """Wait for a free thread and a permit, then send: ``up_s`` to the server and ``down_s`` back."""
        while self.in_flight >= self._threads:
            self._simulated.until_next()
        permit = self.rate_limiter.acquire(self._simulated.pause)
        self.in_flight += 1
        self.sent += 1
        self._simulated.at(self._simulated.now + up_s, lambda: self._arrive(permit, down_s))

    def _arrive(self, permit: Permit, down_s: float) -> None:
        remaining = self._server.hit()
        self._simulated.at(self._simulated.now + down_s, lambda: self._receive(permit, remaining))

    def _receive(self, permit: Permit, remaining: int) -> None:
        if not self.is_killed:
            self.in_flight -= 1
            if self._limit is None:
                permit.release()
            else:
                permit.release(self._limit, remaining)


def most_in_a_window(arrivals: list[float]) -> int:
    """The most arrivals that any half-open sliding window of a minute holds; no fixed window can hold more."""
    ordered = sorted(arrivals)
    most, first = 0, 0
    for last, arrival in enumerate(ordered):
        while arrival - ordered[first] >= WINDOW_S:
            first += 1
        most = max(most, last - first + 1)
    return most
