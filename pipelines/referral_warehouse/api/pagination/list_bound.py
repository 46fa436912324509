"""Limits the number of pages of a list, so that a list without an end is refused.

Pure: it counts the pages it receives. An account grows while it is read, so the limit is generous; it only ends the run
where every page announces another one, which would hold the lock and memory for ever.
"""

from __future__ import annotations

from typing import Any

from referral_warehouse.api.responses import Page
from referral_warehouse.errors import IncompleteList

SPARE_PAGES = 4_000
"""Pages beyond twice the reported number: a million rows at 250 a page."""
REPEATS = 3
"""After so many consecutive pages with the same rows, the page number is considered ignored."""
NEXT_STEP = "Run `referrals check`; such a list cannot be read. Nothing of it was published."


class ListBound:
    """Counts the pages of one pass over a list. ``path`` names the list in errors."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._count = 0
        self._most = SPARE_PAGES
        self._reported = "it reported no total"
        self._repeats = 0
        self._before: list[Any] | None = None

    def add(self, page: Page) -> None:
        """A page of the pass, in its order.

        Raises: IncompleteList when there are far more pages than the list reported when the pass began, or when
        the same page is returned repeatedly.
        """
        self._count += 1
        if self._count == 1 and page.total is not None:
            self._most += 2 * max(page.last_page or 1, -(-page.total // max(len(page.rows), 1)))
            self._reported = f"it reported {page.total:,} rows at the start"
        if self._count > self._most:
            raise IncompleteList(
                f"{self._path}: the list does not end: {self._count:,} pages were read, and {self._reported}.",
                NEXT_STEP,
            )
        self._repeats = self._repeats + 1 if _is_same(page.rows, self._before) else 0
        self._before = page.rows
        if self._repeats >= REPEATS:
            raise IncompleteList(
                f"{self._path}: consecutive pages have the same {len(page.rows):,} rows, as if the server ignored "
                "the page number.",
                NEXT_STEP,
            )


def _is_same(rows: list[Any], before: list[Any] | None) -> bool:
    try:
        return bool(rows) and rows == before
    except RecursionError:
        return False
