"""Pages of one list by number, several calls under way at once, handed over in their order.

Knows no server: it is given threads, and a way to send a question now and to read its answer later. Nothing is set
aside by what a list says of its length.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from referral_warehouse.api.query import Query
from referral_warehouse.api.responses import Page

# How many pages a thread may have fetched beyond one that is slow: at some 200 kB each and 8 threads, under 20 MB.
PAGES_HELD = 12


def fetch_ahead(
    threads: ThreadPoolExecutor,
    concurrency: int,
    begin: Callable[[Query], Callable[[], Page]],
    query: Query,
    first: int,
    last: int,
) -> Iterator[tuple[int, Page]]:
    """Pages ``first`` to ``last`` in order, at most ``concurrency`` of them under way.

    While the page whose turn it is is slow, others are fetched beyond it, up to a bound: one slow call holds its
    own page and nothing else.

    They wait as bytes and are decoded here, when their turn comes: a page of rows is large, and reading it where
    it is used keeps it in the processor's cache and the other threads out of the way.
    """
    waiting: deque[tuple[int, Future[Callable[[], Page]]]] = deque()
    number = first
    try:
        while number <= last or waiting:
            open_calls = {future for _, future in waiting if not future.done()}
            is_held = bool(waiting) and waiting[0][1] in open_calls
            room = concurrency * (PAGES_HELD if is_held else 1) - len(waiting)
            while number <= last and room > 0 and len(open_calls) < concurrency:
                future = threads.submit(begin, query.with_page(number))
                waiting.append((number, future))
                open_calls.add(future)
                number += 1
                room -= 1
            if not waiting[0][1].done():
                wait(open_calls, return_when=FIRST_COMPLETED)
                continue
            at, future = waiting.popleft()
            yield at, future.result()()
    finally:
        for _, future in waiting:
            future.cancel()
