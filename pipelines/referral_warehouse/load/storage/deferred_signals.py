"""Delivers signals that dlt defers until the end of its step, and loses when they arrive at its very end.

Knows no dlt. Python writes every signal to a wakeup file descriptor, whichever handler is set.
"""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

ENDING = frozenset({signal.SIGINT, signal.SIGTERM})


@contextmanager
def deferred_signals() -> Iterator[None]:
    """Raise SIGINT or SIGTERM again if one of them arrived during the block and did not end it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = socket.socketpair()
    with reader, writer:
        reader.setblocking(False)
        writer.setblocking(False)
        before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
        received = b""
        with suppress(BlockingIOError):
            received = reader.recv(64)
    for number in ENDING.intersection(received):
        signal.raise_signal(number)
