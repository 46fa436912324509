"""Limits how many records of a stream may be gone at once; more are considered a fault of the API.

Pure: the loader checks before it ends versions, which cannot be undone, the warehouse before it publishes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from referral_warehouse.errors import MassDisappearance

FLOOR = 10
"""Fewer records than this may always be gone, so that small accounts can delete freely; see ``FLOOR_OF_ALL``."""

FLOOR_OF_ALL = 5
"""Replaces ``FLOOR`` where no record of the stream is left, because an empty list is the likeliest fault."""


@dataclass(frozen=True, slots=True)
class Disappearance:
    """Of ``before`` records of a stream, ``gone`` do not exist any more.

    ``how`` describes those that are gone, such as "without having been issued".
    """

    stream: str
    gone: int
    before: int
    how: str = ""

    def exceeds(self, max_percent: int) -> bool:
        """Whether more than ``max_percent`` of the records are gone, and not too few to mean anything."""
        floor = FLOOR_OF_ALL if self.gone >= self.before else FLOOR
        return self.gone >= floor and 100 * self.gone > max_percent * self.before

    def __str__(self) -> str:
        return f"{self.stream}: {self.gone:,} of {self.before:,} records are gone{self.how}"


def refuse_disappearances(found: Iterable[Disappearance], max_percent: int, since: str) -> None:
    """Refuse where a stream lost more than the configured share of its records.

    Args:
        found: what is gone, one entry a stream.
        max_percent: the setting WAREHOUSE__MAX_VANISHED_PERCENT; 100 permits everything.
        since: what the records are compared with, such as "the last publication".

    Raises:
        MassDisappearance: naming each stream that lost too many, with its numbers.
    """
    exceeding = [one for one in found if one.exceeds(max_percent)]
    if exceeding:
        raise MassDisappearance(
            f"Since {since} more than {max_percent} % vanished (WAREHOUSE__MAX_VANISHED_PERCENT): "
            f"{'; '.join(map(str, exceeding))}."
        )
