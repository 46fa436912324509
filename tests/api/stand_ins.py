"""A token of no account, a clock that only ``sleep`` advances, and calls that are within the budget."""

from __future__ import annotations

import threading

from referral_warehouse.api.rate_limit.store import CallStore

TOKEN = "tok-0123456789-secret"


class FakeTime:
    """A clock that only ``sleep`` advances. Safe for several threads."""

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


def taken(call_store: CallStore, capacity: int = 3) -> int:
    """The number of a call that was taken and may be sent at once."""
    number = call_store.take(capacity, 30.0, lambda _: 0.0).seq
    assert number is not None
    return number
