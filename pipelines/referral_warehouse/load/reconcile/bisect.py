"""Where two counts differ: halving a range of ids until what is left fits a page, one request a step.

Pure: asking the API and counting what is known are handed to it. A step asks for the lower half alone, because the
upper half is what remains; that derived number may be stale where the account moves, which costs a look at a page that
turns out to be as it should. What counting cannot see: differences that cancel each other out in every range that is
asked for, as one gone and one inserted late do, and changes that no count shows. The sweep, by age, finds those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from referral_warehouse.api.query import MAX_PER_PAGE

LEAF_ROWS = MAX_PER_PAGE - 2  # a page is asked for with one id more on either side
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
    """What is known here of a range of ids."""

    def rows(self, span: Span) -> int:
        """How many rows there are to halve."""
        ...

    def agrees(self, span: Span, flag: str | None, there: int) -> bool:
        """Whether the API's count of a range (of the rows with a flag) is explained by what is known."""
        ...

    def middle(self, span: Span, rows: int) -> int:
        """The largest id of the lower half of the rows in a range."""
        ...


class TooMany(Exception):
    """Going on by halves would cost more than it saves: everything is better read again."""


class Budget:
    """How many questions locating may cost before reading everything again is the better way.

    A sweep costs a call for 250 rows, is fetched several pages at once and refreshes what no count shows. So up to
    four pages it is the cheaper way from the start; above that locating may spend half of what a sweep would cost, so
    that the worst case, giving up, costs one and a half sweeps and never more.
    """

    def __init__(self, rows: int) -> None:
        pages = -(-rows // MAX_PER_PAGE)
        self.left = pages // SHARE_OF_A_SWEEP if pages > SMALL_PAGES else 0
        if 0 < self.left < (halvings := pages.bit_length() + 1):
            self.left = halvings  # one difference in a middling list: a page more or less is no matter

    def spend(self) -> None:
        """Count one question. Raises: TooMany."""
        self.left -= 1
        if self.left < 0:
            raise TooMany


def locate(
    known: Known, ask: Callable[[Span, str | None], int], span: Span, flag: str | None, there: int, budget: Budget
) -> Iterator[Span]:
    """The ranges of at most a page that hold the differences; ``there`` is the API's count of the whole span.

    Raises: TooMany when the budget is used up.
    """
    waiting = [(span, there)]
    while waiting:
        part, count = waiting.pop()
        if known.agrees(part, flag, count):
            continue
        rows = known.rows(part)
        budget.spend()
        if rows <= LEAF_ROWS:
            yield part
            continue
        middle = known.middle(part, rows)
        lower = Span(part.above, middle)
        below = ask(lower, flag)
        waiting += [(Span(middle, part.upto), count - below), (lower, below)]
