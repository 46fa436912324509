"""A token that opens nothing, and a clock that only sleeping moves."""

from __future__ import annotations

import threading

TOKEN = "tok-0123456789-secret"


class FakeTime:
    """A clock that moves when somebody sleeps. Safe for several threads."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self.now += seconds
