"""What a difference between two counts means: something to repair, a change in flight, or a contradiction.

Knows no table and no server: counting and walking are handed to it. An account changes while it is read, and one gone
and one new leave a count as it was. So equal counts prove nothing; a difference is a contradiction of the account only
where complete walks, one after the other, find every row as it was, and the counts still differ by the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipelines.errors import DataRefused
from pipelines.load.audit import Counts, Difference

WALKS = 3


@dataclass(frozen=True, slots=True)
class Settlement:
    """The last counts, and the differences left to the next run because the account changed meanwhile."""

    counts: Counts
    in_flight: list[Difference]


def settle(count: Callable[[], Counts], walk: Callable[[], int], before: Counts) -> Settlement:
    """Walk again until the counts of ``before`` agree, something moved, or the account contradicts itself.

    ``walk`` reads and repairs everything and gives how many rows it had to write.
    Raises: DataRefused where nothing moves and the difference stays.
    """
    for number in range(WALKS):
        written = walk()
        counts = count()
        if not counts.found:
            return Settlement(counts, [])
        moved = counts.there != before.there or (number > 0 and written > 0)
        if moved:
            return Settlement(counts, counts.found)
        before = counts
    raise DataRefused(
        f"After reading everything {WALKS} times without a change, {'; '.join(map(str, before.found))}. "
        "Everything read is kept, nothing was published.",
        "Run `referrals check`; if this stays while the account is quiet, its answers contradict each other.",
    )
