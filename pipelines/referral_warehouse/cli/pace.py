"""Measures how fast a run sends calls, and estimates how long the remaining ones take within the budget.

Must not know requests, streams or terminals.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

WINDOW_S = 60.0
"""The budget is a number of calls in such a window."""
SHORTEST_S = 1.0
"""A rate over less time is not reported."""


class Pace:
    """The call rate of a run; thread-safe.

    Args:
        clock: any clock of seconds that does not go backwards.

    Attributes:
        budget: calls a minute that the run may send; 0 is unlimited.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.budget = 0
        self._clock = clock
        self._began = clock()
        self._lock = threading.Lock()
        self._recent = deque[float]()
        self._calls = 0
        self._expected: int | None = None
        self._calls_when_expected = 0

    def answered(self) -> None:
        """Count a response."""
        now = self._clock()
        with self._lock:
            self._calls += 1
            self._recent.append(now)
            self._forget(now)

    def expect(self, calls_left: int | None) -> None:
        """Set how many calls are left from now on; None where that is not known."""
        with self._lock:
            self._expected, self._calls_when_expected = calls_left, self._calls

    def facts(self) -> dict[str, Any]:
        """What is known now.

        Returns:
            ``calls_per_s``, and where the number of calls left is known, ``calls_left`` and ``left_s``.
        """
        now = self._clock()
        with self._lock:
            self._forget(now)
            recent, expected = len(self._recent), self._expected
            left = None if expected is None else max(0, expected - (self._calls - self._calls_when_expected))
        rate = recent / min(WINDOW_S, max(SHORTEST_S, now - self._began))
        facts: dict[str, Any] = {"calls_per_s": round(rate, 1)}
        if left is not None:
            facts["calls_left"] = left
        if left is not None and rate > 0:
            facts["left_s"] = round(self._seconds_for(left, recent, rate))
        return facts

    def _seconds_for(self, left: int, recent: int, rate: float) -> float:
        """Seconds at the rate so far, but not less than the budget permits: the first calls may be sent all at once."""
        by_budget = 0.0 if not self.budget else (left - max(0, self.budget - recent)) * WINDOW_S / self.budget
        return max(left / rate, by_budget)

    def _forget(self, now: float) -> None:
        while self._recent and self._recent[0] <= now - WINDOW_S:
            self._recent.popleft()


def pace_text(facts: dict[str, Any]) -> str:
    """The facts of a pace for people, such as ``320 calls left, 9.0 calls a second, about 36 s``."""
    left, seconds = facts.get("calls_left"), facts.get("left_s")
    parts = [] if left is None else [f"{left:,} calls left"]
    parts.append(f"{facts['calls_per_s']:.1f} calls a second")
    if seconds is not None:
        parts.append(f"about {_duration(seconds)}")
    return ", ".join(parts)


def _duration(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
