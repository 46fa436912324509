"""Signals that end a command: they raise an exception while it works, and end the process at once afterwards.

Signals that the parent process ignores stay ignored.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGXCPU)
AGAIN_AFTER_S = 0.02


class Terminated(BaseException):
    """A signal that ends a command, through every ``finally``.

    Raised for Ctrl-C as well: libraries handle KeyboardInterrupt in their own ways.
    """

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__(number)
        self.signal_code = number


def raise_on_signals() -> None:
    """Raise Terminated for every signal from now on.

    Signals that were ignored at the start are also blocked, because libraries that temporarily replace handlers would
    receive them.
    """
    ignored = {number for number in ENDING if signal.getsignal(number) == signal.SIG_IGN}
    signal.pthread_sigmask(signal.SIG_BLOCK, ignored)
    sys.unraisablehook = _raise_again
    for number in ENDING:
        if number not in ignored:
            signal.signal(number, _terminate)


def end_on_signals(code: int | None = None) -> None:
    """End the process at once for every signal from now on: the command has done its work.

    Args: ``code`` is the exit code of the command; None for that of the signal.
    """

    def end(number: int, _frame: FrameType | None) -> None:
        os._exit(128 + number if code is None else code)

    for number in ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, end)


def _raise_again(unraisable: sys.UnraisableHookArgs) -> None:
    """Raise a signal again that arrived in a destructor, where exceptions are lost."""
    lost = unraisable.exc_value
    if not isinstance(lost, (KeyboardInterrupt, Terminated)):
        sys.__unraisablehook__(unraisable)
        return
    number = lost.signal_code if isinstance(lost, Terminated) else signal.SIGINT
    signal.signal(signal.SIGALRM, lambda _alarm, _frame: signal.raise_signal(number))
    signal.setitimer(signal.ITIMER_REAL, AGAIN_AFTER_S)


def _terminate(number: int, _frame: FrameType | None) -> None:
    raise Terminated(number)
