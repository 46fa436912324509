"""How many requests may be in flight: what the budget needs at the measured latency, fewer for an overloaded server.

Knows how long requests took and which failed; nothing of HTTP, of pages, or of the calls of a minute, which
``rate_limit`` alone limits.

By Little's law, as many requests are in flight on average as are sent in a second, times the seconds that each takes.
So the budget of a second, times the mean latency and a margin, is what is needed to use the budget: 8 up to 0.5 s at
540 calls a minute, 41 at 3 s. Without a budget it is the bound. The need follows from the mean, because a slow call
is in flight as long as it takes; a slower server is detected by the median, which a few slow calls do not change.

The limit changes as TCP's window does: it doubles each round (as many responses as may be in flight) until the first
sign of overload, and grows by a tenth afterwards; a failure halves it, as in the AIMD of Netflix's concurrency-limits.
Where responses take longer than under the initial limit, it is divided by how much longer: so many requests would
be in flight at the time that they took before. This reference is measured only while the limit is the initial one, as
BBR does: an average of all responses, as in Gradient2, follows a server that becomes slower because of us. A response
to a request that was sent under another limit does not count for the round, nor does its failure after a lowering.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass
from statistics import fmean, median

INITIAL = 8
"""The limit at the start. A slow server lowers it to this number; only failures lower it further."""
MINIMUM = 2
"""The lowest limit after failures: with 1, one slow call would delay all others."""
MARGIN = 1.5
"""Factor above the mean of Little's law: calls come in bursts, and the next ones may take longer."""
TOLERATED_SLOWNESS = 1.5
"""The limit is lowered where the median response takes so many times as long as its reference."""
LATENCIES_KEPT = 300
"""Responses of which the mean is taken. Of 40 calls of the vendor's API, 3 took tens of times as long as the others; so
long a window includes some of these."""
REFERENCES_KEPT = 15
"""Reference times for each kind of request."""
SHORTEST_S = 0.001
"""A reference is at least this long: shorter times measure this machine, not the server."""


@dataclass(frozen=True, slots=True)
class SentRequest:
    """A request in flight: its number in the order of sending, and whether it was sent under the initial limit."""

    number: int
    was_initial: bool


class ConcurrencyLimit:
    """The limit of one client. Thread-safe.

    Args:
        most: the bound that is never exceeded.
        calls_per_minute: the budget; 0 for none.
    """

    def __init__(self, most: int, calls_per_minute: int = 0) -> None:
        self.most = most
        self._calls_per_s = calls_per_minute / 60
        self._initial = min(INITIAL, most)
        self._minimum = min(MINIMUM, most)
        self._lock = threading.Lock()
        self._limit = self._initial
        self._is_doubling = True
        self._latencies = deque[float](maxlen=LATENCIES_KEPT)
        self._references: dict[str, deque[float]] = {}
        self._sent = self._sent_before_decrease = self._sent_before_round = 0
        self._is_used = False
        self._slowness: list[float] = []

    @property
    def now(self) -> int:
        """How many requests may be in flight now."""
        return self._limit

    def begin(self) -> SentRequest:
        """A request is sent."""
        with self._lock:
            self._sent += 1
            return SentRequest(self._sent, self._limit <= self._initial)

    def succeeded(self, sent: SentRequest, kind: str, elapsed_s: float, in_flight: int) -> int | None:
        """A request has its response.

        Args:
            sent: the request.
            kind: requests of the same kind take about as long.
            elapsed_s: seconds from sending to the last byte.
            in_flight: how many requests were in flight or waited for that, this one included.

        Returns: the limit if it changed.
        """
        with self._lock:
            self._latencies.append(elapsed_s)
            references = self._references.setdefault(kind, deque(maxlen=REFERENCES_KEPT))
            if sent.was_initial or not references:
                references.append(elapsed_s)
            if sent.number <= self._sent_before_round:
                return None
            self._is_used = self._is_used or in_flight >= self._limit
            if not self._is_used:
                return None  # the round begins when the limit is reached: fewer requests do not measure it
            self._slowness.append(elapsed_s / max(median(references), SHORTEST_S))
            return self._changed(self._adjusted()) if len(self._slowness) >= self._limit else None

    def failed(self, sent: SentRequest) -> int | None:
        """A request was refused as one too many, or failed at the server or in the network.

        Requests that were in flight together with the first one that failed may fail for the same reason, so their
        failures do not count.

        Returns: the limit if it changed.
        """
        with self._lock:
            if sent.number <= self._sent_before_decrease:
                return None
            self._is_doubling = False
            return self._changed(max(self._minimum, self._limit // 2))

    def _changed(self, limit: int) -> int | None:
        before, self._limit = self._limit, limit
        if limit < before:
            self._sent_before_decrease = self._sent
        self._begin_round()
        return None if limit == before else limit

    def _begin_round(self) -> None:
        self._sent_before_round = self._sent
        self._is_used = False
        self._slowness = []

    def _adjusted(self) -> int:
        slowness, limit = median(self._slowness), self._limit
        if limit > self._initial and slowness >= TOLERATED_SLOWNESS:
            self._is_doubling = False
            return max(self._initial, int(limit / slowness))
        limit += limit if self._is_doubling else max(1, limit // 10)
        return min(limit, self._needed())

    def _needed(self) -> int:
        if not self._calls_per_s:
            return self.most
        needed = math.ceil(MARGIN * self._calls_per_s * fmean(self._latencies))
        return min(self.most, max(self._initial, needed))
