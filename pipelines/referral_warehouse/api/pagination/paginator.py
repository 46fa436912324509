"""Reads the pages of a query: several requests at once, pages in order, and proof that no row was skipped.

Knows no table and no dlt. There are four ways to read a list, chosen by what the server honours:

* ``iter_all``: every row of a list. The list is bounded by the largest id at the start (``bounded_list``).
* ``iter_matching``: the rows that meet a date filter. Rows may enter and leave such a list anywhere, so each page is
  requested by "id greater than the last one" (keyset pagination): rows that shift are not skipped.
* ``iter_id_range``: the rows of a range of ids, page after page, with no other way to fall back to.
* by page number, where the server ignores id filters or order: read again until a pass is shown to be complete
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
from referral_warehouse.errors import ApiUnavailable, FilterIgnored, IncompleteWalk, RequestRefused

# How many pages per thread may be fetched beyond one that is slow: at 200 kB each and 8 threads, under 20 MB.
PAGES_HELD = 12
# A list that rows leave while it is read is read on from where it was; this often, it is not read but chased.
MOST_CONTINUATIONS = 50


class Paginator:
    """Walks lists through one client. Use as a context manager; its threads end with it."""

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
        """How many rows the server counts for a query (one call), or None where it does not tell or not filter."""
        page = self._or_none(replace(query, relations=(), order=None, per_page=1, page=1))
        if page is None:
            return None
        return page.total if page.total is not None or page.rows else 0

    def fetch_object(self, query: Query) -> dict[str, Any]:
        """The object of a single answer. Raises: RequestRefused (404 when it is not there), BadEnvelope."""
        return self._fallback.single(query)

    def fetch_objects(self, queries: Iterable[Query | None]) -> Iterator[dict[str, Any] | None]:
        """The objects of single answers, in order; None for a refused one and for no question."""
        return self._prefetcher.in_order(partial(self._object_or_none, query) for query in queries)

    def _object_or_none(self, query: Query | None) -> dict[str, Any] | None:
        try:
            return None if query is None else self.fetch_object(query)
        except RequestRefused:
            return None

    # -- whole lists ----------------------------------------------------------------------------------------------

    def iter_all(self, query: Query, after: int | None = None) -> Iterator[Page]:
        """Every row of a list (with an id above ``after``), by ascending id where the server can.

        Raises: IncompleteWalk when completeness cannot be shown.
        """
        query = replace(query, order="id", direction="asc", page=1)
        if query.path in self.paths_without_keyset:
            yield from self._by_number(query, ids_only_grow=True)
            return
        for _ in range(MOST_CONTINUATIONS):
            after = yield from self._whole_once(query, after)
            if after is None:
                return
        raise IncompleteWalk(f"{query.path}: rows leave the list as fast as it is read.")

    def _whole_once(self, query: Query, after: int | None) -> Generator[Page, None, int | None]:
        """Every row with an id above ``after``; gives the id to go on from where rows left meanwhile."""
        start = query if after is None else query.where(Filter("id", "gt", after))
        first = self._or_none(start)
        if first is None or not self._in_order(first, query, after):
            yield from self._give_up_ids(query)
            return None
        if first.is_all:
            yield first
            return None
        newest = self.fetch_page(replace(start, direction="desc", per_page=2))
        ids, last_ids = first.ids(), newest.ids()
        top = max(last_ids, default=0)
        if not ids or top <= ids[-1] or last_ids != sorted(last_ids, reverse=True):
            yield from self._give_up_ids(query)
            return None
        bounded = query.where(Filter("id", "lte", top))
        second = self._or_none(bounded.where(Filter("id", "gt", ids[-1])))
        if second is None or not second.rises(ids[-1], top):
            yield from self._give_up_ids(query)
            return None
        held = len(set(ids))
        yield first
        try:
            for page in BoundedList(self.fetch_page, self._ahead).pages(bounded, ids[-1], top, second):
                held += len(set(page.ids()))
                yield page
        except ContradictoryPages:
            # One id out of its place is enough; read by page number, it is one record's problem.
            yield from self._give_up_ids(query, restart=True)
            return None
        if newest.total is None or held >= newest.total:
            return None
        # Rows were deleted meanwhile, or the order is another than it looked page by page and rows were skipped.
        left = self.count(start.where(Filter("id", "lte", top)))
        if left is not None and left > held:
            yield from self._give_up_ids(query, restart=True)
            return None
        return top

    def iter_id_range(self, query: Query, above: int | None, upto: int) -> Iterator[Page]:
        """Every row with an id above ``above`` (None: from the start) up to and including ``upto``.

        Raises: FilterIgnored when the server does not filter or order by id, IncompleteWalk when rows left meanwhile.
        """
        query = replace(query, order="id", direction="asc", page=1).where(Filter("id", "lte", upto))
        total: int | None = None
        held = 0
        bound = ListBound(query.path)
        while True:
            page = self._or_none(query if above is None else query.where(Filter("id", "gt", above)))
            if page is None or not page.rises(above, upto) or not self._in_order(page, query, above):
                raise self._ignored(query, query.filters[0], "rows outside it or out of order came back")
            bound.take(page)
            held += len(page.rows)
            total = held if total is None and page.is_all else page.total if total is None else total
            yield page
            if page.is_all:
                break
            if not page.ids():
                raise IncompleteWalk(f"{query.path}: a page is empty although the server counts {page.total} rows.")
            above = max(page.ids())
        if total is None or held < total:
            raise IncompleteWalk(f"{query.path}: rows left the ids up to {upto} while they were read.")

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

    def _in_order(self, page: Page, query: Query, above: int | None) -> bool:
        return page.rises(above, None) and (page.is_all or self._fallback.orders(query.path))

    def _ahead(self, query: Query, first: int, last: int) -> Iterator[tuple[int, Page]]:
        """Pages ``first`` to ``last`` with their numbers; they wait as bytes and are decoded where they are used."""
        numbers = range(first, last + 1)
        requests = (partial(self._fallback.begin, query.with_page(number)) for number in numbers)
        for number, decode in zip(numbers, self._prefetcher.in_order(requests, PAGES_HELD), strict=False):
            yield number, decode()

    # -- lanes ----------------------------------------------------------------------------------------------------

    def iter_matching(
        self,
        query: Query,
        condition: Filter,
        honours: Callable[[Any], bool],
        enough: Callable[[Page], bool] | None = None,
    ) -> Iterator[Page]:
        """The rows that meet a condition; ``honours`` tells for a row whether the server may have sent it.

        ``enough`` is asked after the first page whether the rest is known already.

        Raises: FilterIgnored when the server refuses the filter, or rows show that it did not filter; IncompleteWalk.
        """
        query = replace(query, order="id", direction="asc", page=1).where(condition)
        anchor: int | None = None
        total: int | None = None
        held = stuck = 0
        bound = ListBound(query.path)
        while True:
            page = self._or_none(query if anchor is None else query.where(Filter("id", "gt", anchor)))
            if page is None and anchor is None:
                raise self._ignored(query, condition, "it refuses it")
            if page is None or not self._in_order(page, query, anchor):
                break
            self._must_honour(page, honours, query, condition)
            if page.total and not page.rows:
                stuck += 1
                if stuck >= RESTARTS_WITHOUT_PROGRESS:
                    raise IncompleteWalk(f"{query.path}: a page is empty although the server counts {page.total} rows.")
                continue
            bound.take(page)
            yield page
            if anchor is None:
                total = page.total
                if page.is_all or (enough is not None and enough(page)):
                    return
            held += len(set(page.ids()))
            if not page.rows or page.is_all:
                if total is None or held >= total:
                    return
                break  # rows left the lane meanwhile, or the order is another and rows were skipped
            if not page.ids():
                break
            anchor = max(page.ids())
        for page in self._by_number(query, ids_only_grow=False):
            self._must_honour(page, honours, query, condition)
            yield page

    def _must_honour(self, page: Page, honours: Callable[[Any], bool], query: Query, condition: Filter) -> None:
        if not all(map(honours, page.rows)):
            raise self._ignored(query, condition, "rows outside it came back")

    def _ignored(self, query: Query, condition: Filter, how: str) -> FilterIgnored:
        """The refusal of a filter; one on ids is remembered, because walks and counts rest on it too."""
        if condition.field == "id":
            self.paths_without_keyset.add(query.path)
        what = f"the filter {condition.field} {condition.operator}"
        return FilterIgnored(f"{query.path}: the server did not honour {what}: {how}.")

    # -- by page number alone -------------------------------------------------------------------------------------

    def _or_none(self, query: Query) -> Page | None:
        """A page, or None where the server does not take the filters."""
        try:
            return self.fetch_page(query)
        except (RequestRefused, ApiUnavailable) as refused:
            if not query.filters or not is_query_rejected(refused):
                raise
            if isinstance(refused, ApiUnavailable):
                self.fetch_page(replace(query, filters=(), page=1))  # raises where the API answers nothing at all
            return None

    def _give_up_ids(self, query: Query, *, restart: bool = False) -> Iterator[Page]:
        self.paths_without_keyset.add(query.path)
        yield from self._by_number(query, ids_only_grow=True, restart=restart)

    def _by_number(self, query: Query, *, ids_only_grow: bool, restart: bool = False) -> Iterator[Page]:
        return paginate_by_number(self.fetch_page, self._ahead, query, ids_only_grow=ids_only_grow, restart=restart)
