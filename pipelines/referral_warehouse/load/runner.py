"""One run of the loader: recover, recognise the account, read every stream, commit, reconcile, log.

Takes the steps of ``plan`` and names no stream. Every package is committed by itself; a kill costs at most one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import datetime
from functools import partial
from itertools import takewhile
from typing import Any

from referral_warehouse.api.client import Client
from referral_warehouse.api.pagination.paginator import Paginator
from referral_warehouse.display_text import LINE_COLUMNS, one_line
from referral_warehouse.errors import ReferralsError
from referral_warehouse.events import Progress, logged_load
from referral_warehouse.load import plan, run_log
from referral_warehouse.load.clock.observation_clock import utc_now
from referral_warehouse.load.clock.repair import is_repair_needed, repair_times
from referral_warehouse.load.clock.stored_times import open_clock
from referral_warehouse.load.context import LoadContext, LoadRequest, ignore_progress
from referral_warehouse.load.guards.account_guard import ACCOUNT_LIST, ACCOUNT_ROW, is_other_account
from referral_warehouse.load.guards.known_account import KnownAccount
from referral_warehouse.load.guards.list_guard import refuse_emptied_lists
from referral_warehouse.load.page_parser import PageParser
from referral_warehouse.load.privacy.stored_policy import apply_policy, clear_reread_due
from referral_warehouse.load.quarantine import Quarantine
from referral_warehouse.load.refresh_log import RefreshLog
from referral_warehouse.load.registry import STREAMS, TABLES, chosen_streams, in_order
from referral_warehouse.load.report import LoadReport
from referral_warehouse.load.storage.batch_writer import BatchWriter
from referral_warehouse.load.storage.load_file import LoadFile
from referral_warehouse.load.storage.load_file_upgrade import remove_copies
from referral_warehouse.load.storage.load_pipeline import LoadPipeline
from referral_warehouse.load.streams.coupon_names import read_names
from referral_warehouse.load.streams.stream import Stream, gather
from referral_warehouse.run_ids import new_run_id
from referral_warehouse.settings import Settings
from referral_warehouse.workspace.load_file_version import copies_before_upgrades

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
    """Load streams from the API into the load file.

    Args:
        settings: the account, the directory and the limits.
        streams: names of streams; all without a choice. Those that they require are loaded, too.
        sweep: read everything, instead of what is new.
        rebuild: as ``sweep``, without reading what is new first.
        accept_account: let another account replace the data of the directory.
        accept_deletions: let complete lists lose most of their rows.
        command: what the user ran, for the log of runs.
        progress: is called with how far the run is.
        on_event: receives events of the client, such as retries.
        client: sends the requests; one is made from the settings without it.
        local: this machine's clock (naive UTC).

    Returns:
        What the run did.

    Raises:
        ReferralsError: any; what was committed before it is kept, and no cursor is past what was loaded.
    """
    copies = copies_before_upgrades(settings.load_path)  # of earlier runs: one that this run makes stays
    chosen = chosen_streams(settings.streams, streams)
    applied = apply_policy(settings, TABLES)
    request = LoadRequest(
        chosen, sweep, rebuild or applied.is_reread_due, accept_account, accept_deletions, command,
        read_names(settings.coupon_names_file), progress or ignore_progress, applied.policy,
    )  # fmt: skip
    with LoadFile(settings.load_path) as load_file, client or Client(settings, on_event=on_event) as api:
        load_file.recovered[:0] = applied.recovered
        run = _Run(settings, request, load_file, api, local)
        try:
            with Paginator(api) as paginator:
                run.load(paginator)
        except BaseException as error:
            api.stop()  # ends waits for slow responses
            text = one_line(error.message, LINE_COLUMNS) if isinstance(error, ReferralsError) else type(error).__name__
            with suppress(Exception):  # an error of the log must not hide the error of the run
                run.record(status="failed" if isinstance(error, Exception) else "interrupted", error=text)
            raise
        run.record(status="done")
    remove_copies(copies)
    return run.report


def _is_known(lists: object) -> bool:
    return lists is not None


class _Run:
    def __init__(
        self, settings: Settings, request: LoadRequest, load_file: LoadFile, api: Client, local: Callable[[], datetime]
    ) -> None:
        self._settings = settings
        self._request = request
        self._load_file = load_file
        self._api = api
        self._local = local
        self._parser: PageParser | None = None
        self.report = LoadReport(new_run_id(local()))

    def load(self, paginator: Paginator) -> None:
        """Recover what an earlier run left, and load every stream of the request."""
        pipeline = LoadPipeline(self._load_file, self._settings.state_dir, TABLES)
        self.report.drained, self.report.recovered = pipeline.drain(), pipeline.recovered
        pipeline.recovered[:0] = self._load_file.recovered
        clock = open_clock(self._load_file, simulated=self._settings.simulated_time, local=self._local)
        parser = PageParser(
            self.report, clock, Quarantine(self.report.run_id, self._load_file.rows), self._request.policy
        )
        run_log.start(self._load_file, self.report.run_id, self._request.command, self._local())
        self._parser = parser
        writer = BatchWriter(pipeline, self._load_file.rows, self.report, self._settings.slice_rows)
        ctx = LoadContext(self._settings, self._request, paginator, writer, parser)
        steps: dict[str, Callable[[], object]] = {
            plan.RECOGNISE_ACCOUNT: lambda: self._recognise_account(ctx, pipeline),
            plan.CORRECT_TIMES: lambda: self._correct_times(ctx, pipeline),
            **{stream.name: partial(self._read, ctx, stream) for stream in in_order(self._request.streams)},
            plan.COMMIT_LISTS: lambda: self._commit_lists(ctx, writer),
            plan.COMPARE_COUNTS: lambda: self._compare_counts(ctx),
            plan.SAVE_ROUNDS: lambda: self._save_rounds(ctx),
        }
        for step in plan.ordered(steps):
            steps[step]()
        if self._request.rebuild and self._request.streams == chosen_streams(self._settings.streams, ()):
            clear_reread_due(self._load_file.connection)

    def _recognise_account(self, ctx: LoadContext, pipeline: LoadPipeline) -> None:
        """Find out whether the account is another one than before; pages read for that are not requested again."""
        is_loaded = ACCOUNT_LIST.name in self._request.streams
        pages = ctx.keep_pages(ACCOUNT_LIST.query, ctx.paginator.iter_all(ACCOUNT_LIST.query)) if is_loaded else None
        with KnownAccount(self._load_file.rows, self._settings) as known:
            accept = self._request.accept_account
            self.report.is_other_account = is_other_account(ctx.paginator, known, pages, accept=accept)
        ctx.count_calls(ACCOUNT_LIST.name if is_loaded else min(self._request.streams))
        if self.report.is_other_account:
            ctx.replace_account()
        if pipeline.is_new:
            pipeline.prepare()

    def _correct_times(self, ctx: LoadContext, pipeline: LoadPipeline) -> None:
        """Correct what a wrong clock wrote earlier, once the time of this run is known."""
        if self._settings.simulated_time or not is_repair_needed(self._load_file, pipeline, self._local()):
            return
        now = ctx.parser.observe(ctx.paginator.fetch_page(ACCOUNT_ROW))
        correction = repair_times(self._load_file, pipeline, now, self.report.run_id)
        if correction is not None:
            self.report.recovered.append(str(correction))
            self.report.times_corrected = True

    def _read(self, ctx: LoadContext, stream: Stream) -> None:
        ahead = (STREAMS[name].lists_ahead(ctx) for name in plan.read_ahead(stream.name, self._request.streams))
        ctx.allow_ahead([one for lists in takewhile(_is_known, ahead) for one in lists or ()])
        try:
            gather(ctx, stream.name, stream.extract(ctx))
        except ReferralsError:
            with suppress(ReferralsError):  # the error that ends the run is the one to report
                ctx.store.flush()  # what other streams have read is kept
            raise
        ctx.count_calls(stream.name)

    def _commit_lists(self, ctx: LoadContext, writer: BatchWriter) -> None:
        batch = writer.close_lists(ctx.parser.clock.begin_versions)
        max_vanished = 100 if ctx.request.accept_deletions else self._settings.max_vanished_percent
        refuse_emptied_lists(self._load_file.rows, batch, max_vanished)
        writer.flush()

    def _compare_counts(self, ctx: LoadContext) -> None:
        for stream in in_order(self._request.streams):
            stream.reconcile(ctx)

    def _save_rounds(self, ctx: LoadContext) -> None:
        log = RefreshLog(self._load_file.connection)
        for stream in in_order(self._request.streams):
            found = stream.refresh_round(ctx)
            if found is not None:
                log.save_round(stream.name, found)

    def record(self, *, status: str, error: str | None = None) -> None:
        """Write into the log of runs how the run ended."""
        self.report.calls = self._api.calls
        if self._parser is None:
            return  # the run ended before it was logged
        self.report.observed_at = self._parser.latest
        self.report.warnings = self._parser.clock.warnings
        # reads are logged only where the run is complete: models take every logged read for a complete one
        is_done, reports = status == "done", self.report.streams.values()
        run_log.finish(
            self._load_file, self.report.run_id, status=status, calls=self._api.calls, error=error, now=self._local(),
            observed_at=self._parser.latest if is_done else None,
            reports=reports if is_done else (),
            reward_units=self._settings.reward_units, unit_terms=self._settings.unit_terms,
            reconciled=[report for report in reports if is_done or report.reconciliation.is_contradiction],
        )  # fmt: skip
