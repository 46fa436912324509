"""What the server's own count tells about others who spend the same budget, and when to let them go first.

Pure: it is fed ``X-RateLimit-Limit`` and ``-Remaining`` beside our own call store's count, and answers with a wait.
It knows nothing of HTTP, files or threads, and sleeps for nobody.

Both estimates of the others are lower bounds (all our calls that the server *may* have counted are taken off), so a
token that nobody shares is never slowed down: the call store alone keeps it within the budget.
"""

from __future__ import annotations

from dataclasses import dataclass

from referral_warehouse.api.rate_limit.store import Held

# Of the server's limit: how much is left to others while somebody shares the token.
RESERVE_SHARE = 0.08
# Of the server's limit: others who take less than this need no room made for them.
NOISE_SHARE = 0.01
# A count older than this part of a window says little: one call goes ahead and looks, the others wait as long for it.
LOOK_SHARE = 0.05
# How often those who wait for the look ask again, as a part of a window: 50 ms of a minute.
GLANCE_SHARE = 1 / 1200


@dataclass(frozen=True, slots=True)
class Count:
    """The server's count, as one answer carried it. Units: ``at`` seconds of the rate limiter's clock."""

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
    """Follows the server's count through one process's answers."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._look_s = window_s * LOOK_SHARE
        self._last: Count | None = None
        self._is_silent = False
        self._looked_at = float("-inf")
        self._baseline: _Baseline | None = None
        self._others = 0
        self._rate = 0.0
        self._others_at = float("-inf")

    @property
    def others(self) -> int:
        """Calls of others in a window, at least, by the last two windows."""
        return self._others

    def observe_nothing(self) -> None:
        """An answer carried no count: where none ever does, nobody waits for one."""
        self._is_silent = True

    def observe(self, count: Count, held: Held) -> None:
        """Take in one answer's count; answers to earlier calls than the last one seen are old news."""
        self._is_silent = False
        if self._last is not None and count.seq <= self._last.seq:
            return
        self._last = count
        # Sliding windows: what is used beyond all that we may have used.
        level = count.limit - count.remaining - held.calls
        # Fixed windows begin at an unknown moment, and there our own last minute hides the others: what the count
        # fell by since an earlier answer, beyond all that we may have sent since.
        fall, since_s = 0, self._look_s
        baseline = self._baseline
        if baseline is not None:
            fall = baseline.remaining - count.remaining - (held.sent - baseline.ours_counted)
            since_s = max(since_s, count.at - baseline.at)
        if baseline is None or fall < 0 or count.at - baseline.at > self._window_s:
            self._baseline = _Baseline(count.at, count.remaining, count.seq - held.in_flight)
        others = max(level, fall, 0)
        self._rate = max(others / self._window_s, fall / since_s)
        # In a fixed window the fall begins at nothing each time, so a peak is believed for two windows.
        if others >= self._others or count.at - self._others_at > 2 * self._window_s:
            self._others, self._others_at = others, count.at

    def hold_back(self, now: float, held: Held) -> float:
        """Seconds to wait before another call may be sent; 0 when enough is left for us and for the others.

        Args:
            now: seconds of the rate limiter's clock.
            held: what the call store counts.
        """
        if self._is_silent:
            return 0.0
        last = self._last
        age = self._window_s if last is None else now - last.at
        if last is not None and age < self._window_s and self._others > last.limit * NOISE_SHARE:
            wait_s = self._wait_for_others(last, age, held)
            if wait_s > 0:
                return wait_s
        if age < self._look_s:
            return 0.0
        return self._wait_for_a_count(now, held)

    def _wait_for_others(self, last: Count, age: float, held: Held) -> float:
        """Seconds until the others' share is safe, by a count that is ``age`` seconds old."""
        rate = max(self._rate, self._others / self._window_s)
        reserve = max(2.0, last.limit * RESERVE_SHARE) + rate
        # Calls after the one with this count, and older ones still in flight, may not be in its count yet.
        left = last.remaining - (held.sent - last.seq) - held.in_flight - rate * age
        if left <= reserve / 2 and not held.in_flight:
            return self._window_s - age
        if left <= reserve and (held.in_flight or age < self._look_s):
            return self._look_s
        return 0.0

    def _wait_for_a_count(self, now: float, held: Held) -> float:
        """Let one call go ahead and bring a new count; the others wait a moment for it."""
        if not held.in_flight:
            self._looked_at = now
        elif now - self._looked_at < self._look_s:
            return self._window_s * GLANCE_SHARE
        return 0.0
