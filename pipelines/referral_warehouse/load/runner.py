"""One run of the loader: drain → account → users in slices → rewards issued and due → campaigns and rewards → audit.

The only room that puts the parts together. Every slice is one committed package; a kill costs at most one slice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from referral_warehouse.api.client import Client
from referral_warehouse.api.pagination.paginator import Paginator
from referral_warehouse.api.query import Query
from referral_warehouse.display_text import LINE_COLUMNS, one_line
from referral_warehouse.errors import FilterIgnored, ReferralsError
from referral_warehouse.events import Progress, logged_load
from referral_warehouse.load import run_log
from referral_warehouse.load.clock.observation_clock import utc_now
from referral_warehouse.load.clock.repair import is_repair_needed, repair_times
from referral_warehouse.load.clock.stored_times import open_clock
from referral_warehouse.load.guards.account_guard import is_other_account
from referral_warehouse.load.guards.known_account import KnownAccount
from referral_warehouse.load.guards.list_guard import refuse_emptied_lists
from referral_warehouse.load.page_parser import PageParser, Repair
from referral_warehouse.load.reconcile.counts import Auditor, Counts, Holdings, largest_known_id, user_holdings
from referral_warehouse.load.reconcile.policy import settle
from referral_warehouse.load.records.row_version import boundary
from referral_warehouse.load.registry import STREAMS
from referral_warehouse.load.report import LoadReport
from referral_warehouse.load.storage.dlt_pipeline import LoadPipeline
from referral_warehouse.load.storage.dlt_resources import LoadBatch, loading
from referral_warehouse.load.storage.load_db import LoadFile
from referral_warehouse.load.streams.complete_list import take_snapshot
from referral_warehouse.load.streams.reward_lists import RewardMoment
from referral_warehouse.load.streams.unassigned_coupons import UnheldCoupons, read_names
from referral_warehouse.load.streams.users import UserIntake
from referral_warehouse.settings import Settings

__all__ = ["LoadReport", "load"]


@logged_load
def load(
    settings: Settings,
    streams: Collection[str] = (),
    *,
    sweep: bool = False,
    rebuild: bool = False,
    accept_account: bool = False,
    accept_deletions: bool = False,
    command: str = "load",
    progress: Progress | None = None,
    on_event: Callable[[dict[str, Any]], None] | None = None,
    client: Client | None = None,
    local: Callable[[], datetime] = utc_now,
) -> LoadReport:
    """Load the chosen streams (all without a choice) from the API into the load file. ``local`` is the local clock.

    Raises: any ReferralsError; what was committed before it is kept, and no cursor is past what was loaded.
    """
    chosen = set(streams or STREAMS)
    run = _Run(settings, chosen | {s.rides_on for s in map(STREAMS.get, chosen) if s and s.rides_on}, progress, local)
    with LoadFile(settings.load_path) as load_file, client or Client(settings, on_event=on_event) as api:
        try:
            with Paginator(api, settings.concurrency) as paginator:
                run.begin(load_file, paginator, api, command)
                whole = run.know_account(accept=accept_account)
                run.go(sweep=sweep, rebuild=rebuild or whole, accept_deletions=accept_deletions or whole)
        except BaseException as error:
            api.stop()  # whoever still waits for a slow answer wakes up
            words = one_line(error.message, LINE_COLUMNS) if isinstance(error, ReferralsError) else type(error).__name__
            with suppress(Exception):  # nothing about the log may hide what happened
                run.log(load_file, api, status="failed" if isinstance(error, Exception) else "interrupted", error=words)
            raise
        run.log(load_file, api, status="done")
    return run.report


class _Run:
    def __init__(
        self, settings: Settings, chosen: set[str], progress: Progress | None, local: Callable[[], datetime]
    ) -> None:
        self._settings = settings
        self._chosen = chosen
        self._tell = progress or (lambda _stage, _facts: None)
        self._local = local
        self._parser = PageParser(run_log.new_run_id(local()))
        self._calls_before = 0
        self._logged = False
        self._is_first_run = False
        self._swept = Repair()
        self._pending = LoadBatch()
        self._unheld: UnheldCoupons | None = None
        self._names = read_names(settings.coupon_names_file)
        self._campaigns = LoadBatch()
        self.report = LoadReport(self._parser.run_id, streams=self._parser.reports)

    def begin(self, load_file: LoadFile, paginator: Paginator, api: Client, command: str) -> None:
        """Load what an earlier run left, and write down that this one began."""
        self._load_file, self._paginator, self._api = load_file, paginator, api
        self._pipeline = LoadPipeline(load_file, self._settings.state_dir)
        self.report.drained, self.report.recovered = self._pipeline.drain(), self._pipeline.recovered
        self._pipeline.recovered[:0] = load_file.recovered
        self._parser.know_quarantine(load_file)
        self._parser.clock = open_clock(load_file, simulated=self._settings.simulated_time, local=self._local)
        run_log.start(load_file, self.report.run_id, command, self._local())
        self._logged = True

    def know_account(self, *, accept: bool) -> bool:
        """Read the campaigns, and see whether the account is the one of the directory; True for one taken over.

        The list is kept for the commit of all lists, so that nothing is asked twice.
        """
        is_chosen = "campaigns" in self._chosen
        pages = list(self._paginator.iter_all(Query(STREAMS["campaigns"].path))) if is_chosen else None
        with KnownAccount(self._load_file, self._settings) as known:
            self.report.is_other_account = is_other_account(self._paginator, known, pages, accept=accept)
        if pages is not None:
            take_snapshot(self._paginator, self._load_file, self._parser, "campaigns", self._campaigns, pages)
        self._charge("campaigns" if is_chosen else min(self._chosen))
        return self.report.is_other_account

    def go(self, *, sweep: bool, rebuild: bool, accept_deletions: bool) -> None:
        """Every chosen stream, in order."""
        self._correct_times()
        if "users" in self._chosen:
            self._users(sweep=sweep, rebuild=rebuild)
            if self._unheld is not None:
                self._unheld.look(self._pending, swept=sweep or rebuild or self.report.swept)
                self._charge("coupons")
        max_vanished = 100 if accept_deletions else self._settings.max_vanished_percent
        self._snapshots(whole_issued=sweep or rebuild or self.report.swept, max_vanished=max_vanished)
        if "users" in self._chosen:
            self._audit()

    def _correct_times(self) -> None:
        """What a wrong clock wrote earlier is corrected first, once the time of this run is known."""
        if self._settings.simulated_time or not is_repair_needed(self._load_file, self._pipeline, self._local()):
            return
        now = self._parser.server_time(self._paginator.fetch_page(Query("campaigns", per_page=1)))
        correction = repair_times(self._load_file, self._pipeline, now, self.report.run_id)
        if correction is not None:
            self.report.recovered.append(str(correction))
            self.report.times_corrected = True

    def _users(self, *, sweep: bool, rebuild: bool) -> None:
        state = self._pipeline.state("users")
        users = UserIntake(
            self._paginator, self._load_file, self._parser, state,
            slice_rows=self._settings.slice_rows, with_coupons="coupons" in self._chosen, coupon_names=self._names,
        )  # fmt: skip
        if users.coupons is not None:
            self._unheld = UnheldCoupons(users.coupons, self._pipeline.state("coupons"))
        if not users.is_backfilled:
            is_first = "backfill" not in state
            self._gather("users", users.backfill())
            self._commit()
            self._user_intake = users
            if is_first:
                self._is_first_run = True
                return  # what was resumed may have changed since it was read: the lanes and the counts tell
        try:
            if not rebuild:
                self._gather("users", users.lanes(self._settings.overlap_days))
        except FilterIgnored as ignored:
            self._parser.report("users").notes.append(ignored.message)
            sweep = True
        if sweep or rebuild or users.coupons_are_behind or self._sweep_is_due(users.state):
            self._sweep(users)
        self._user_intake = users

    def _sweep_is_due(self, state: dict[str, Any]) -> bool:
        swept_at, now = state.get("swept_at"), self._parser.latest
        if swept_at is None or now is None:
            return True
        return (now - datetime.fromisoformat(swept_at)).days >= self._settings.sweep_every_days

    def _sweep(self, users: UserIntake) -> Repair:
        """Every user again; gives what that changed."""
        self._tell("sweep", {})
        self._commit()
        report, gone, stored = self._parser.report("users"), users.gone, self._load_file.row_count("users")
        written = report.rows_written
        self._gather("users", users.sweep())
        self._commit()
        self.report.swept = True
        missing = self._load_file.row_count("users") - stored
        repair = Repair(
            missing, report.rows_written - written - missing, len(users.gone - gone), len(gone - users.gone)
        )  # fmt: skip
        self._swept.add(repair)
        return repair

    def _gather(self, stream: str, slices: Iterator[LoadBatch]) -> None:
        """Put slices together until they are worth a package: each costs dlt a good part of a second."""
        for part in slices:
            self._pending.merge(part)
            if self._pending.row_count >= self._settings.slice_rows:
                self._commit()
            self._tell(stream, {"rows": self._parser.report(stream).rows_seen})
        self._charge(stream)

    def _commit(self) -> None:
        self._pending.settle()
        for table, rows in self._pending.tables.items():
            if table in STREAMS and STREAMS[table].loading != "history":
                self._parser.report(table).rows_written += sum(part.num_rows for part in rows)
        self._pipeline.commit(self._pending)
        self._pending.tables.clear()  # dlt's trace may keep the slice: its rows must not stay with it
        self._pending = LoadBatch()

    # -- complete lists -------------------------------------------------------------------------------------------

    def _snapshots(self, *, whole_issued: bool, max_vanished: int) -> None:
        part = self._pending
        issued, due, moment = "rewards_issued" in self._chosen, "rewards_due" in self._chosen, None
        if issued or due:
            moment = RewardMoment(
                self._paginator, self._load_file, self._parser, self._pipeline.state("rewards_issued"), self._charge,
                overlap_days=self._settings.overlap_days,
            )  # fmt: skip
            self.report.differences.extend(moment.read(part, issued=issued, due=due, whole=whole_issued))
            for stream in sorted(self._chosen & {"rewards_issued", "rewards_due"}):
                self._tell(stream, {"rows": self._parser.report(stream).rows_seen})
        if "rewards" in self._chosen:
            take_snapshot(self._paginator, self._load_file, self._parser, "rewards", part)
            self._charge("rewards")
        part.merge(self._campaigns)
        for stream in sorted(self._chosen & {"rewards", "campaigns"}):
            self._tell(stream, {"rows": self._parser.report(stream).rows_seen})
        part.boundary = self._boundary(part)
        if moment is not None and part.boundary is not None:
            moment.date_tombstones(part, part.boundary)
        refuse_emptied_lists(self._load_file, part, max_vanished)
        self._commit()

    def _boundary(self, part: LoadBatch) -> datetime | None:
        tables = [table for table in part.tables if loading(table) != "current"]
        if not tables or self._parser.latest is None:
            return None
        last = [moment for table in tables if (moment := self._load_file.last_boundary(table)) is not None]
        return boundary(self._parser.latest, max(last, default=None))

    # -- counts ---------------------------------------------------------------------------------------------------

    def _audit(self) -> None:
        """Compare counts, repair what differs, and write down what came of it."""
        users = self._user_intake
        auditor = Auditor(self._paginator, "users", largest_known_id(self._load_file, "users"))
        self._charge("users")
        calls_before = self._parser.report("users").calls

        def read(above: int | None, upto: int, expected: list[int]) -> Repair:
            part, repair = users.span(above, upto, expected)
            self._pending.merge(part)
            return repair

        def mend(counts: Counts, repair: Repair) -> None:
            self._tell("repair", {})
            auditor.mend(counts, self._user_holdings, read, self._commit, repair)

        swept = replace(self._swept)
        settlement = settle(lambda: auditor.count(self._user_holdings()), mend, lambda: self._sweep(users))
        report = self._parser.report("users")
        if settlement.counts.total is None and not self.report.swept and not self._is_first_run:
            report.notes.append("the list tells no total, so every user was read again")
            swept = self._sweep(users)
        self.report.differences.extend(settlement.words)
        report.api_count, report.our_count = settlement.counts.total, settlement.counts.ours
        self._charge("users")
        report.reconciliation = settlement.recorded(auditor.upto, report.calls - calls_before)
        report.reconciliation.add_sweep(swept)
        settlement.refuse_contradictions()

    def _user_holdings(self) -> Holdings:
        walked_at = self._pipeline.state("users").get("swept_at")
        return user_holdings(self._load_file, datetime.fromisoformat(walked_at) if walked_at else datetime.min)  # noqa: DTZ901

    def _charge(self, stream: str) -> int:
        calls, self._calls_before = self._api.calls - self._calls_before, self._api.calls
        self._parser.report(stream).calls += calls
        return calls

    def log(self, load_file: LoadFile, api: Client, *, status: str, error: str | None = None) -> None:
        self.report.calls = api.calls
        self.report.observed_at = self._parser.latest
        self.report.warnings = self._parser.clock.warnings
        if self._logged:
            # what a run saw counts once it is through: the models take a logged look for a complete one
            done, reports = status == "done", self._parser.reports.values()
            run_log.finish(
                load_file, self.report.run_id, status=status, calls=api.calls, error=error, now=self._local(),
                observed_at=self._parser.latest if done else None,
                reports=reports if done else (),
                reconciled=[report for report in reports if done or report.reconciliation.is_contradiction],
            )  # fmt: skip
