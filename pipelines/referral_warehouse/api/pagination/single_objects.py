"""Single objects by their addresses: several questions under way, answers in the order of the questions.

Knows no client: it is given a way to ask and threads to ask in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from referral_warehouse.api.query import Query
from referral_warehouse.errors import RequestRefused

Single = dict[str, Any] | None


def fetch_each(
    threads: ThreadPoolExecutor,
    concurrency: int,
    ask: Callable[[Query], dict[str, Any]],
    queries: Iterable[Query | None],
) -> Iterator[Single]:
    """What ``ask`` gives for each query; None where it is refused (404: not there) and where there is no query."""

    def answer(query: Query | None) -> Single:
        try:
            return None if query is None else ask(query)
        except RequestRefused:
            return None

    waiting: deque[Future[Single]] = deque()
    for query in queries:
        waiting.append(threads.submit(answer, query))
        if len(waiting) >= concurrency:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
