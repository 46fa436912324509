"""Single requests to the lists and objects of the API, and several of them at once.

Where one request does not depend on the result of another, they are sent together: nothing is looked up in a loop, one
after the other. Knows pages and counts; how a list is read completely is in ``paginator``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from referral_warehouse.api.client import Client
from referral_warehouse.api.pagination.fallback import RequestFallback, is_query_rejected
from referral_warehouse.api.pagination.lists_ahead import ListsAhead
from referral_warehouse.api.pagination.prefetch import Prefetcher
from referral_warehouse.api.query import Purpose, Query
from referral_warehouse.api.responses import Page
from referral_warehouse.errors import ApiUnavailable, RequestRefused

# How many results may wait for a slow one before them.
RESULTS_AHEAD = 96
T = TypeVar("T")


class Lookups:
    """Sends requests through one client. Use as a context manager; its threads end with it.

    Attributes:
        calls_left: how many pages are left of the list that is being read; 0 where none is, or where the number is
        unknown.
        unsent: how many of them were not requested yet; None where no list is read, or where the number is unknown.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._fallback = RequestFallback(client)
        self._prefetcher = Prefetcher(client.concurrency)
        self._ahead_of_use: list[ListsAhead] = []
        self.calls_left = 0
        self.unsent: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.end_lists()
        for ahead in self._ahead_of_use:
            ahead.close()
        self._prefetcher.close(wait=kind is None)

    @property
    def calls(self) -> int:
        """How many requests the client has sent so far."""
        return self._client.calls

    @property
    def concurrency(self) -> int:
        """How many requests may be in flight now."""
        return self._client.concurrency.now

    def sent(self, counted_apart: str = "") -> Counter[Purpose]:
        """How many requests the client has sent so far, by what they were for; those counted apart, or the others."""
        return self._client.sent(counted_apart)

    def end_lists(self) -> None:
        """Stop reading the lists that were begun before their use; returns when no request of them is in progress."""
        for ahead in self._ahead_of_use:
            ahead.close()
        for ahead in self._ahead_of_use:
            ahead.join()
        self._ahead_of_use.clear()

    def fetch_page(self, query: Query) -> Page:
        """One page of a list. Raises: RequestRefused, BadEnvelope."""
        return self._fallback.page(query)

    def count(self, query: Query) -> int | None:
        """The server's count of a query (one call), or None where it reports no total or does not filter."""
        counted = replace(query, relations=(), order=None, per_page=1, page=1, purpose=Purpose.COUNT)
        page = self._or_none(counted)
        if page is None:
            return None
        return page.total if page.total is not None or page.rows else 0

    def fetch_object(self, query: Query) -> dict[str, Any]:
        """The object of a single response. Raises: RequestRefused (404 when it does not exist), BadEnvelope."""
        return self._fallback.single(query.with_purpose(Purpose.NAME))

    def together(self, lookups: Iterable[Callable[[], T]]) -> Iterator[T]:
        """The results of lookups that do not depend on each other, in their order, sent within the concurrency.

        A lookup sends one request after the other (``fetch_page``, ``count``, ``fetch_object``, ``iter_id_range``); it
        runs in a thread of the paginator, so that it must not use ``together``, nor what reads pages ahead.

        Raises: what the next lookup in order raised; those that have not begun are not sent then.
        """
        return self._prefetcher.in_order(lookups, RESULTS_AHEAD)

    def counts(self, queries: Iterable[Query]) -> list[int | None]:
        """The server's counts of several queries, as ``count`` returns them."""
        return list(self.together(partial(self.count, query) for query in queries))

    def fetch_objects(self, queries: Iterable[Query | None]) -> Iterator[dict[str, Any] | None]:
        """The objects of single responses, in order; None for a refused one and where the query is None."""
        return self.together(partial(self._object_or_none, query) for query in queries)

    def _object_or_none(self, query: Query | None) -> dict[str, Any] | None:
        try:
            return None if query is None else self.fetch_object(query)
        except RequestRefused:
            return None

    def _or_none(self, query: Query) -> Page | None:
        """A page, or None where the server does not accept the filters."""
        try:
            return self.fetch_page(query)
        except (RequestRefused, ApiUnavailable) as refused:
            if not query.filters or not is_query_rejected(refused):
                raise
            if isinstance(refused, ApiUnavailable):
                self.fetch_page(replace(query, filters=(), page=1))  # raises where the API is not available at all
            return None
