"""Estimates how many calls others make with the same token, and how long to wait so that calls are left for them.

Pure: from ``X-RateLimit-Limit``, ``-Remaining`` and the call store's counts it computes a wait. Knows nothing of HTTP,
files or threads, and does not sleep.

Both estimates are lower bounds (all own calls that the server *may* have counted are subtracted), so a token without
other users is never slowed down: the call store alone keeps it within the budget.
"""

from __future__ import annotations

from dataclasses import dataclass

from referral_warehouse.api.rate_limit.store import CallCounts

# Share of the server's limit that is left to others while they use the token.
RESERVE_SHARE = 0.08
# Share of the server's limit below which the calls of others are ignored.
NOISE_SHARE = 0.01
# Age, as a share of a window, from which a count is outdated: one call is sent for a new one, the others wait so long.
OUTDATED_SHARE = 0.05
# Interval, as a share of a window, in which the waiting calls check for the new count: 50 ms of a minute.
POLL_SHARE = 1 / 1200


@dataclass(frozen=True, slots=True)
class Count:
    """The server's count in one response. Units: ``at`` seconds of the rate limiter's clock."""

    at: float
    seq: int
    limit: int
    remaining: int


@dataclass(frozen=True, slots=True)
class _Baseline:
    at: float
    remaining: int
    ours_counted: int


class SharedQuota:
    """Tracks the server's count through the responses of one process."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._outdated_s = window_s * OUTDATED_SHARE
        self._last: Count | None = None
        self._has_no_count = False
        self._refreshed_at = float("-inf")
        self._baseline: _Baseline | None = None
        self._others = 0
        self._rate = 0.0
        self._others_at = float("-inf")

    @property
    def others(self) -> int:
        """A lower bound of the calls of others in a window, from the last two windows."""
        return self._others

    def observe_nothing(self) -> None:
        """A response had no count: where none ever has one, no call waits for it."""
        self._has_no_count = True

    def observe(self, count: Count, counts: CallCounts) -> None:
        """Process the count of a response; responses to calls before the latest one are ignored."""
        self._has_no_count = False
        if self._last is not None and count.seq <= self._last.seq:
            return
        self._last = count
        # Sliding windows: calls used beyond all that may be our own.
        level = count.limit - count.remaining - counts.calls
        # Fixed windows begin at an unknown time, and our own last minute hides the others: the decrease of the count
        # since an earlier response, beyond all calls that may be our own.
        decrease, since_s = 0, self._outdated_s
        baseline = self._baseline
        if baseline is not None:
            decrease = baseline.remaining - count.remaining - (counts.sent - baseline.ours_counted)
            since_s = max(since_s, count.at - baseline.at)
        if baseline is None or decrease < 0 or count.at - baseline.at > self._window_s:
            self._baseline = _Baseline(count.at, count.remaining, count.seq - counts.in_flight)
        others = max(level, decrease, 0)
        self._rate = max(others / self._window_s, decrease / since_s)
        # In a fixed window the decrease restarts at zero, so a peak is valid for two windows.
        if others >= self._others or count.at - self._others_at > 2 * self._window_s:
            self._others, self._others_at = others, count.at

    def wait_for_others_s(self, now: float, counts: CallCounts) -> float:
        """Seconds to wait before another call may be sent; 0 when enough calls are left for all.

        Args:
            now: seconds of the rate limiter's clock.
            counts: the counts of the call store.
        """
        if self._has_no_count:
            return 0.0
        last = self._last
        age = self._window_s if last is None else now - last.at
        if last is not None and age < self._window_s and self._others > last.limit * NOISE_SHARE:
            wait_s = self._wait_for_others(last, age, counts)
            if wait_s > 0:
                return wait_s
        if age < self._outdated_s:
            return 0.0
        return self._wait_for_a_count(now, counts)

    def _wait_for_others(self, last: Count, age: float, counts: CallCounts) -> float:
        """Seconds until the share of others is free, from a count that is ``age`` seconds old."""
        rate = max(self._rate, self._others / self._window_s)
        reserve = max(2.0, last.limit * RESERVE_SHARE) + rate
        # Calls after the one with this count, and older ones still in flight, may not be in its count yet.
        left = last.remaining - (counts.sent - last.seq) - counts.in_flight - rate * age
        if left <= reserve / 2 and not counts.in_flight:
            return self._window_s - age
        if left <= reserve and (counts.in_flight or age < self._outdated_s):
            return self._outdated_s
        return 0.0

    def _wait_for_a_count(self, now: float, counts: CallCounts) -> float:
        """Permit one call, whose response has a new count; the others wait briefly for it."""
        if not counts.in_flight:
            self._refreshed_at = now
        elif now - self._refreshed_at < self._outdated_s:
            return self._window_s * POLL_SHARE
        return 0.0
