"""Decides what a difference between two counts means: something to repair, a change in flight, or a contradiction.

Knows no table and no server. An account changes while it is read, and one deleted row and one new row leave a count
unchanged. So equal counts prove nothing; a difference is a contradiction of the account only where complete reads, one
after the other, find every row unchanged, and the counts still differ by the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from referral_warehouse.errors import DataRefused
from referral_warehouse.load.reconcile.counts import Counts, Difference, RangeRepair
from referral_warehouse.load.reconcile.repair import Reconciliation, Repair

RANGE_ROUNDS = 3
FULL_READS = 3


class Reconcilable(Protocol):
    """A stream whose counts can be compared and whose rows can be read again."""

    def compare(self) -> Counts:
        """Compare the API's counts with the local ones."""
        ...

    def repair_ranges(self, counts: Counts) -> RangeRepair:
        """Read the ids again that differ."""
        ...

    def read_all(self) -> Repair:
        """Read every row again."""
        ...


@dataclass(slots=True)
class Outcome:
    """What became of the differences.

    Args:
        counts: the last comparison.
        found: the differences of the first comparison.
        in_flight: those left to the next run, because the account changed meanwhile.
        contradictions: those that stay although nothing changes.
        by_ids: what reading ranges of ids repaired.
        by_full_reads: what reading everything repaired.
        full_reads: how often everything was read.
    """

    counts: Counts
    found: list[Difference] = field(default_factory=list)
    in_flight: list[Difference] = field(default_factory=list)
    contradictions: list[Difference] = field(default_factory=list)
    by_ids: Repair = field(default_factory=Repair)
    by_full_reads: Repair = field(default_factory=Repair)
    full_reads: int = 0

    @property
    def repaired(self) -> Repair:
        """What was repaired in all."""
        total = Repair()
        total.add(self.by_ids)
        total.add(self.by_full_reads)
        return total

    @property
    def differences(self) -> list[str]:
        """The differences in words: those found, and those left to the next run."""
        return [*map(str, self.found), *(f"in flight: {difference}" for difference in self.in_flight)]

    def summary(self, upto_id: int | None, calls: int) -> Reconciliation:
        """What is written into the log of runs."""
        ways = ["ids"] * bool(self.by_ids.total) + ["sweep"] * bool(self.full_reads)
        return Reconciliation(
            found=_joined(self.found), in_flight=_joined(self.in_flight), repaired_by=" and ".join(ways) or None,
            repair=self.repaired, upto_id=upto_id, calls=calls, is_contradiction=bool(self.contradictions),
        )  # fmt: skip

    def refuse_contradictions(self) -> None:
        """Raises: DataRefused where a difference stays although nothing changes."""
        if self.contradictions:
            raise DataRefused(
                f"After reading everything {self.full_reads} times without a change, "
                f"{'; '.join(map(str, self.contradictions))}. Everything read is kept, nothing was published.",
                "Run `referrals check`. If this happens again although nobody changes the account, its API contradicts "
                "itself.",
            )


def _joined(differences: list[Difference]) -> str | None:
    return "; ".join(difference.counts for difference in differences) or None


class Reconciler:
    """Repairs a stream until its counts agree, the account changed meanwhile, or it contradicts itself."""

    def __init__(self, rows: Reconcilable) -> None:
        self._rows = rows

    def reconcile(self) -> Outcome:
        """Compare and repair: ranges of ids first, everything where those do not help.

        Returns:
            What was found and repaired. Contradictions are not raised: see ``Outcome.refuse_contradictions``.
        """
        outcome = Outcome(self._rows.compare())
        outcome.found = outcome.counts.found
        for _ in range(RANGE_ROUNDS):
            if not outcome.counts.found or not self._repair_ranges(outcome):
                break
        else:
            outcome.in_flight = outcome.counts.found
            return outcome
        self._read_all(outcome)
        return outcome

    def _repair_ranges(self, outcome: Outcome) -> bool:
        """Repair the ids that differ and compare again. False where that does not help."""
        before = outcome.counts
        repaired = self._rows.repair_ranges(before)
        outcome.by_ids.add(repaired.repair)
        if repaired.gave_up:
            outcome.counts = self._rows.compare() if repaired.repair.total else before
            return False
        outcome.counts = self._rows.compare()
        return repaired.repair.total > 0 or outcome.counts.api_counts != before.api_counts

    def _read_all(self, outcome: Outcome) -> None:
        while outcome.counts.found:
            if outcome.full_reads == FULL_READS:
                outcome.contradictions = outcome.counts.found
                return
            before = outcome.counts
            repaired = self._rows.read_all()
            outcome.by_full_reads.add(repaired)
            outcome.full_reads += 1
            outcome.counts = self._rows.compare()
            has_moved = outcome.counts.api_counts != before.api_counts
            if has_moved or (outcome.full_reads > 1 and repaired.total):
                outcome.in_flight = outcome.counts.found
                return
