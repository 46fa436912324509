"""Reads the pages of a query: several requests at once, pages in order, and proof that no row was skipped.

Knows no table and no dlt. There are four ways to read a list, depending on what the server supports:

* ``iter_all``: every row of a list. The list is bounded by the largest id at the start (``bounded_list``).
* ``iter_matching``, ``iter_several``: the rows that meet a date filter. Rows may be added to and removed from such a
  list anywhere, so each page is requested by "id greater than the last one" (keyset pagination): rows that shift are
  not skipped.
* ``iter_id_range``, ``read_id_ranges``, ``fetch_ranges``: the rows of ranges of ids, by keyset pagination alone.
* by page number, where the server ignores id filters or order: read again until a pass is proved complete
  (``page_number``), otherwise an error. ``Page.restart`` marks the first page of a new pass.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from referral_warehouse.api.client import Client
from referral_warehouse.api.pagination.bounded_list import RESTARTS_WITHOUT_PROGRESS, BoundedList, ContradictoryPages
from referral_warehouse.api.pagination.list_bound import ListBound
from referral_warehouse.api.pagination.lookups import Lookups
from referral_warehouse.api.pagination.page_number import paginate_by_number
from referral_warehouse.api.query import MAX_PER_PAGE, Filter, Query
from referral_warehouse.api.responses import Page
from referral_warehouse.errors import FilterIgnored, IncompleteList

# How many pages per thread may wait for a slow one before them: at 200 kB each and 8 threads, less than 20 MB.
PAGES_AHEAD = 12
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


class Paginator(Lookups):
    """Reads lists through one client. Use as a context manager; its threads end with it."""

    def __init__(self, client: Client, concurrency: int) -> None:
        super().__init__(client, concurrency)
        self.paths_without_keyset: set[str] = set()

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
            page = self._or_none(_above(query, above))
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

    def read_id_ranges(
        self, query: Query, ranges: Iterable[tuple[int | None, int]]
    ) -> Iterator[list[Page] | IncompleteList]:
        """All pages of each range of ids, several ranges at once; in order.

        One id more is requested on either side, because a server that takes "up to" for "below" must not seem to have
        lost a row; the rows of these ids are left out, because another range may have them as of a later time.

        Args:
            query: the list.
            ranges: above which id (None: from the start) and up to which one; they do not overlap.

        Yields: the pages of a range, or the error of one whose rows were deleted meanwhile.
        Raises: FilterIgnored when the server does not filter or order by id.
        """
        return self.together(partial(self._range_or_error, query, above, upto) for above, upto in ranges)

    def _range_or_error(self, query: Query, above: int | None, upto: int) -> list[Page] | IncompleteList:
        try:
            pages = list(self.iter_id_range(query, None if above is None else above - 1, upto + 1))
        except IncompleteList as error:
            return error
        return [page.within(above, upto) for page in pages]

    def iter_ids(
        self, query: Query, ids: Sequence[int], known: Sequence[int], most: int | None = None
    ) -> Iterator[tuple[list[int], Page]]:
        """The rows with the given ids, and their neighbours: each page begins at an id that no other page has.

        The pages are requested together. Where the list is as it is known, each call has a page, and no id is on two
        of them; ids that turn out to be on none are requested in a further round.

        Args:
            query: the list.
            ids: the ids, ascending.
            known: the ids of the known rows of the list, ascending, at least from the first to the last of ``ids``.
            most: how many pages may be requested; the ids that are on none of them are left out.

        Yields: which of the ids a page shows (those that are not on it are gone), and the page.
        Raises: FilterIgnored when the server does not filter or order by id.
        """
        query = replace(query, order="id", direction="asc", page=1)
        page_rows = MAX_PER_PAGE
        while ids and most != 0:
            starts = page_starts(ids, known, page_rows)
            ends = [*starts[1:], None]
            starts = starts[:most]
            most = None if most is None else most - len(starts)
            pages = self.together(partial(self._or_none, _above(query, start - 1)) for start in starts)
            left: list[int] = []
            for start, end, page in zip(starts, ends, pages, strict=False):
                if page is None or not self._in_order(page, query, start - 1):
                    condition = Filter("id", "gt", start - 1)
                    raise self._ignored(query, condition, "rows outside it or out of order came back")
                wanted = [i for i in ids if i >= start and (end is None or i < end)]
                last = None if page.is_all or not page.ids() else max(page.ids())
                shown = [i for i in wanted if last is None or i <= last]
                if len(shown) < len(wanted):
                    page_rows = min(page_rows, max(1, len(page.rows)))
                    left += wanted[len(shown) :]
                yield shown, page.within(start - 1, None if end is None else end - 1)
            ids = left

    def fetch_ranges(self, query: Query, ranges: Sequence[tuple[int | None, int]]) -> Iterator[Page]:
        """The first page of each range of ids, in order: above the first id (None: from the start), up to the second.

        Takes one call a range; one id more is requested at its end, as ``read_id_ranges`` does. Raises: FilterIgnored
        when the server does not filter or order by id.
        """
        query = replace(query, order="id", direction="asc", page=1)
        for group in (ranges[:1], ranges[1:]):  # one alone, which shows whether the server filters
            bounded = [_above(query.where(Filter("id", "lte", upto + 1)), above) for above, upto in group]
            pages = self.together(partial(self._or_none, part) for part in bounded)
            for part, (above, upto), page in zip(bounded, group, pages, strict=True):
                if page is None or not page.is_ascending(above, upto + 1) or not self._in_order(page, part, above):
                    raise self._ignored(part, part.filters[0], "it returned rows outside the filter or out of order")
                yield page.within(above, upto)

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
                page = self._or_none(_above(query, anchor))
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
            page = self._or_none(_above(query, anchor))
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

    def _without_id_filters(self, query: Query, *, restart: bool = False) -> Iterator[Page]:
        self.paths_without_keyset.add(query.path)
        yield from self._by_number(query, ids_only_grow=True, restart=restart)

    def _by_number(self, query: Query, *, ids_only_grow: bool, restart: bool = False) -> Iterator[Page]:
        return paginate_by_number(self.fetch_page, self._ahead, query, ids_only_grow=ids_only_grow, restart=restart)


def _above(query: Query, anchor: int | None) -> Query:
    return query if anchor is None else query.where(Filter("id", "gt", anchor))


def page_starts(ids: Sequence[int], known: Sequence[int], page_rows: int) -> list[int]:
    """Where pages begin that together have all the given ids, if the list has the known rows; both are ascending."""
    starts: list[int] = []
    covered = -1
    for identifier in ids:
        if (place := bisect_left(known, identifier)) > covered or not starts:
            starts.append(identifier)
            covered = place + page_rows - 1
    return starts
