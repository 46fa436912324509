"""The rate limit: calls per minute, violations when it is exceeded, and the block after more than three violations.

Its clock is the real one (injectable), not the account's: simulated days must not restore the limit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

WINDOW_S = 60.0
ALLOWED_VIOLATIONS = 3
BLOCK_S = 7 * 86_400.0


@dataclass(frozen=True)
class LimitDecision:
    """The status of a call, 200, 429 or 403; ``retry_after_s`` is the time until the next one is allowed."""

    status: int
    remaining: int
    retry_after_s: float = 0.0


class Limiter:
    """Counts calls of one token from one address. A limit of 0 means none. Not thread-safe."""

    def __init__(self, limit: int, clock: Callable[[], float]) -> None:
        self.limit = limit
        self.violations = 0
        self._clock = clock
        self._window_began: float | None = None
        self._used = 0
        self._violated_at: float | None = None
        self._recent: deque[float] = deque()
        self._blocked_until: float | None = None

    def blocked_for(self) -> float:
        """Seconds the address stays blocked, 0 when it is not."""
        if self._blocked_until is None:
            return 0.0
        left = self._blocked_until - self._clock()
        if left <= 0:
            self._blocked_until = None
            self.violations = 0
            return 0.0
        return left

    def spend(self, calls: int = 1, sliding: bool = False) -> LimitDecision:
        """Count calls, or refuse them when the limit is used up.

        A minute in which the limit was exceeded is one violation, however many calls were refused in it; the one
        after the third blocks the address for seven days.
        """
        if self.limit == 0:
            return LimitDecision(200, 0)
        now = self._clock()
        left_s = self._slide(now) if sliding else self._fixed(now)
        if left_s > 0:
            return self._refuse(now, left_s, sliding)
        if sliding:
            self._recent.extend([now] * calls)
            return LimitDecision(200, max(self.limit - len(self._recent), 0))
        self._used += calls
        return LimitDecision(200, max(self.limit - self._used, 0))

    def _fixed(self, now: float) -> float:
        """Seconds until the next window, if this one is used up; else 0."""
        if self._window_began is None or now - self._window_began >= WINDOW_S:
            self._window_began, self._used = now, 0
        return 0.0 if self._used < self.limit else self._window_began + WINDOW_S - now

    def _slide(self, now: float) -> float:
        """Seconds until the oldest call is a minute old, if the last minute is full; else 0."""
        while self._recent and now - self._recent[0] >= WINDOW_S:
            self._recent.popleft()
        return 0.0 if len(self._recent) < self.limit else self._recent[0] + WINDOW_S - now

    def _refuse(self, now: float, left_s: float, sliding: bool) -> LimitDecision:
        began = now - WINDOW_S if sliding or self._window_began is None else self._window_began
        if self._violated_at is None or self._violated_at < began or (sliding and self._violated_at <= began):
            self._violated_at = now
            self.violations += 1
            if self.violations > ALLOWED_VIOLATIONS:
                self._blocked_until = now + BLOCK_S
                return LimitDecision(403, 0, BLOCK_S)
        return LimitDecision(429, 0, left_s)
