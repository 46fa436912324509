"""Reads rewards issued and rewards due as of one time.

A reward that is issued between two reads would be in both lists, or in neither. So the count of rewards issued is
compared after both were read, and both are read again until it agrees. Knows no dlt.
"""

from __future__ import annotations

from functools import partial

from referral_warehouse.api.query import Query
from referral_warehouse.errors import FilterIgnored
from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.context import LoadContext
from referral_warehouse.load.reconcile.counts import ALL_IDS, CountComparison, Counts, RangeRepair
from referral_warehouse.load.reconcile.policy import Reconciler
from referral_warehouse.load.reconcile.repair import Repair
from referral_warehouse.load.streams.complete_list import CompleteList
from referral_warehouse.load.streams.issued_reader import IssuedReader
from referral_warehouse.load.streams.reward_schema import REWARDS_DUE, REWARDS_ISSUED

CONSISTENT_READS = 3


class RewardLists:
    """Reads rewards issued and, with them, rewards due.

    Args:
        ctx: the run.
        issued: the list of rewards issued.
        due: the stream of rewards due; None where the run does not load it.
    """

    def __init__(self, ctx: LoadContext, issued: Query, due: CompleteList | None) -> None:
        self._ctx = ctx
        self._query = issued
        self._due = due
        self._issued = IssuedReader(ctx, issued)
        self._report = ctx.report.stream(REWARDS_ISSUED.name)

    def read(self) -> LoadBatch:
        """Read until the counts agree.

        Returns:
            What changed in both lists.

        Raises:
            DataRefused: when the counts of rewards issued contradict the list although nothing changes.
        """
        self._read_until_equal()
        self._report.totals = self._issued.totals()
        return self._issued.batch

    @property
    def is_read_completely(self) -> bool:
        """Whether the list of rewards issued is read from its beginning: for the first time, or because that is due."""
        is_due = self._ctx.reads_everything or self._issued.is_sweep_due(self._ctx.settings.sweep_every_days)
        return is_due or not self._issued.has_cursor

    def _read_until_equal(self) -> None:
        before: int | None = None
        for _ in range(CONSISTENT_READS):
            was_begun = self._ctx.is_begun(self._query)
            self._read_issued()
            self._read_due()
            if not self._ctx.store.keeps_rows:
                return
            paginator = self._ctx.paginator
            largest_id = [partial(paginator.largest_id, self._query)] if was_begun else []
            counted, *newest = paginator.together([partial(paginator.count, self._query), *largest_id])
            self._report.reconciliation.calls += self._ctx.count_calls(REWARDS_ISSUED.name)
            local = self._issued.local().total(ALL_IDS)
            self._report.api_count, self._report.our_count = counted, local
            # one may have been issued meanwhile and another one deleted, so that the counts agree
            is_one_missing = any(found is not None and found > self._issued.largest_read for found in newest)
            if counted in (None, local) and not is_one_missing:
                return
            self._ctx.discard_begun()  # the list of rewards is read after what refers to it
            if is_one_missing:
                continue
            if counted == before:
                break  # the account does not change, but the counts differ
            before = counted
        self._reconcile()

    def _reconcile(self) -> None:
        comparison = CountComparison(
            self._ctx.paginator, REWARDS_ISSUED.name, self._query, (), self._issued.largest_known_id()
        )
        outcome = Reconciler(_IssuedCounts(comparison, self._issued)).reconcile()
        calls = self._report.reconciliation.calls + self._ctx.count_calls(REWARDS_ISSUED.name)
        self._report.reconciliation = outcome.summary(comparison.upto, calls)
        self._report.api_count, self._report.our_count = outcome.counts.total, outcome.counts.ours
        outcome.refuse_contradictions()
        if outcome.repaired.total:
            self._read_due()
        self._ctx.report.differences.extend(outcome.differences)

    def _read_issued(self) -> None:
        if self.is_read_completely:
            self._issued.read_all()
        else:
            try:
                self._issued.read_new()
            except FilterIgnored as ignored:
                self._report.notes.append(ignored.message)
                self._issued.read_all()
        self._ctx.count_calls(REWARDS_ISSUED.name)

    def _read_due(self) -> None:
        if self._due is None:
            return
        self._issued.batch.take(REWARDS_DUE)
        self._ctx.report.stream(REWARDS_DUE.name).rows_written = 0
        self._issued.batch.merge(self._due.read(self._ctx))
        self._ctx.count_calls(REWARDS_DUE.name)


class _IssuedCounts:
    """Rewards issued as ``Reconciler`` needs them."""

    def __init__(self, comparison: CountComparison, issued: IssuedReader) -> None:
        self._comparison = comparison
        self._issued = issued

    def compare(self) -> Counts:
        return self._comparison.compare(self._issued.local())

    def repair_ranges(self, counts: Counts) -> RangeRepair:
        return self._comparison.repair_ranges(counts, self._issued)

    def read_all(self) -> Repair:
        return self._issued.read_all()
