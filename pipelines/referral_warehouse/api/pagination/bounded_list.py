"""Reads a list that is bounded by its largest id, with pages requested ahead by number.

Its ``total`` can only fall. As long as all pages report the same total and their ids ascend without a gap between
pages, no row was skipped; otherwise reading continues with the rows after the last good id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from referral_warehouse.api.pagination.list_bound import ListBound
from referral_warehouse.api.pagination.page_number import last_page
from referral_warehouse.api.query import Filter, Query
from referral_warehouse.api.responses import Page

RESTARTS_WITHOUT_PROGRESS = 3


class ContradictoryPages(Exception):
    """Pages after an id contradict the list's own total, or the order of ids."""


class BoundedList:
    """Reads bounded lists.

    Args:
        fetch_page: requests one page.
        ahead: requests the pages from one number to another one, several at once, and returns them in order.
    """

    def __init__(
        self, fetch_page: Callable[[Query], Page], ahead: Callable[[Query, int, int], Iterator[tuple[int, Page]]]
    ) -> None:
        self._fetch_page = fetch_page
        self._ahead = ahead

    def pages(self, bounded: Query, anchor: int, top: int, first: Page | None) -> Iterator[Page]:
        """The rows with ids above ``anchor`` up to and including ``top``.

        Args:
            bounded: the query, with the filter "id at most top", by ascending id.
            anchor: the largest id that was read already.
            top: the largest id of the list.
            first: the first page after the anchor, if it is known already.

        Raises:
            ContradictoryPages: when pages contradict the list's own total, or ids are out of order.
        """
        stuck = 0
        bound = ListBound(bounded.path)
        while anchor < top:
            page = first or self._fetch_page(bounded.where(Filter("id", "gt", anchor)))
            first = None
            if not page.rows and not page.total:
                return
            before = anchor
            for good in self._while_steady(bounded.where(Filter("id", "gt", anchor)), anchor, top, page):
                anchor = max([anchor, *good.ids()])
                bound.add(good)
                yield good
                if good.is_last:
                    return
            stuck = stuck + 1 if anchor == before else 0
            if stuck >= RESTARTS_WITHOUT_PROGRESS:
                raise ContradictoryPages

    def _while_steady(self, query: Query, anchor: int, top: int, first: Page) -> Iterator[Page]:
        """Pages by number as long as they are consistent; ends without an error at the first one that is not."""
        if not first.is_ascending(anchor, top):
            return
        if first.total is None or not first.rows:
            if first.rows:
                yield first
            return
        if first.is_all:
            yield replace(first, is_last=True)
            return
        size = len(first.rows)
        last = last_page(first)
        last_id, seen = max(first.ids(), default=anchor), size
        yield first
        for number, page in self._ahead(query, 2, last):
            if page.total != first.total or not page.is_ascending(last_id, top):
                return
            if number < last and len(page.rows) != size:
                return
            seen += len(page.rows)
            last_id = max(page.ids(), default=last_id)
            yield replace(page, is_last=number == last and seen == first.total)
