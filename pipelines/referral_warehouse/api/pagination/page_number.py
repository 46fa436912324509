"""A list read by page number alone, pass after pass, until one is proved to hold every row.

Knows no server and no filter: pages are handed to it. Pages shift when rows come and go between two calls, and a total
that stays the same proves nothing (one gone, one new). Three proofs hold:

* one page is one answer, and an answer does not shift;
* newest first, where ids only grow: what arrives is newer than the first page, so the rows seen up to its largest id
  must be as many as it counted. Each row that slipped past makes them one fewer, and nothing makes them more;
* otherwise a further pass that finds nothing new. A row slips past only when one seen before it goes away; that one
  is missing from the next pass, which either finds the other or counts differently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from referral_warehouse.api.pagination.list_bound import ListBound
from referral_warehouse.api.query import Query
from referral_warehouse.api.responses import Page
from referral_warehouse.errors import IncompleteWalk

NUMBERED_PASSES = 8
Ask = Callable[[Query], Page]
AskAhead = Callable[[Query, int, int], Iterator[tuple[int, Page]]]


def paginate_by_number(
    page: Ask, ahead: AskAhead, query: Query, *, ids_only_grow: bool, restart: bool = False
) -> Iterator[Page]:
    """Passes over all pages, newest first where the server can; ``Page.restart`` marks a pass that counts alone.

    ``ids_only_grow``: a row that appears is always a new one (true of whole lists, not of filtered ones).
    Raises: IncompleteWalk when no pass proves complete.
    """
    query = replace(query, direction="desc")
    known: set[int] = set()
    before: NumberedPass | None = None
    for _ in range(NUMBERED_PASSES):
        first = page(query)
        if before is not None and not before.goes_on(first, known):
            known, restart = set(), True
        current = NumberedPass(first, known)
        for found in _pages(page, ahead, query, first):
            current.take(found)
            yield replace(found, restart=restart)
            restart = False
        if current.proves_complete(before, ids_only_grow=ids_only_grow):
            return
        if current.repeats(before):
            raise IncompleteWalk(
                f"{query.path}: the pages hold the same {len(current.ids)} rows each time, the server counts "
                f"{current.total}.",
                "Run `referrals check`; the account's answers contradict each other. Nothing of the list was loaded.",
            )
        known |= current.ids
        before = current
    raise IncompleteWalk(
        f"{query.path}: after {NUMBERED_PASSES} passes the pages still do not hold the rows the server counts."
    )


def last_page(first: Page) -> int:
    """The number of the last page, by what the first one tells; the larger where it contradicts itself."""
    by_total = -(-(first.total or 0) // len(first.rows)) if first.rows else 1
    return max(first.last_page or 1, by_total)


def _pages(page: Ask, ahead: AskAhead, query: Query, first: Page) -> Iterator[Page]:
    bound = ListBound(query.path)
    bound.take(first)
    yield first
    if first.total is None and first.last_page is None:
        number = 2
        while (found := page(query.with_page(number))).rows:
            bound.take(found)
            yield found
            number += 1
        return
    for _, found in ahead(query, 2, last_page(first)):
        bound.take(found)
        yield found
        if not found.rows:
            return


class NumberedPass:
    """One pass. ``known`` are the ids of the passes before it that still count."""

    def __init__(self, first: Page, known: set[int]) -> None:
        self.total = first.total
        self.ids: set[int] = set()
        self._top = max(first.ids(), default=0)
        self._lowest: int | None = None
        self._known = frozenset(known)
        self._is_one_answer = first.is_all
        self._pages = 0
        self._rows = 0
        self._unreadable = 0
        self._is_falling = True
        self._is_steady = True

    def take(self, page: Page) -> None:
        """A page of this pass, in its order."""
        found = page.ids()
        new = [identifier for identifier in found if identifier not in self.ids]
        self._pages += 1
        self._rows += len(page.rows)
        self._unreadable += len(page.rows) - len(found)
        self._is_steady = self._is_steady and page.total == self.total
        self._is_falling = (
            self._is_falling
            and found == sorted(found, reverse=True)
            and (not new or self._lowest is None or new[0] < self._lowest)
        )
        self.ids.update(new)
        if new:
            self._lowest = min(new) if self._lowest is None else min(self._lowest, *new)

    def goes_on(self, first: Page, known: set[int]) -> bool:
        """Whether the next pass, which begins with ``first``, completes this one instead of starting afresh."""
        return self.total is not None and self._is_steady and first.total == self.total and len(known) <= self.total

    def repeats(self, before: NumberedPass | None) -> bool:
        """Whether the list held still and was read twice with the same rows."""
        if before is None or not (self._is_steady and before._is_steady):
            return False
        return self.total == before.total and self.ids == before.ids

    def proves_complete(self, before: NumberedPass | None, *, ids_only_grow: bool) -> bool:
        """Whether every row that was there all along has been seen."""
        if self.total is None:
            return self._is_one_answer or self.repeats(before)
        if self._pages == 1:
            return self._rows == self.total
        if ids_only_grow and self._is_falling:
            return self._are_all(identifier for identifier in self.ids if identifier <= self._top)
        if self.repeats(before) and self._are_all(self.ids):
            return True
        return self._is_steady and self.ids <= self._known and self._are_all(self._known | self.ids)

    def _are_all(self, ids: Iterable[int]) -> bool:
        """Whether these and the rows without a readable id are as many as the first page counted."""
        return sum(1 for _ in ids) + self._unreadable == self.total
