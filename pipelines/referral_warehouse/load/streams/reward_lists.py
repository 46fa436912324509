"""Rewards issued and due, read as of one moment: what is issued between two reads would be in both or in neither.

Knows no dlt: puts both lists into one slice, and compares the counts of what was issued before it lets go of it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from referral_warehouse.api.pagination.paginator import Paginator
from referral_warehouse.api.query import Query
from referral_warehouse.errors import FilterIgnored
from referral_warehouse.load.page_parser import PageParser, Repair
from referral_warehouse.load.reconcile.counts import EVERYTHING, Auditor, Counts
from referral_warehouse.load.reconcile.policy import settle
from referral_warehouse.load.registry import STREAMS
from referral_warehouse.load.storage.dlt_resources import LoadBatch
from referral_warehouse.load.storage.load_db import LoadFile
from referral_warehouse.load.streams.complete_list import take_snapshot
from referral_warehouse.load.streams.rewards_issued import IssuedIntake

STEADY_TRIES = 3
Charge = Callable[[str], int]
"""Books the calls made since the last time on a stream, and says how many they were."""


class RewardMoment:
    """Reads one or both lists. ``state`` is what dlt saved for rewards issued; ``overlap_days`` as in room windows."""

    def __init__(
        self, paginator: Paginator, load_file: LoadFile, parser: PageParser, state: dict[str, Any], charge: Charge, *,
        overlap_days: int,
    ) -> None:  # fmt: skip
        self._paginator = paginator
        self._load_file = load_file
        self._parser = parser
        self._charge = charge
        self._overlap_days = overlap_days
        self._issued = IssuedIntake(paginator, load_file, parser, state)
        self.date_tombstones = self._issued.date_tombstones

    def read(self, part: LoadBatch, *, issued: bool, due: bool, whole: bool) -> list[str]:
        """Put what changed into the slice; gives the differences that were found, in words.

        Raises: DataRefused where the counts of rewards issued contradict the list while nothing moves.
        """
        if not issued:
            self._read_due(part)
            return []
        before: int | None = None
        for _ in range(STEADY_TRIES):
            self._read_issued(part, whole=whole)
            if due:
                self._read_due(part)
            counted = self._paginator.count(Query(STREAMS["rewards_issued"].path))
            report = self._parser.report("rewards_issued")
            report.reconciliation.calls += self._charge("rewards_issued")
            known = self._issued.holdings(part).total(EVERYTHING)
            report.api_count, report.our_count = counted, known
            if counted in (None, known):
                return []
            if counted == before:
                break  # nothing moves, and yet
            before = counted
        return self._settle(part, due=due)

    def _settle(self, part: LoadBatch, *, due: bool) -> list[str]:
        auditor = Auditor(self._paginator, "rewards_issued", self._issued.largest_known_id(part))

        def mend(counts: Counts, repair: Repair) -> None:
            auditor.mend(
                counts, partial(self._issued.holdings, part), partial(self._issued.span, part), lambda: None, repair
            )

        settlement = settle(lambda: auditor.count(self._issued.holdings(part)), mend, partial(self._issued.whole, part))
        report = self._parser.report("rewards_issued")
        calls = report.reconciliation.calls + self._charge("rewards_issued")
        report.reconciliation = settlement.recorded(auditor.upto, calls)
        report.api_count, report.our_count = settlement.counts.total, settlement.counts.ours
        settlement.refuse_contradictions()
        if due and settlement.repaired.total:
            self._read_due(part)
        return settlement.words

    def _read_issued(self, part: LoadBatch, *, whole: bool) -> None:
        if whole or "cursor" not in self._issued.state:
            self._issued.whole(part)
        else:
            try:
                self._issued.lanes(part, self._overlap_days)
            except FilterIgnored as ignored:
                self._parser.report("rewards_issued").notes.append(ignored.message)
                self._issued.whole(part)
        self._charge("rewards_issued")

    def _read_due(self, part: LoadBatch) -> None:
        part.tables.pop("rewards_due", None)
        self._parser.report("rewards_due").rows_written = 0
        take_snapshot(self._paginator, self._load_file, self._parser, "rewards_due", part)
        self._charge("rewards_due")
