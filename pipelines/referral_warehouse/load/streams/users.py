"""Users: read by their dates, repaired by counts of ids, and read completely from time to time."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import ClassVar

from referral_warehouse.errors import FilterIgnored
from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.context import LoadContext
from referral_warehouse.load.reconcile.counts import CountComparison, Counts, ExpectedRange, LocalRows, RangeRepair
from referral_warehouse.load.reconcile.policy import Reconciler
from referral_warehouse.load.reconcile.repair import Reconciliation, Repair
from referral_warehouse.load.records.schema import TableSchema
from referral_warehouse.load.refresh_log import RefreshRound
from referral_warehouse.load.streams.referrer_repair import ReferrerRepair
from referral_warehouse.load.streams.stream import Stream, gather
from referral_warehouse.load.streams.user_reader import UserReader
from referral_warehouse.load.streams.user_refresh import UserRefresh
from referral_warehouse.load.streams.user_rereader import UserRereader
from referral_warehouse.load.streams.user_rows import UserRows
from referral_warehouse.load.streams.user_schema import USER_CURSORS, USER_PATH, USER_RELATIONS, USERS


class Users(Stream):
    """Every user of the account."""

    name: ClassVar[str] = USERS.name
    path: ClassVar[str] = USER_PATH
    section: ClassVar[str] = "Users > Get All Users"
    schema: ClassVar[TableSchema] = USERS
    cursors: ClassVar[tuple[str, ...]] = USER_CURSORS
    relations: ClassVar[tuple[str, ...]] = USER_RELATIONS
    counted_flags: ClassVar[tuple[str, ...]] = ("qualified", "unsubscribed")

    def extract(self, ctx: LoadContext) -> Iterator[LoadBatch]:
        """Read every user the first time, and then what is new by date; everything where a sweep is due."""
        reader, request = ctx.shared(UserReader), ctx.request
        needs_sweep = request.sweep or request.rebuild
        if not reader.is_backfilled:
            yield from reader.backfill()
            if reader.is_first_run:
                return
            ctx.store.flush()
            # rows read before an interruption may have changed since: queries by date and counts find that
        try:
            if not request.rebuild:
                yield from reader.incremental()
        except FilterIgnored as ignored:
            ctx.report.stream(self.name).notes.append(ignored.message)
            needs_sweep = True
        if needs_sweep or reader.lacks_coupons or _is_sweep_due(ctx, reader):
            yield from sweep(ctx)

    def reconcile(self, ctx: LoadContext) -> Reconciliation:
        """Compare the total and the flags with the API, and read again what differs.

        Raises:
            DataRefused: when a difference stays although nothing changes.
        """
        reader, report = ctx.shared(UserReader), ctx.report.stream(self.name)
        upto = ctx.rows.largest_known_id(self.name)
        comparison = CountComparison(ctx.paginator, self.name, self.query, self.counted_flags, upto)
        ctx.count_calls(self.name)
        referrers = ReferrerRepair(ctx, reader)
        calls_before, swept_before = report.calls, replace(reader.swept)
        outcome = Reconciler(_UserCounts(ctx, comparison)).reconcile()
        if outcome.counts.total is None and not ctx.report.swept and not reader.is_first_run:
            report.notes.append("the list reports no total, so every user was read again")
            swept_before = gather(ctx, self.name, sweep(ctx)) or Repair()
        by_referrer, by_refresh = Repair(), Repair()
        if ctx.settings.refresh_calls and not ctx.report.swept and not reader.is_first_run:
            by_referrer = referrers.repair(self.query, comparison.upto, outcome.counts.total)
            began_at = ctx.parser.latest
            by_refresh = ctx.shared(UserRefresh).refresh(referrers.calls_left)
            if by_refresh.total:
                by_referrer = referrers.check_counters(began_at)
        ctx.report.differences.extend(outcome.differences)
        report.api_count, report.our_count = outcome.counts.total, outcome.counts.ours
        ctx.count_calls(self.name)
        report.reconciliation = outcome.summary(comparison.upto, report.calls - calls_before)
        report.reconciliation.add("referrers", by_referrer)
        report.reconciliation.add("refresh", by_refresh)
        report.reconciliation.add("sweep", swept_before)
        outcome.refuse_contradictions()
        return report.reconciliation

    def refresh_round(self, ctx: LoadContext) -> RefreshRound:
        """Users are read again by sweeps, and a few pages at every sync."""
        return ctx.shared(UserRefresh).round()


def sweep(ctx: LoadContext) -> Generator[LoadBatch, None, Repair]:
    """Read every user, as batches; returns what that changed.

    Whatever was read before is committed first, so that it does not count as a repair.
    """
    reader, report = ctx.shared(UserReader), ctx.report.stream(USERS.name)
    ctx.request.on_progress("sweep", {})
    ctx.store.flush()
    gone, stored, written = reader.gone, ctx.rows.row_count(USERS.name), report.rows_written
    yield from reader.sweep()
    ctx.store.flush()
    ctx.report.swept = True
    missing = ctx.rows.row_count(USERS.name) - stored
    repair = Repair(missing, report.rows_written - written - missing, len(reader.gone - gone), len(gone - reader.gone))
    reader.swept.add(repair)
    return repair


def _is_sweep_due(ctx: LoadContext, reader: UserReader) -> bool:
    swept_at, now = reader.swept_at, ctx.parser.latest
    return swept_at is None or now is None or (now - swept_at).days >= ctx.settings.sweep_every_days


class _UserCounts:
    """Users as ``Reconciler`` and ``CountComparison`` need them."""

    def __init__(self, ctx: LoadContext, comparison: CountComparison) -> None:
        self._ctx = ctx
        self._comparison = comparison
        self._reader = ctx.shared(UserReader)

    def local(self) -> LocalRows:
        swept_at = self._reader.swept_at or datetime.min  # noqa: DTZ901 - naive UTC
        return UserRows(self._ctx.rows).local(swept_at)

    def compare(self) -> Counts:
        return self._comparison.compare(self.local())

    def repair_ranges(self, counts: Counts) -> RangeRepair:
        self._ctx.request.on_progress("repair", {})
        return self._comparison.repair_ranges(counts, self)

    def read_ranges(self, ranges: Sequence[ExpectedRange]) -> Iterator[Repair]:
        for found in self._ctx.shared(UserRereader).read_ranges(ranges):
            self._ctx.store.add(found.batch)
            yield found.repair

    def read_all(self) -> Repair:
        return gather(self._ctx, USERS.name, sweep(self._ctx)) or Repair()

    def flush(self) -> None:
        self._ctx.store.flush()
