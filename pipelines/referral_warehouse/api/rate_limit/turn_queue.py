"""Gives the threads of one process their turns, first come, first served.

Knows nothing of calls, nor what a thread does in its turn.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice


def _one() -> int:
    return 1


class TurnQueue:
    """Thread-safe. Its length is the number of threads that have or wait for a turn.

    Args:
        at_once: returns how many threads may have a turn now. When the number decreases, more threads keep their turns
            until these end.
    """

    def __init__(self, at_once: Callable[[], int] = _one) -> None:
        self._at_once = at_once
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the turn and keep it until the ``with`` block ends, also by an exception."""
        turn = threading.Event()
        with self._lock:
            self._waiting.append(turn)
            self._give()
        try:
            turn.wait()
            yield
        finally:
            with self._lock:
                self._waiting.remove(turn)
                self._give()

    def _give(self) -> None:
        for turn in islice(self._waiting, self._at_once()):
            turn.set()
