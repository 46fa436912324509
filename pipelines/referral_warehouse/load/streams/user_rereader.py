"""Reads users again that are known already: ranges of ids, the referrals of some users, and users by their ids.

Knows no dlt and no cursor; who is found gone gets a tombstone. Requests that do not depend on each other are sent
together, and the rows of ids that two of them could return are taken from one of them only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from referral_warehouse.api.pagination.paginator import Matching
from referral_warehouse.api.query import Filter, Purpose
from referral_warehouse.api.responses import Page
from referral_warehouse.errors import FilterIgnored, IncompleteList
from referral_warehouse.load.context import LoadContext
from referral_warehouse.load.reconcile.counts import ExpectedRange
from referral_warehouse.load.streams.user_reader import RangeRead, UserReader
from referral_warehouse.load.streams.user_schema import USERS

RANGES_AT_ONCE = 40
"""The most ranges, each of at most a page, that are in memory at the same time."""


class UserRereader:
    """Reads users again, through the reader of the run."""

    def __init__(self, ctx: LoadContext) -> None:
        self._paginator = ctx.paginator
        self._rows = ctx.rows
        self._reader = ctx.shared(UserReader)

    def read_range(self, above: int | None, upto: int, expected: list[int]) -> RangeRead:
        """Read a range of ids again: what is missing locally, what changed and who of ``expected`` is gone.

        Raises: FilterIgnored, IncompleteList (then nothing of the range counts).
        """
        # one id more on either side: a server that takes "up to" for "below" must not seem to have lost a row
        pages = self._paginator.iter_id_range(self._reader.query, None if above is None else above - 1, upto + 1)
        return self._reader.read_again(pages, lambda: set(expected))

    def read_ranges(self, ranges: Sequence[ExpectedRange]) -> Iterator[RangeRead]:
        """Read ranges of ids again, several at once, as ``read_range`` does; yields what some of them brought together.

        Nothing counts of a range whose rows were deleted while it was read. Raises: FilterIgnored.
        """
        for start in range(0, len(ranges), RANGES_AT_ONCE):
            expected: set[int] = set()
            pages = self._expected_pages(ranges[start : start + RANGES_AT_ONCE], expected)
            yield self._reader.read_again(pages, partial(set, expected))

    def _expected_pages(self, ranges: Sequence[ExpectedRange], expected: set[int]) -> Iterator[Page]:
        """The pages of ranges; adds to ``expected`` who should be on them."""
        found = self._paginator.read_id_ranges(self._reader.query, [(part.above, part.upto) for part in ranges])
        for part, pages in zip(ranges, found, strict=True):
            if not isinstance(pages, IncompleteList):
                expected.update(part.expected)
                yield from pages

    def read_referrals(self, referrers: Sequence[int]) -> tuple[RangeRead, dict[int, set[int]]]:
        """Read the referrals of users again, the lists of all of them together.

        Returns:
            What that brought, and who is on the list of each; a list that could not be read is not among them.
        """
        wanted = [Matching(Filter("referrer_id", "equal", one), partial(_is_referral, one)) for one in referrers]
        listed: dict[int, list[Page]] = {}
        query = self._reader.query.with_purpose(Purpose.REREAD)
        for referrer, pages in zip(referrers, self._paginator.iter_several(query, wanted), strict=True):
            with suppress(FilterIgnored, IncompleteList):  # then nothing of that list counts
                listed[referrer] = list(pages)
        read = self._reader.read_again(replace(page, restart=False) for pages in listed.values() for page in pages)
        return read, {one: {i for page in pages for i in page.ids()} for one, pages in listed.items()}

    def read_known(self, ids: Sequence[int], most: int | None = None) -> Iterator[RangeRead]:
        """Read users by their ids (ascending), with their neighbours: at most so many pages, requested together.

        Raises: FilterIgnored when the server does not filter or order by id.
        """
        around = f"id >= {ids[0]} and id <= {ids[-1]} order by id" if ids else "false"
        known = self._rows.live_ids(USERS.name, around)
        for shown, page in self._paginator.iter_ids(self._reader.query, ids, known, most):
            yield self._reader.read_again(iter([page]), partial(set, shown))


def _is_referral(referrer: int, row: Any) -> bool:
    return not isinstance(row, dict) or str(row.get("referrer_id")) == str(referrer)
