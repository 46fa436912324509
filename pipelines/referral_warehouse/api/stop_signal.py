"""Ends the work of all threads of one client: on request, or because of an error that concerns every call.

Knows no HTTP and no call; it is checked before and after everything that takes time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from referral_warehouse.errors import ApiError, ReferralsError


class StopSignal:
    """Thread-safe. ``sleep`` replaces the sleep that ``stop`` interrupts."""

    def __init__(self, sleep: Callable[[float], object] | None = None) -> None:
        self._stopped = threading.Event()
        self._sleep = self._stopped.wait if sleep is None else sleep
        self._error: ReferralsError | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """End every sleep; every check raises ApiError from now on."""
        self._stopped.set()

    def fail_with(self, error: ReferralsError) -> None:
        """Let every check raise this error from now on: all other calls would fail in the same way."""
        self._error = error

    def check(self) -> None:
        """Raises: the error of ``fail_with``; ApiError after ``stop``."""
        if self._error is not None:
            # A new instance for each thread: the same message without the traceback of another thread.
            raise type(self._error)(self._error.message, self._error.next_step)
        if self.is_stopped:
            raise ApiError("The run was stopped.")

    def sleep(self, seconds: float) -> None:
        """Sleep, unless there is a reason to stop. Raises: as ``check``."""
        self.check()
        self._sleep(seconds)
        self.check()
