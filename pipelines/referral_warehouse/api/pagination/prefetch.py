"""Runs independent calls in a fixed number of threads and returns their results in the order of the calls.

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

T = TypeVar("T")


class Prefetcher:
    """The threads of one paginator. ``concurrency`` is the number of calls in progress at most."""

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="api")

    def close(self, *, wait: bool) -> None:
        """Start no further call; with ``wait``, return when those in progress have ended."""
        self._threads.shutdown(wait=wait, cancel_futures=True)

    def in_order(self, calls: Iterable[Callable[[], T]], results_per_thread: int = 1) -> Iterator[T]:
        """The results of calls, each as soon as those before it were consumed.

        No call may wait for another one of the same prefetcher: in the end every thread could wait.

        Args:
            calls: taken one by one, in the consumer's thread.
            results_per_thread: how many results may wait per thread, while the next one in order is slow (one slow call
                delays its own result and no other) and while the consumer is busy. For a busy consumer, a quarter of
                the results that it took may wait beyond one a thread: who stops early has caused few calls in vain.

        Raises: what the next call in order raised; calls that have not begun are then cancelled.
        """
        source = iter(calls)
        pending: deque[Future[T]] = deque()
        ended = Semaphore(0)  # one for each call that ended or was cancelled since the last wait, or before
        taken = 0

        def submit(call: Callable[[], T]) -> Future[T]:
            future = self._threads.submit(call)
            future.add_done_callback(lambda _: ended.release())
            pending.append(future)
            return future

        try:
            while True:
                self._submit(source, pending, submit, results_per_thread)
                if not pending:
                    return
                if pending[0].done():
                    result = pending.popleft().result()
                    taken += 1
                    most = min(self._concurrency + taken // 4, self._concurrency * results_per_thread)
                    while len(pending) < most and (call := next(source, None)) is not None:
                        submit(call)
                    yield result
                else:
                    ended.acquire()
        finally:
            for future in pending:
                future.cancel()

    def _submit(
        self,
        source: Iterator[Callable[[], T]],
        pending: deque[Future[T]],
        submit: Callable[[Callable[[], T]], Future[T]],
        results_per_thread: int,
    ) -> None:
        """Submit as many calls as may begin now."""
        in_progress = {future for future in pending if not future.done()}
        is_first_slow = bool(pending) and pending[0] in in_progress
        most = self._concurrency * (results_per_thread if is_first_slow else 1)
        while len(pending) < most and len(in_progress) < self._concurrency:
            call = next(source, None)
            if call is None:
                break
            in_progress.add(submit(call))
