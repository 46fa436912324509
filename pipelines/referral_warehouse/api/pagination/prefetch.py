"""Runs independent calls in a bounded number of threads and returns their results in the order of the calls.

Knows no server, page or query. Memory is bounded by the number of waiting results, never by the length that a list
reports. Calls go on while the consumer is busy, with a commit for instance.
Several consumers, each in a thread of its own, may share the threads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Semaphore
from typing import TypeVar

from referral_warehouse.api.concurrency_limit import ConcurrencyLimit

T = TypeVar("T")


class Prefetcher:
    """The threads of one paginator. Each consumer has as many calls in progress as may be in flight now."""

    def __init__(self, concurrency: ConcurrencyLimit) -> None:
        self._concurrency = concurrency
        self._threads = ThreadPoolExecutor(concurrency.most, thread_name_prefix="api")

    def close(self, *, wait: bool) -> None:
        """Start no further call; with ``wait``, return when those in progress have ended."""
        self._threads.shutdown(wait=wait, cancel_futures=True)

    def in_order(self, calls: Iterable[Callable[[], T]], results_ahead: int = 0) -> Iterator[T]:
        """The results of calls, each as soon as those before it were consumed.

        No call may wait for another one of the same prefetcher: if every thread did, none would ever end.

        Args:
            calls: taken one by one, in the consumer's thread.
            results_ahead: the most results, waiting or in progress; one for each call that may be in flight, if these
                are more. So many may be behind the next one in order while that one is slow, so that one slow call
                delays no other call. While the consumer is busy, it is one for each call that may be in flight, and as
                many as were taken so far: a consumer that stops early at most doubles the number of calls.

        Raises: what the next call in order raised; calls that have not begun are then cancelled.
        """
        source = iter(calls)
        pending: deque[Future[T]] = deque()
        in_progress = CallsInProgress()
        taken = 0

        def submit(call: Callable[[], T]) -> None:
            pending.append(in_progress.watched(self._threads.submit(call)))

        try:
            while True:
                at_once = self._concurrency.now
                is_first_slow = bool(pending) and not pending[0].done()
                most = max(at_once, results_ahead) if is_first_slow else at_once
                while len(pending) < most and in_progress.count < at_once and (call := next(source, None)) is not None:
                    submit(call)
                if not pending:
                    return
                if pending[0].done():
                    result = pending.popleft().result()
                    taken += 1
                    at_once = self._concurrency.now
                    most = min(at_once + taken, max(at_once, results_ahead))
                    while len(pending) < most and (call := next(source, None)) is not None:
                        submit(call)
                    yield result
                else:
                    in_progress.wait()
        finally:
            for future in pending:
                future.cancel()


class CallsInProgress:
    """Counts the calls of one consumer that are in progress: to check each future takes as long as a small response."""

    def __init__(self) -> None:
        self._submitted = 0
        self._ended: deque[None] = deque()  # its length may be read while other threads append
        self._ends = Semaphore(0)  # one for each call that ended or was cancelled, less one for each wait

    @property
    def count(self) -> int:
        return self._submitted - len(self._ended)

    def watched(self, future: Future[T]) -> Future[T]:
        """Count a call that was submitted, until it ends."""
        self._submitted += 1
        future.add_done_callback(self._note_end)
        return future

    def wait(self) -> None:
        """Return when a call has ended, at once where one has ended since the last wait."""
        self._ends.acquire()

    def _note_end(self, _future: object) -> None:
        self._ended.append(None)
        self._ends.release()
