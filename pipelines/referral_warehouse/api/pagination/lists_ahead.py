"""Reads complete lists in a thread of their own, while the caller reads another one.

Knows no server and no query. The lists of one ``ListsAhead`` are read one after the other, each from its beginning; the
number of rows that wait for the caller is bounded, so that reading a long list pauses until its rows are used.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from referral_warehouse.api.responses import Page

ROWS_AHEAD = 6_000
"""So many rows may wait: 24 pages of 250, about 15 MB. The page that reaches the number is the last one."""


class _Closed(Exception):
    """The reader was closed: no more rows are needed."""


class ListsAhead:
    """The lists of one thread, from ``start`` on.

    Args:
        lists: make the pages of each list, in the thread, when the lists before it were read completely.
        most_rows: how many rows may wait.
    """

    def __init__(self, lists: Sequence[Callable[[], Iterator[Page]]], most_rows: int = ROWS_AHEAD) -> None:
        self._lists = lists
        self._most_rows = most_rows
        self._changed = threading.Condition()
        self._waiting = [deque[Page]() for _ in lists]
        self._rows = 0
        self._complete_count = 0
        self._error: BaseException | None = None
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="lists ahead")

    def start(self) -> None:
        """Begin with the first list."""
        self._thread.start()

    def pages(self, number: int) -> Iterator[Page]:
        """The pages of a list, in order; waits for them. The lists before it must have been used.

        Raises: what reading it raised, after the pages before that.
        """
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting[number] or self._is_over(number))
                if not self._waiting[number]:
                    if self._complete_count <= number and self._error is not None:
                        raise self._error
                    return
                page = self._waiting[number].popleft()
                self._rows -= len(page.rows)
                self._changed.notify_all()
            yield page

    def close(self) -> None:
        """Read nothing more; a call that is in progress ends by itself."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def join(self) -> None:
        """Wait until the thread has ended."""
        self._thread.join()

    def _is_over(self, number: int) -> bool:
        return self._complete_count > number or self._error is not None

    def _run(self) -> None:
        try:
            for number, pages in enumerate(self._lists):
                for page in pages():
                    self._put(number, page)
                with self._changed:
                    self._complete_count += 1
                    self._changed.notify_all()
        except BaseException as error:  # raised where the list is used
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _put(self, number: int, page: Page) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self._rows < self._most_rows)
            if self._is_closed:
                raise _Closed
            self._waiting[number].append(page)
            self._rows += len(page.rows)
            self._changed.notify_all()
