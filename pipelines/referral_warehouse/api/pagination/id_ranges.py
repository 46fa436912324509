"""Reads ranges of ids and single rows by their ids, by keyset pagination alone; several ranges at once.

Knows no table and no dlt. A server that does not filter or order by id is detected, and remembered by path.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from referral_warehouse.api.client import Client
from referral_warehouse.api.pagination.list_bound import ListBound
from referral_warehouse.api.pagination.lookups import Lookups
from referral_warehouse.api.query import MAX_PER_PAGE, Filter, Purpose, Query
from referral_warehouse.api.responses import Page
from referral_warehouse.errors import FilterIgnored, IncompleteList


class IdRanges(Lookups):
    """Reads ranges of ids through one client.

    Attributes:
        paths_without_keyset: the lists whose server turned out not to filter or order by id.
    """

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.paths_without_keyset: set[str] = set()

    def iter_id_range(self, query: Query, above: int | None, upto: int) -> Iterator[Page]:
        """Every row with an id above ``above`` (None: from the start) up to and including ``upto``.

        Raises: FilterIgnored when the server does not filter or order by id, IncompleteList when rows are deleted
        meanwhile.
        """
        query = replace(query, order="id", direction="asc", page=1, purpose=Purpose.REREAD).where(
            Filter("id", "lte", upto)
        )
        total: int | None = None
        read = 0
        bound = ListBound(query.path)
        while True:
            page = self._or_none(above_id(query, above))
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
        query = replace(query, order="id", direction="asc", page=1, purpose=Purpose.REREAD)
        page_rows = MAX_PER_PAGE
        while ids and most != 0:
            starts = page_starts(ids, known, page_rows)
            ends = [*starts[1:], None]
            starts = starts[:most]
            most = None if most is None else most - len(starts)
            pages = self.together(partial(self._or_none, above_id(query, start - 1)) for start in starts)
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
        query = replace(query, order="id", direction="asc", page=1, purpose=Purpose.REREAD)
        for group in (ranges[:1], ranges[1:]):  # one alone, which shows whether the server filters
            bounded = [above_id(query.where(Filter("id", "lte", upto + 1)), above) for above, upto in group]
            pages = self.together(partial(self._or_none, part) for part in bounded)
            for part, (above, upto), page in zip(bounded, group, pages, strict=True):
                if page is None or not page.is_ascending(above, upto + 1) or not self._in_order(page, part, above):
                    raise self._ignored(part, part.filters[0], "it returned rows outside the filter or out of order")
                yield page.within(above, upto)

    def _in_order(self, page: Page, query: Query, above: int | None) -> bool:
        return page.is_ascending(above, None) and (page.is_all or self._fallback.supports_order(query.path))

    def _ignored(self, query: Query, condition: Filter, how: str) -> FilterIgnored:
        """The error of an ignored filter; one on ids is remembered, because pagination and counts depend on it too."""
        if condition.field == "id":
            self.paths_without_keyset.add(query.path)
        what = f"the filter {condition.field} {condition.operator}"
        return FilterIgnored(f"{query.path}: the server did not apply {what}: {how}.")


def above_id(query: Query, anchor: int | None) -> Query:
    """The query for the rows with an id above ``anchor``; all rows where that is None."""
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
