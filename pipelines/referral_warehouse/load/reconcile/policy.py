"""What a difference between two counts means: something to repair, a change in flight, or a contradiction.

Knows no table and no server: counting and repairing are handed to it. An account changes while it is read, and one gone
and one new leave a count as it was. So equal counts prove nothing; a difference is a contradiction of the account only
where complete walks, one after the other, find every row as it was, and the counts still differ by the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from referral_warehouse.errors import DataRefused, FilterIgnored
from referral_warehouse.load.page_parser import Reconciliation, Repair
from referral_warehouse.load.reconcile.bisect import TooMany
from referral_warehouse.load.reconcile.counts import Counts, Difference

ROUNDS = 3
WALKS = 3


@dataclass(slots=True)
class Settlement:
    """What became of the differences.

    ``in_flight`` are left to the next run because the account changed meanwhile; ``contradictions`` stay although
    nothing moves.
    """

    counts: Counts
    found: list[Difference] = field(default_factory=list)
    in_flight: list[Difference] = field(default_factory=list)
    contradictions: list[Difference] = field(default_factory=list)
    by_ids: Repair = field(default_factory=Repair)
    by_walks: Repair = field(default_factory=Repair)
    walks: int = 0

    @property
    def repaired(self) -> Repair:
        """What was repaired in all."""
        total = Repair()
        total.add(self.by_ids)
        total.add(self.by_walks)
        return total

    @property
    def words(self) -> list[str]:
        """The differences for people: those found, and those left to the next run."""
        return [*map(str, self.found), *(f"in flight: {difference}" for difference in self.in_flight)]

    def recorded(self, upto_id: int | None, calls: int) -> Reconciliation:
        """What is written down of it."""
        ways = ["ids"] * bool(self.by_ids.total) + ["sweep"] * bool(self.walks)
        return Reconciliation(
            found=_listed(self.found), in_flight=_listed(self.in_flight), repaired_by=" and ".join(ways) or None,
            repair=self.repaired, upto_id=upto_id, calls=calls, is_contradiction=bool(self.contradictions),
        )  # fmt: skip

    def refuse_contradictions(self) -> None:
        """Raises: DataRefused where nothing moves and a difference stays."""
        if self.contradictions:
            raise DataRefused(
                f"After reading everything {self.walks} times without a change, "
                f"{'; '.join(map(str, self.contradictions))}. Everything read is kept, nothing was published.",
                "Run `referrals check`; if this stays while the account is quiet, its answers contradict each other.",
            )


def _listed(differences: list[Difference]) -> str | None:
    return "; ".join(f"{d.what} is {d.api_count} there and {d.our_count} here" for d in differences) or None


def settle(
    count: Callable[[], Counts],
    mend: Callable[[Counts, Repair], None] | None,
    walk: Callable[[], Repair],
) -> Settlement:
    """Repair until the counts agree, something moved, or the account contradicts itself.

    ``mend`` finds and repairs the ids that differ (None where ids cannot be asked for) and adds what it repaired to
    the Repair as it goes; ``walk`` reads everything again.
    """
    state = Settlement(count())
    state.found = state.counts.found
    for _ in range(ROUNDS if mend is not None else 0):
        if not state.counts.found or not _mend(state, count, mend):
            break
    else:
        if mend is not None:
            state.in_flight = state.counts.found
            return state
    return _walk(state, count, walk)


def _mend(state: Settlement, count: Callable[[], Counts], mend: Callable[[Counts, Repair], None] | None) -> bool:
    """Repair the ids that differ and count again. False where ids do not help: then all is read."""
    if mend is None:
        return False
    before, repaired = state.counts, state.by_ids.total
    try:
        mend(before, state.by_ids)
    except (TooMany, FilterIgnored):
        state.counts = count() if state.by_ids.total > repaired else before
        return False
    state.counts = count()
    return state.by_ids.total > repaired or state.counts.there != before.there


def _walk(state: Settlement, count: Callable[[], Counts], walk: Callable[[], Repair]) -> Settlement:
    while state.counts.found:
        if state.walks == WALKS:
            state.contradictions = state.counts.found
            break
        before = state.counts
        repaired = walk()
        state.by_walks.add(repaired)
        state.walks += 1
        state.counts = count()
        if state.counts.there != before.there or (state.walks > 1 and repaired.total):
            state.in_flight = state.counts.found
            break
    return state
