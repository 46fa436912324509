"""What reconciliation found and repaired, as values. Knows no API and no database."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Repair:
    """How many rows were missing locally, had changed, had vanished from the API, or were there again."""

    missing: int = 0
    changed: int = 0
    vanished: int = 0
    reappeared: int = 0

    @property
    def total(self) -> int:
        return self.missing + self.changed + self.vanished + self.reappeared

    def add(self, other: Repair) -> None:
        """Count what another repair changed, too."""
        self.missing += other.missing
        self.changed += other.changed
        self.vanished += other.vanished
        self.reappeared += other.reappeared


@dataclass(slots=True)
class Reconciliation:
    """The outcome of comparing the counts of a stream: what differed, how it was repaired, what is left.

    Args:
        found: the differences, in words.
        in_flight: those left to the next run, because the account changed meanwhile.
        repaired_by: ``ids``, ``referrers``, ``refresh``, ``sweep``, several of them joined by ``and``, or None.
        repair: the rows that were repaired.
        upto_id: the largest id that was counted; None where all rows were.
        calls: the calls of comparing and repairing.
        is_contradiction: whether a difference stays although nothing changes, so that the run fails.
    """

    found: str | None = None
    in_flight: str | None = None
    repaired_by: str | None = None
    repair: Repair = field(default_factory=Repair)
    upto_id: int | None = None
    calls: int = 0
    is_contradiction: bool = False

    def add(self, way: str, repair: Repair) -> None:
        """Count what was repaired in another way than by comparing the counts of the stream."""
        if repair.total:
            self.repair.add(repair)
            ways = [*(self.repaired_by or "").split(" and "), way]
            self.repaired_by = " and ".join(dict.fromkeys(filter(None, ways)))
