"""Reads a list by page number alone, in repeated passes, until a pass is proved to contain every row.

Knows no server and no filter. Pages shift when rows are added or deleted between two calls, and an unchanged total
proves nothing (one deleted, one added). There are three proofs:

* one page is one response, and a response does not shift;
* newest first, where ids only grow: added rows are newer than the first page, so the number of rows read up to its
  largest id must equal the reported total. Each skipped row makes it one smaller, and nothing makes it larger;
* otherwise another pass that finds nothing new. A row is skipped only when a row read before it is deleted; the deleted
  row is missing from the next pass, which either finds the skipped one or reports another total.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from referral_warehouse.api.pagination.list_bound import ListBound
from referral_warehouse.api.query import Query
from referral_warehouse.api.responses import Page
from referral_warehouse.errors import IncompleteList

NUMBERED_PASSES = 8
Fetch = Callable[[Query], Page]
FetchAhead = Callable[[Query, int, int], Iterator[tuple[int, Page]]]


def paginate_by_number(
    page: Fetch, ahead: FetchAhead, query: Query, *, ids_only_grow: bool, restart: bool = False
) -> Iterator[Page]:
    """Passes over all pages, newest first where possible; ``Page.restart`` marks a pass that replaces those before.

    ``ids_only_grow``: an added row always has the largest id (true of whole lists, not of filtered ones).
    Raises: IncompleteList when no pass is proved complete.
    """
    query = replace(query, direction="desc")
    known: set[int] = set()
    before: NumberedPass | None = None
    for _ in range(NUMBERED_PASSES):
        first = page(query)
        if before is not None and not before.is_continued_by(first, known):
            known, restart = set(), True
        current = NumberedPass(first, known)
        for found in _pages(page, ahead, query, first):
            current.take(found)
            yield replace(found, restart=restart)
            restart = False
        if current.proves_complete(before, ids_only_grow=ids_only_grow):
            return
        if current.repeats(before):
            raise IncompleteList(
                f"{query.path}: the pages have the same {len(current.ids)} rows each time, but the server reports "
                f"{current.total}.",
                "Run `referrals check`; the account's responses contradict each other. Nothing of the list was loaded.",
            )
        known |= current.ids
        before = current
    raise IncompleteList(
        f"{query.path}: after {NUMBERED_PASSES} passes the pages still lack rows that the server reports."
    )


def last_page(first: Page) -> int:
    """The number of the last page that the first page reports; the larger one where it contradicts itself."""
    by_total = -(-(first.total or 0) // len(first.rows)) if first.rows else 1
    return max(first.last_page or 1, by_total)


def _pages(page: Fetch, ahead: FetchAhead, query: Query, first: Page) -> Iterator[Page]:
    bound = ListBound(query.path)
    bound.add(first)
    yield first
    if first.total is None and first.last_page is None:
        number = 2
        while (found := page(query.with_page(number))).rows:
            bound.add(found)
            yield found
            number += 1
        return
    for _, found in ahead(query, 2, last_page(first)):
        bound.add(found)
        yield found
        if not found.rows:
            return


class NumberedPass:
    """One pass. ``known`` are the ids of the earlier passes that are still valid."""

    def __init__(self, first: Page, known: set[int]) -> None:
        self.total = first.total
        self.ids: set[int] = set()
        self._top = max(first.ids(), default=0)
        self._lowest: int | None = None
        self._known = frozenset(known)
        self._is_one_response = first.is_all
        self._pages = 0
        self._rows = 0
        self._unreadable = 0
        self._is_descending = True
        self._is_steady = True

    def take(self, page: Page) -> None:
        """Add a page of this pass, in its order."""
        found = page.ids()
        new = [identifier for identifier in found if identifier not in self.ids]
        self._pages += 1
        self._rows += len(page.rows)
        self._unreadable += len(page.rows) - len(found)
        self._is_steady = self._is_steady and page.total == self.total
        self._is_descending = (
            self._is_descending
            and found == sorted(found, reverse=True)
            and (not new or self._lowest is None or new[0] < self._lowest)
        )
        self.ids.update(new)
        if new:
            self._lowest = min(new) if self._lowest is None else min(self._lowest, *new)

    def is_continued_by(self, first: Page, known: set[int]) -> bool:
        """Whether the next pass, which begins with ``first``, continues this one instead of replacing it."""
        return self.total is not None and self._is_steady and first.total == self.total and len(known) <= self.total

    def repeats(self, before: NumberedPass | None) -> bool:
        """Whether two passes read the same rows and reported the same total throughout."""
        if before is None or not (self._is_steady and before._is_steady):
            return False
        return self.total == before.total and self.ids == before.ids

    def proves_complete(self, before: NumberedPass | None, *, ids_only_grow: bool) -> bool:
        """Whether every row that existed during the whole pass was read."""
        if self.total is None:
            return self._is_one_response or self.repeats(before)
        if self._pages == 1:
            return self._rows == self.total
        if ids_only_grow and self._is_descending:
            return self._are_all(identifier for identifier in self.ids if identifier <= self._top)
        if self.repeats(before) and self._are_all(self.ids):
            return True
        return self._is_steady and self.ids <= self._known and self._are_all(self._known | self.ids)

    def _are_all(self, ids: Iterable[int]) -> bool:
        """Whether these and the rows without a readable id are as many as the first page reported."""
        return sum(1 for _ in ids) + self._unreadable == self.total
