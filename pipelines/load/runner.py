"""One run of the loader: drain → users in slices → rewards issued and due → campaigns and rewards → audit → report.

The only room that puts the parts together. Every slice is one committed package; a kill costs at most one slice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pipelines.api.client import Client
from pipelines.api.paging import Walker
from pipelines.api.query import Query
from pipelines.errors import DataRefused, FilterIgnored, ReferralsError
from pipelines.load import runlog
from pipelines.load.audit import Counts, Difference, count_differences, largest_known_id
from pipelines.load.history import boundary
from pipelines.load.intake import Intake, StreamReport
from pipelines.load.issued import IssuedIntake
from pipelines.load.loadfile import LoadFile
from pipelines.load.pipeline import LoadPipeline
from pipelines.load.settling import settle
from pipelines.load.snapshots import take_snapshot
from pipelines.load.source import Slice, loading
from pipelines.load.streams import STREAMS
from pipelines.load.users import UserIntake
from pipelines.settings import Settings

STEADY_TRIES = 3
Progress = Callable[[str, dict[str, Any]], None]


@dataclass(slots=True)
class LoadReport:
    """What a run did. ``observed_at`` is the server's clock (naive UTC); ``calls`` are requests sent."""

    run_id: str
    calls: int = 0
    observed_at: datetime | None = None
    drained: bool = False
    swept: bool = False
    streams: dict[str, StreamReport] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    @property
    def rows_written(self) -> int:
        return sum(report.rows_written for report in self.streams.values())


def load(
    settings: Settings,
    streams: Collection[str] = (),
    *,
    sweep: bool = False,
    rebuild: bool = False,
    command: str = "load",
    progress: Progress | None = None,
    on_event: Callable[[dict[str, Any]], None] | None = None,
    client: Client | None = None,
) -> LoadReport:
    """Load the chosen streams (all without a choice) from the API into the load file.

    Raises: any ReferralsError; what was committed before it is kept, and no cursor is past what was loaded.
    """
    chosen = set(streams or STREAMS)
    run = _Run(settings, chosen | {s.rides_on for s in map(STREAMS.get, chosen) if s and s.rides_on}, progress)
    with LoadFile(settings.load_path) as load_file, client or Client(settings, on_event=on_event) as api:
        try:
            with Walker(api, settings.concurrency) as walker:
                run.go(load_file, walker, api, sweep=sweep, rebuild=rebuild, command=command)
        except BaseException as error:
            api.stop()  # whoever still waits for a slow answer wakes up
            words = error.message if isinstance(error, ReferralsError) else type(error).__name__
            with suppress(Exception):  # nothing about the log may hide what happened
                run.log(load_file, api, status="failed" if isinstance(error, Exception) else "interrupted", error=words)
            raise
        run.log(load_file, api, status="done")
    return run.report


class _Run:
    def __init__(self, settings: Settings, chosen: set[str], progress: Progress | None) -> None:
        self._settings = settings
        self._chosen = chosen
        self._tell = progress or (lambda _stage, _facts: None)
        self._intake = Intake(runlog.new_run_id(datetime.now(UTC)))
        self._calls_before = 0
        self._logged = False
        self._rows_committed = 0
        self._upto: int | None = None
        self._pending = Slice()
        self.report = LoadReport(self._intake.run_id, streams=self._intake.reports)

    def go(self, load_file: LoadFile, walker: Walker, api: Client, *, sweep: bool, rebuild: bool, command: str) -> None:
        self._load_file, self._walker, self._api = load_file, walker, api
        self._pipeline = LoadPipeline(load_file, self._settings.state_dir)
        self.report.drained = self._pipeline.drain()
        self._intake.know_quarantine(load_file)
        runlog.start(load_file, self.report.run_id, command)
        self._logged = True
        if "users" in self._chosen:
            self._users(sweep=sweep, rebuild=rebuild)
        self._snapshots(whole_issued=sweep or rebuild or self.report.swept)
        if "users" in self._chosen:
            self._audit()

    # -- users and coupons ----------------------------------------------------------------------------------------

    def _users(self, *, sweep: bool, rebuild: bool) -> None:
        state = self._pipeline.state("users")
        users = UserIntake(
            self._walker, self._load_file, self._intake, state,
            slice_rows=self._settings.slice_rows, with_coupons="coupons" in self._chosen,
        )  # fmt: skip
        if not users.is_backfilled:
            is_first = "backfill" not in state
            self._gather("users", users.backfill())
            self._commit()
            if is_first:
                return  # what was resumed may have changed since it was read: the lanes and the counts tell
        try:
            if not rebuild:
                self._gather("users", users.lanes(self._settings.overlap_days))
        except FilterIgnored as ignored:
            self._intake.report("users").notes.append(ignored.message)
            sweep = True
        if sweep or rebuild or users.coupons_are_behind or self._sweep_is_due(users.state):
            self._sweep(users)
        self._user_intake = users

    def _sweep_is_due(self, state: dict[str, Any]) -> bool:
        swept_at, now = state.get("swept_at"), self._intake.latest
        if swept_at is None or now is None:
            return True
        return (now - datetime.fromisoformat(swept_at)).days >= self._settings.sweep_every_days

    def _sweep(self, users: UserIntake) -> int:
        """Every user again; gives how many rows that changed."""
        self._tell("sweep", {})
        self._commit()
        before = self._rows_committed
        self._gather("users", users.sweep())
        self._commit()
        self.report.swept = True
        return self._rows_committed - before

    def _gather(self, stream: str, slices: Iterator[Slice]) -> None:
        """Put slices together until they are worth a package: each costs dlt a good part of a second."""
        for part in slices:
            self._pending.merge(part)
            if self._pending.row_count >= self._settings.slice_rows:
                self._commit()
            self._tell(stream, {"rows": self._intake.report(stream).rows_seen})
        self._charge(stream)

    def _commit(self) -> None:
        self._pending.settle()
        for table, rows in self._pending.tables.items():
            if table in STREAMS and STREAMS[table].loading != "history":
                self._intake.report(table).rows_written += sum(part.num_rows for part in rows)
        # a row that is refused is set aside anew each time it comes: that is no change
        self._rows_committed += self._pending.row_count - sum(map(len, self._pending.tables.get("quarantine", [])))
        self._pipeline.commit(self._pending)
        self._pending.tables.clear()  # dlt's trace may keep the slice: its rows must not stay with it
        self._pending = Slice()

    # -- complete lists -------------------------------------------------------------------------------------------

    def _snapshots(self, *, whole_issued: bool) -> None:
        part = self._pending
        if self._chosen & {"rewards_due", "rewards_issued"}:
            self._rewards_in_one_moment(part, whole_issued=whole_issued)
        for stream in ("rewards", "campaigns"):
            if stream in self._chosen:
                take_snapshot(self._walker, self._load_file, self._intake, stream, part)
                self._charge(stream)
                self._tell(stream, {"rows": self._intake.report(stream).rows_seen})
        part.boundary = self._boundary(part)
        self._commit()

    def _rewards_in_one_moment(self, part: Slice, *, whole_issued: bool) -> None:
        """Issued and due belong together: what is issued between the two reads would be in both or in neither."""
        counted: int | None = None
        issued: IssuedIntake | None = None
        if "rewards_issued" in self._chosen:
            state = self._pipeline.state("rewards_issued")
            issued = IssuedIntake(self._walker, self._load_file, self._intake, state)
        for _ in range(STEADY_TRIES):
            known = self._issued(issued, part, whole=whole_issued) if issued is not None else None
            if "rewards_due" in self._chosen:
                part.tables.pop("rewards_due", None)
                self._intake.report("rewards_due").rows_written = 0
                take_snapshot(self._walker, self._load_file, self._intake, "rewards_due", part)
                self._charge("rewards_due")
                self._tell("rewards_due", {"rows": self._intake.report("rewards_due").rows_seen})
            if known is None:
                return
            before, counted = counted, self._walker.count(Query(STREAMS["rewards_issued"].path))
            self._charge("rewards_issued")
            report = self._intake.report("rewards_issued")
            report.api_count, report.our_count = counted, known
            if counted in (None, known):
                return
            if counted == before and whole_issued:
                self._judge_issued(counted, known, report)
                return
            whole_issued = whole_issued or counted == before  # nothing moves, and yet: read all of it

    def _judge_issued(self, counted: int, known: int, report: StreamReport) -> None:
        """After everything was read: rows in quarantine explain a difference, nothing else does."""
        if abs(counted - known) <= report.rows_quarantined:
            return
        raise DataRefused(
            f"After reading every reward issued, the API counts {counted} and sends {known}; nothing of it was loaded.",
            "Run `referrals check`; if this stays while the account is quiet, its answers contradict each other.",
        )

    def _issued(self, issued: IssuedIntake, part: Slice, *, whole: bool) -> int:
        if whole or "cursor" not in issued.state:
            issued.whole(part)
        else:
            try:
                issued.lanes(part, self._settings.overlap_days)
            except FilterIgnored as ignored:
                self._intake.report("rewards_issued").notes.append(ignored.message)
                issued.whole(part)
        self._charge("rewards_issued")
        self._tell("rewards_issued", {"rows": self._intake.report("rewards_issued").rows_seen})
        return issued.known_count(part)

    def _boundary(self, part: Slice) -> datetime | None:
        tables = [table for table in part.tables if loading(table) != "current"]
        if not tables or self._intake.latest is None:
            return None
        last = [moment for table in tables if (moment := self._load_file.last_boundary(table)) is not None]
        return boundary(self._intake.latest, max(last, default=None))

    # -- counts ---------------------------------------------------------------------------------------------------

    def _audit(self) -> None:
        """Compare counts; bounded by the largest id known, where the server can, so that who joins is no matter."""
        if STREAMS["users"].path not in self._walker.numbered:
            self._upto = largest_known_id(self._load_file, "users")
        counts = self._count_users()
        if counts.total is None and self._upto is not None:
            self._upto = None
            counts = self._count_users()
        if self._is_first_run():
            self._note_in_flight(counts.found)
        elif counts.total is None and not self.report.swept:
            self._intake.report("users").notes.append("the list tells no total, so every user was read again")
            self._sweep(self._user_intake)
            counts = self._count_users()
        elif counts.found:
            self.report.differences.extend(map(str, counts.found))
            settlement = settle(self._count_users, lambda: self._sweep(self._user_intake), counts)
            counts = settlement.counts
            self._note_in_flight(settlement.in_flight)
        report = self._intake.report("users")
        report.api_count, report.our_count = counts.total, counts.ours
        self._charge("users")

    def _note_in_flight(self, differences: list[Difference]) -> None:
        self.report.differences.extend(f"in flight: {difference}" for difference in differences)

    def _count_users(self) -> Counts:
        walked_at = self._pipeline.state("users").get("swept_at")
        since = datetime.fromisoformat(walked_at) if walked_at else datetime.min  # noqa: DTZ901 - naive UTC
        return count_differences(self._walker, self._load_file, "users", since, self._upto)

    def _is_first_run(self) -> bool:
        return not hasattr(self, "_user_intake")

    def _charge(self, stream: str) -> None:
        self._intake.report(stream).calls += self._api.calls - self._calls_before
        self._calls_before = self._api.calls

    def log(self, load_file: LoadFile, api: Client, *, status: str, error: str | None = None) -> None:
        self.report.calls = api.calls
        self.report.observed_at = self._intake.latest
        if self._logged:
            # what a run saw counts once it is through: the models take a logged look for a complete one
            done = status == "done"
            runlog.finish(
                load_file, self.report.run_id, status=status, calls=api.calls, error=error,
                observed_at=self._intake.latest if done else None,
                reports=self._intake.reports.values() if done else (),
            )  # fmt: skip
