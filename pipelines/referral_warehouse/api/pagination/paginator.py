"""Reads the pages of a query: several requests at once, pages in order, and proof that no row was skipped.

Knows no table and no dlt. There are four ways to read a list, depending on what the server supports:

* ``iter_all``: every row of a list. The list is bounded by the largest id at the start (``bounded_list``).
* ``iter_matching``: the rows that meet a date filter. Rows may be added to and removed from such a list anywhere, so
  each page is requested by "id greater than the last one" (keyset pagination): rows that shift are not skipped.
* ``iter_id_range``, ``fetch_ranges``: the rows of ranges of ids, by keyset pagination alone.
* by page number, where the server ignores id filters or order: read again until a pass is proved complete
  (``page_number``), otherwise an error. ``Page.restart`` marks the first page of a new pass.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any

from referral_warehouse.api.client import Client
from referral_warehouse.api.pagination.bounded_list import RESTARTS_WITHOUT_PROGRESS, BoundedList, ContradictoryPages
from referral_warehouse.api.pagination.fallback import RequestFallback, is_query_rejected
from referral_warehouse.api.pagination.list_bound import ListBound
from referral_warehouse.api.pagination.page_number import paginate_by_number
from referral_warehouse.api.pagination.prefetch import Prefetcher
from referral_warehouse.api.query import Filter, Query
from referral_warehouse.api.responses import Page
from referral_warehouse.errors import ApiUnavailable, FilterIgnored, IncompleteList, RequestRefused

# How many pages per thread may wait for a slow one before them: at 200 kB each and 8 threads, less than 20 MB.
PAGES_AHEAD = 12
# When rows are deleted during reading, reading continues after the last id; this often at most.
MOST_CONTINUATIONS = 50


class Paginator:
    """Reads lists through one client. Use as a context manager; its threads end with it."""

    def __init__(self, client: Client, concurrency: int) -> None:
        self._client = client
        self._fallback = RequestFallback(client)
        self._prefetcher = Prefetcher(concurrency)
        self.paths_without_keyset: set[str] = set()

    def __enter__(self) -> Paginator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._prefetcher.close(wait=kind is None)

    @property
    def calls(self) -> int:
        """How many requests the client has sent so far."""
        return self._client.calls

    def fetch_page(self, query: Query) -> Page:
        """One page of a list. Raises: RequestRefused, BadEnvelope."""
        return self._fallback.page(query)

    def count(self, query: Query) -> int | None:
        """The server's count of a query (one call), or None where it reports no total or does not filter."""
        page = self._or_none(replace(query, relations=(), order=None, per_page=1, page=1))
        if page is None:
            return None
        return page.total if page.total is not None or page.rows else 0

    def fetch_object(self, query: Query) -> dict[str, Any]:
        """The object of a single response. Raises: RequestRefused (404 when it does not exist), BadEnvelope."""
        return self._fallback.single(query)

    def fetch_objects(self, queries: Iterable[Query | None]) -> Iterator[dict[str, Any] | None]:
        """The objects of single responses, in order; None for a refused one and where the query is None."""
        return self._prefetcher.in_order(partial(self._object_or_none, query) for query in queries)

    def _object_or_none(self, query: Query | None) -> dict[str, Any] | None:
        try:
            return None if query is None else self.fetch_object(query)
        except RequestRefused:
            return None

    # -- whole lists ----------------------------------------------------------------------------------------------

    def iter_all(self, query: Query, after: int | None = None) -> Iterator[Page]:
        """Every row of a list (with an id above ``after``), by ascending id where the server supports it.

        Raises: IncompleteList when completeness cannot be shown.
        """
        query = replace(query, order="id", direction="asc", page=1)
        if query.path in self.paths_without_keyset:
            yield from self._by_number(query, ids_only_grow=True)
            return
        for _ in range(MOST_CONTINUATIONS):
            after = yield from self._iter_all_once(query, after)
            if after is None:
                return
        raise IncompleteList(f"{query.path}: rows are deleted from the list as fast as it is read.")

    def _iter_all_once(self, query: Query, after: int | None) -> Generator[Page, None, int | None]:
        """Every row with an id above ``after``; returns the id to continue after, where rows were deleted meanwhile."""
        start = query if after is None else query.where(Filter("id", "gt", after))
        first = self._or_none(start)
        if first is None or not self._in_order(first, query, after):
            yield from self._without_id_filters(query)
            return None
        if first.is_all:
            yield first
            return None
        newest = self.fetch_page(replace(start, direction="desc", per_page=2))
        ids, last_ids = first.ids(), newest.ids()
        top = max(last_ids, default=0)
        if not ids or top <= ids[-1] or last_ids != sorted(last_ids, reverse=True):
            yield from self._without_id_filters(query)
            return None
        bounded = query.where(Filter("id", "lte", top))
        second = self._or_none(bounded.where(Filter("id", "gt", ids[-1])))
        if second is None or not second.is_ascending(ids[-1], top):
            yield from self._without_id_filters(query)
            return None
        read = len(set(ids))
        yield first
        try:
            for page in BoundedList(self.fetch_page, self._ahead).pages(bounded, ids[-1], top, second):
                read += len(set(page.ids()))
                yield page
        except ContradictoryPages:
            # A single id out of order is enough; when read by page number, it concerns one record.
            yield from self._without_id_filters(query, restart=True)
            return None
        if newest.total is None or read >= newest.total:
            return None
        # Rows were deleted meanwhile, or the order is not by id and rows were skipped.
        left = self.count(start.where(Filter("id", "lte", top)))
        if left is not None and left > read:
            yield from self._without_id_filters(query, restart=True)
            return None
        return top

    def iter_id_range(self, query: Query, above: int | None, upto: int) -> Iterator[Page]:
        """Every row with an id above ``above`` (None: from the start) up to and including ``upto``.

        Raises: FilterIgnored when the server does not filter or order by id, IncompleteList when rows are deleted
        meanwhile.
        """
        query = replace(query, order="id", direction="asc", page=1).where(Filter("id", "lte", upto))
        total: int | None = None
        read = 0
        bound = ListBound(query.path)
        while True:
            page = self._or_none(query if above is None else query.where(Filter("id", "gt", above)))
            if page is None or not page.is_ascending(above, upto) or not self._in_order(page, query, above):
                raise self._ignored(query, query.filters[0], "it returned rows outside the filter or out of order")
            bound.add(page)
            read += len(page.rows)
            total = read if total is None and page.is_all else page.total if total is None else total
            yield page
            if page.is_all:
                break
            if not page.ids():
                raise IncompleteList(f"{query.path}: a page is empty although the server counts {page.total} rows.")
            above = max(page.ids())
        if total is None or read < total:
            raise IncompleteList(f"{query.path}: rows up to id {upto} were deleted while they were read.")

    def iter_ids(self, query: Query, ids: Sequence[int]) -> Iterator[Page]:
        """The rows with the given ids, and their neighbours: each page begins at the first id not covered yet.

        Takes at most one call an id, and no more calls than reading the whole list.

        Args:
            query: the list.
            ids: the ids, ascending.

        Raises: FilterIgnored when the server does not filter or order by id.
        """
        query = replace(query, order="id", direction="asc", page=1)
        covered: int | None = None
        for identifier in ids:
            if covered is not None and identifier <= covered:
                continue
            condition = Filter("id", "gt", identifier - 1)
            page = self._or_none(query.where(condition))
            if page is None or not self._in_order(page, query, identifier - 1):
                raise self._ignored(query, condition, "rows outside it or out of order came back")
            yield page
            if page.is_all or not page.ids():
                return
            covered = max(page.ids())

    def fetch_ranges(self, query: Query, ranges: Sequence[tuple[int | None, int]]) -> Iterator[Page]:
        """The first page of each range of ids, in order: above the first id (None: from the start), up to the second.

        Takes one call a range. Raises: FilterIgnored when the server does not filter or order by id.
        """
        query = replace(query, order="id", direction="asc", page=1)
        for group in (ranges[:1], ranges[1:]):  # one alone, which shows whether the server filters
            bounded = [
                query.where(Filter("id", "lte", upto), *([] if above is None else [Filter("id", "gt", above)]))
                for above, upto in group
            ]
            pages = self._prefetcher.in_order(partial(self._or_none, part) for part in bounded)
            for part, (above, upto), page in zip(bounded, group, pages, strict=True):
                if page is None or not page.is_ascending(above, upto) or not self._in_order(page, part, above):
                    raise self._ignored(part, part.filters[0], "it returned rows outside the filter or out of order")
                yield page

    def _in_order(self, page: Page, query: Query, above: int | None) -> bool:
        return page.is_ascending(above, None) and (page.is_all or self._fallback.supports_order(query.path))

    def _ahead(self, query: Query, first: int, last: int) -> Iterator[tuple[int, Page]]:
        """Pages ``first`` to ``last`` with their numbers; decoded only when they are used."""
        numbers = range(first, last + 1)
        requests = (partial(self._fallback.begin, query.with_page(number)) for number in numbers)
        for number, decode in zip(numbers, self._prefetcher.in_order(requests, PAGES_AHEAD), strict=False):
            yield number, decode()

    # -- incremental queries ------------------------------------------------------------------------------------------

    def iter_matching(
        self,
        query: Query,
        condition: Filter,
        matches: Callable[[Any], bool],
        is_enough: Callable[[Page], bool] | None = None,
    ) -> Iterator[Page]:
        """The rows that meet a condition; ``matches`` returns whether a row meets it.

        ``is_enough`` is called with the first page and returns whether the other pages are known already.

        Raises: FilterIgnored when the server refuses the filter, or rows show that it did not filter; IncompleteList.
        """
        query = replace(query, order="id", direction="asc", page=1).where(condition)
        anchor: int | None = None
        total: int | None = None
        read = stuck = 0
        bound = ListBound(query.path)
        while True:
            page = self._or_none(query if anchor is None else query.where(Filter("id", "gt", anchor)))
            if page is None and anchor is None:
                raise self._ignored(query, condition, "it refused the filter")
            if page is None or not self._in_order(page, query, anchor):
                break
            self._check_matches(page, matches, query, condition)
            if page.total and not page.rows:
                stuck += 1
                if stuck >= RESTARTS_WITHOUT_PROGRESS:
                    raise IncompleteList(f"{query.path}: a page is empty although the server counts {page.total} rows.")
                continue
            bound.add(page)
            yield page
            if anchor is None:
                total = page.total
                if page.is_all or (is_enough is not None and is_enough(page)):
                    return
            read += len(set(page.ids()))
            if not page.rows or page.is_all:
                if total is None or read >= total:
                    return
                break  # rows no longer match, or the order is not by id and rows were skipped
            if not page.ids():
                break
            anchor = max(page.ids())
        for page in self._by_number(query, ids_only_grow=False):
            self._check_matches(page, matches, query, condition)
            yield page

    def _check_matches(self, page: Page, matches: Callable[[Any], bool], query: Query, condition: Filter) -> None:
        if not all(map(matches, page.rows)):
            raise self._ignored(query, condition, "it returned rows outside the filter")

    def _ignored(self, query: Query, condition: Filter, how: str) -> FilterIgnored:
        """The error of an ignored filter; one on ids is remembered, because pagination and counts depend on it too."""
        if condition.field == "id":
            self.paths_without_keyset.add(query.path)
        what = f"the filter {condition.field} {condition.operator}"
        return FilterIgnored(f"{query.path}: the server did not apply {what}: {how}.")

    # -- by page number alone -------------------------------------------------------------------------------------

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

    def _without_id_filters(self, query: Query, *, restart: bool = False) -> Iterator[Page]:
        self.paths_without_keyset.add(query.path)
        yield from self._by_number(query, ids_only_grow=True, restart=restart)

    def _by_number(self, query: Query, *, ids_only_grow: bool, restart: bool = False) -> Iterator[Page]:
        return paginate_by_number(self.fetch_page, self._ahead, query, ids_only_grow=ids_only_grow, restart=restart)
