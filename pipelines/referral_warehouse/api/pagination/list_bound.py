"""How far a list may be read: one that never ends is refused after what it could hold at most.

Pure: it counts the pages that are handed to it. An account grows while it is read, so the bound is generous; it is
there so that a server whose every page promises another one cannot hold a run, its lock and its memory for ever.
"""

from __future__ import annotations

from typing import Any

from referral_warehouse.api.responses import Page
from referral_warehouse.errors import IncompleteWalk

SPARE_PAGES = 4_000
"""Pages beyond twice those that the list told: a million rows at 250 a page."""
REPEATS = 3
"""So many pages, one after the other, that hold the rows of the one before: the page number is ignored."""
NEXT_STEP = "Run `referrals check`; a list that is answered so cannot be read. Nothing of it was published."


class ListBound:
    """Counts the pages of one pass over a list. ``path`` names the list in errors."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._count = 0
        self._most = SPARE_PAGES
        self._told = "it told no total"
        self._repeats = 0
        self._before: list[Any] | None = None

    def take(self, page: Page) -> None:
        """A page of the pass, in its order.

        Raises: IncompleteWalk when there are far more pages than the list told when the pass began, or when the same
        page comes again and again.
        """
        self._count += 1
        if self._count == 1 and page.total is not None:
            self._most += 2 * max(page.last_page or 1, -(-page.total // max(len(page.rows), 1)))
            self._told = f"it counted {page.total:,} rows when it began"
        if self._count > self._most:
            raise IncompleteWalk(
                f"{self._path}: the list does not end: {self._count:,} pages were read, and {self._told}.", NEXT_STEP
            )
        self._repeats = self._repeats + 1 if _is_same(page.rows, self._before) else 0
        self._before = page.rows
        if self._repeats >= REPEATS:
            raise IncompleteWalk(
                f"{self._path}: page after page holds the same {len(page.rows):,} rows, as if the server ignored the "
                "page number.",
                NEXT_STEP,
            )


def _is_same(rows: list[Any], before: list[Any] | None) -> bool:
    try:
        return bool(rows) and rows == before
    except RecursionError:
        return False
