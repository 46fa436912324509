"""Finds where two counts differ: halves a range of ids until what is left fits a page, one request a step.

Pure: counting at the API and counting locally are passed in. A step counts the lower half only, because the upper half
is the rest; that derived number may be stale where the account changes, which costs one page that turns out to be
right. The ranges that are known to differ are counted together, so that many differences take as many rounds as one.
Counting cannot find differences that cancel each other out in every range, such as one row that was deleted and
one that was inserted late, nor changes that no count shows. Sweeps find those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from referral_warehouse.api.query import MAX_PER_PAGE

LEAF_ROWS = MAX_PER_PAGE - 2  # a page is requested with one more id on either side
SMALL_PAGES = 4
SHARE_OF_A_SWEEP = 2


@dataclass(frozen=True, slots=True)
class Span:
    """The ids above ``above`` up to and including ``upto``."""

    above: int
    upto: int

    def __str__(self) -> str:
        return f"id > {self.above} and id <= {self.upto}"


class Known(Protocol):
    """The local rows of a range of ids."""

    def rows(self, span: Span) -> int:
        """The number of rows to halve."""
        ...

    def agrees(self, span: Span, flag: str | None, api_count: int) -> bool:
        """Whether what is known explains the API's count of a range (of the rows with a flag)."""
        ...

    def middle(self, span: Span, rows: int) -> int:
        """The largest id of the lower half of the rows in a range."""
        ...


class TooManyDifferences(Exception):
    """Halving further would cost more than it saves: reading everything again is cheaper."""


class Budget:
    """How many counts bisection may cost before reading everything again is cheaper.

    A sweep costs a call for 250 rows, fetches several pages at once and refreshes what no count shows. So up to four
    pages it is cheaper from the start; above that bisection may spend half of what a sweep would cost, so that the
    worst case, giving up, costs one and a half sweeps.
    """

    def __init__(self, rows: int) -> None:
        pages = -(-rows // MAX_PER_PAGE)
        self.left = pages // SHARE_OF_A_SWEEP if pages > SMALL_PAGES else 0
        if 0 < self.left < (halvings := pages.bit_length() + 1):
            self.left = halvings  # enough for one difference in a list of medium length

    def spend(self) -> None:
        """Count one request. Raises: TooManyDifferences when none is left."""
        self.left -= 1
        if self.left < 0:
            raise TooManyDifferences


Together = Callable[[Iterable[Callable[[], int]]], Iterable[int]]
"""Runs calls that do not depend on each other; returns their results in their order."""


def in_turn(calls: Iterable[Callable[[], int]]) -> Iterable[int]:
    """Run one call after the other."""
    return (call() for call in calls)


@dataclass(frozen=True, slots=True)
class Width:
    """How many ranges are counted at once.

    Args:
        together: runs the counts of a round.
        most: how many ranges are halved in a round; those with the smallest ids come first.
    """

    together: Together = in_turn
    most: int = 2**31


def locate(
    local: Known,
    count: Callable[[Span, str | None], int],
    span: Span,
    flag: str | None,
    api_count: int,
    budget: Budget,
    width: Width = Width(),
) -> Iterator[Span]:
    """Find the ranges of at most a page that hold the differences.

    Args:
        local: the local rows.
        count: the API's count of a range, one request.
        span: the range that differs.
        flag: the boolean field that is counted; None counts all rows.
        api_count: the API's count of ``span``.
        budget: limits the requests.
        width: how many of them are sent at once.

    Raises:
        TooManyDifferences: when the budget is used up.
    """
    unexplored = [(span, api_count)]  # descending
    while unexplored:
        taken = unexplored[-width.most :][::-1]
        del unexplored[-width.most :]
        halved: list[tuple[Span, Span, int]] = []
        for part, expected in taken:
            if local.agrees(part, flag, expected):
                continue
            rows = local.rows(part)
            budget.spend()
            if rows <= LEAF_ROWS:
                yield part
                continue
            middle = local.middle(part, rows)
            halved.append((Span(part.above, middle), Span(middle, part.upto), expected))
        counts = width.together([partial(count, lower, flag) for lower, _, _ in halved])
        halves: list[tuple[Span, int]] = []
        for (lower, upper, expected), below in zip(halved, counts, strict=True):
            halves += [(lower, below), (upper, expected - below)]
        unexplored += reversed(halves)
