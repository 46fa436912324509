"""Reads the pages of a query: several requests at once, pages in order, and proof that no row was skipped.

Knows no table and no dlt. There are four ways to read a list, depending on what the server supports:

* ``iter_all``: every row of a list. The list is bounded by the largest id at the start (``bounded_list``).
* ``iter_matching``, ``iter_several``: the rows that meet a date filter. Rows may be added to and removed from such a
  list anywhere, so each page is requested by "id greater than the last one" (keyset pagination): rows that shift are
  not skipped.
* ranges of ids, by keyset pagination alone (``id_ranges``).
* by page number, where the server ignores id filters or order: read again until a pass is proved complete
  (``page_number``), otherwise an error. ``Page.restart`` marks the first page of a new pass.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from referral_warehouse.api.pagination.bounded_list import RESTARTS_WITHOUT_PROGRESS, BoundedList, ContradictoryPages
from referral_warehouse.api.pagination.id_ranges import IdRanges, above_id
from referral_warehouse.api.pagination.list_bound import ListBound
from referral_warehouse.api.pagination.lists_ahead import ListsAhead
from referral_warehouse.api.pagination.page_number import paginate_by_number
from referral_warehouse.api.query import Filter, Query
from referral_warehouse.api.responses import Page
from referral_warehouse.errors import IncompleteList

# How many pages may wait for a slow one before them: at 200 kB each, less than 20 MB.
PAGES_AHEAD = 96
# When rows are deleted during reading, reading continues after the last id; this often at most.
MOST_CONTINUATIONS = 50


@dataclass(frozen=True, slots=True)
class Matching:
    """The rows that meet a condition, for ``Paginator.iter_several``.

    Args:
        condition: the filter that is sent.
        matches: returns whether a row meets it.
        is_enough: is called with the first page; returns whether the other pages are known already.
    """

    condition: Filter
    matches: Callable[[Any], bool]
    is_enough: Callable[[Page], bool] | None = None


class Paginator(IdRanges):
    """Reads lists through one client. Use as a context manager; its threads end with it."""

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

    def begin_lists(self, queries: Sequence[Query]) -> list[Iterator[Page]]:
        """Begin to read complete lists now, one after the other, while the caller reads something else.

        Returns: the pages of each, as ``iter_all`` returns them; they are to be used in the order of the queries.
        """
        reader = copy(self)  # shares the threads, and what is known of the server; counts its own pages
        reader.calls_left, reader.unsent = 0, None
        ahead = ListsAhead([partial(reader.iter_all, query) for query in queries])
        self._ahead_of_use.append(ahead)  # before it starts: an interrupt must not leave a thread that is never ended
        ahead.start()
        return [ahead.pages(number) for number in range(len(queries))]

    def largest_id(self, query: Query) -> int | None:
        """The largest id of a list now (one call); None for an empty one, and where the server does not order by id."""
        page = self.fetch_page(replace(query, order="id", direction="desc", per_page=2, page=1))
        ids = page.ids()
        return ids[0] if ids and ids == sorted(ids, reverse=True) else None

    def _ahead(self, query: Query, first: int, last: int) -> Iterator[tuple[int, Page]]:
        """Pages ``first`` to ``last`` with their numbers; decoded only when they are used."""

        def requests() -> Iterator[Callable[[], Callable[[], Page]]]:
            for number in range(first, last + 1):
                self.unsent = last - number
                yield partial(self._fallback.begin, query.with_page(number))

        try:
            for number, decode in enumerate(self._prefetcher.in_order(requests(), PAGES_AHEAD), first):
                self.calls_left = last - number
                yield number, decode()
        finally:
            self.calls_left, self.unsent = 0, None

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
        for pages in self.iter_several(query, [Matching(condition, matches, is_enough)]):
            yield from pages

    def iter_several(self, query: Query, wanted: Sequence[Matching]) -> Iterator[Iterator[Page]]:
        """The rows that meet each of several conditions, one condition after the other, as ``iter_matching`` does.

        The first page of each is requested together with those of the others; most have no other page.
        """
        query = replace(query, order="id", direction="asc", page=1)
        firsts = self.together(partial(self._or_none, query.where(one.condition)) for one in wanted)
        for one, first in zip(wanted, firsts, strict=True):
            yield self._matching(query.where(one.condition), one, first)

    def _matching(self, query: Query, wanted: Matching, first: Page | None) -> Iterator[Page]:
        condition, matches, is_enough = wanted.condition, wanted.matches, wanted.is_enough
        anchor: int | None = None
        total: int | None = None
        read = stuck = 0
        bound = ListBound(query.path)
        page = first
        while True:
            if page is None and anchor is None:
                raise self._ignored(query, condition, "it refused the filter")
            if page is None or not self._in_order(page, query, anchor):
                break
            self._check_matches(page, matches, query, condition)
            if page.total and not page.rows:
                stuck += 1
                if stuck >= RESTARTS_WITHOUT_PROGRESS:
                    raise IncompleteList(f"{query.path}: a page is empty although the server counts {page.total} rows.")
                page = self._or_none(above_id(query, anchor))
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
            page = self._or_none(above_id(query, anchor))
        for page in self._by_number(query, ids_only_grow=False):
            self._check_matches(page, matches, query, condition)
            yield page

    def _check_matches(self, page: Page, matches: Callable[[Any], bool], query: Query, condition: Filter) -> None:
        if not all(map(matches, page.rows)):
            raise self._ignored(query, condition, "it returned rows outside the filter")

    # -- by page number alone -------------------------------------------------------------------------------------

    def _without_id_filters(self, query: Query, *, restart: bool = False) -> Iterator[Page]:
        self.paths_without_keyset.add(query.path)
        yield from self._by_number(query, ids_only_grow=True, restart=restart)

    def _by_number(self, query: Query, *, ids_only_grow: bool, restart: bool = False) -> Iterator[Page]:
        return paginate_by_number(self.fetch_page, self._ahead, query, ids_only_grow=ids_only_grow, restart=restart)
