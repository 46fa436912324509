"""Delivers signals that would be lost: at the very end of a step of dlt, which defers them, and during imports.

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


@contextmanager
def held_signals() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait until the block has ended, for imports.

    An exception that a handler raises inside an import may be replaced by another one, and DuckDB discards it where it
    imports something itself.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    handlers = {number: handler for number in ENDING if callable(handler := signal.getsignal(number))}
    for number in handlers:
        signal.signal(number, lambda arrived, _frame: received.append(arrived))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for found in dict.fromkeys(received):
        signal.raise_signal(found)
