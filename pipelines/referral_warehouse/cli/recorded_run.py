"""A run of a command that writes the warehouse: the lock, the log, the record of how it ended, and notifications.

Must not know what the command does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import click

from referral_warehouse.cli.accounts.layout import refuse_equal_tokens, refuse_other_layout
from referral_warehouse.cli.configuration import refuse_missing_token
from referral_warehouse.cli.exit_codes import explain
from referral_warehouse.cli.feed_delivery import refuse_missing_s3_extra
from referral_warehouse.cli.lake import locked_lake
from referral_warehouse.cli.output import DONE
from referral_warehouse.cli.settings_in_use import (
    announce_new_directory,
    is_directory_new,
    log_in_use,
    refuse_missing_warehouse,
)
from referral_warehouse.cli.table_delivery import refuse_missing_client
from referral_warehouse.errors import (
    AccountsFailed,
    AnotherSyncRunning,
    ChecksFailed,
    ReferralsError,
)
from referral_warehouse.settings import Settings
from referral_warehouse.workspace.lock import warehouse_lock
from referral_warehouse.workspace.ownership import refuse_files_of_others
from referral_warehouse.workspace.published_place import provide_place, refuse_unusable_place

if TYPE_CHECKING:
    from referral_warehouse.cli.run_logging import LogHandler
    from referral_warehouse.load.report import LoadReport
    from referral_warehouse.operate.announcements import Announcer
    from referral_warehouse.operate.outcomes import Outcome
    from referral_warehouse.operate.recorder import Ending, Recorder
    from referral_warehouse.warehouse.publish import Publication

NEED_TOKEN = frozenset({"sync", "load"})
DELIVER = frozenset({"sync", "publish"})
USE_LAKE = DELIVER | {"forget"}
SIMULATE = frozenset({"demo"})
CREATE = NEED_TOKEN | SIMULATE
"""The commands that begin a new warehouse; the others need one."""


class CurrentRun:
    """A run, for its command, which stores its results here.

    Attributes:
        log: the log, which is attached.
        streams: the streams that were requested; empty for all.
        report: that of the loader, if it has loaded.
        publication: what was published, if anything.
        refuse_lost_lock: raises where the lock of the lake was lost.
        numbers: further attributes of the outcome.
    """

    def __init__(self, log: LogHandler, streams: list[str]) -> None:
        self.log = log
        self.streams = streams
        self.report: LoadReport | None = None
        self.publication: Publication | None = None
        self.refuse_lost_lock: Callable[[], None] = lambda: None
        self.numbers: dict[str, Any] = {}


@contextmanager
def recorded_run(
    settings: Settings,
    command: str,
    streams: list[str] | None = None,
    *,
    is_part: bool = False,
    refuse: Callable[[Settings], None] | None = None,
) -> Iterator[CurrentRun]:
    """Lock the directory for the length of a ``with``, with the log attached; record and announce how it ended.

    A run that could not begin is recorded where the directory has runs already; one that found another run in progress
    is not. Announcements are made without the lock, so that a slow receiver delays nobody. ``is_part`` is true for a
    run that belongs to another one, which announces it. ``refuse`` may refuse the run before anything is created.

    Raises: AnotherSyncRunning, ConfigurationError and LimitReached before it begins; then whatever the command raises.
    """
    from referral_warehouse.cli.run_logging import open_log
    from referral_warehouse.operate.announcements import Announcer
    from referral_warehouse.operate.chat_services import refuse_unusable_services
    from referral_warehouse.operate.recorder import Recorder, utc_now
    from referral_warehouse.settings.notify import load_notify_settings

    refuse_files_of_others(settings.warehouse_dir)  # before this run adds a record to it
    with open_log() as log:
        is_new = is_directory_new(settings)
        log_in_use(settings)
        recorder, run = Recorder(settings, command), CurrentRun(log, streams or [])
        announcer: Announcer | None = None
        outcome: Outcome | None = None
        try:
            notify = load_notify_settings()
            refuse_unusable_services(notify)
            announcer = Announcer(settings, notify, command, is_silent=is_part)
            if command in DELIVER:
                refuse_unusable_place(settings.publish_dir)
                refuse_missing_s3_extra(settings)
                refuse_missing_client(settings)
            if command in NEED_TOKEN and (settings.account or not settings.accounts):
                refuse_missing_token(settings)
            if command in NEED_TOKEN and not is_part:  # for a part, the sync that started it has checked this
                refuse_equal_tokens(settings)
            if command not in SIMULATE:
                refuse_other_layout(settings)
            if refuse is not None:
                refuse(settings)
            if command not in CREATE:
                refuse_missing_warehouse(settings)
            with ExitStack() as locks:
                locks.enter_context(warehouse_lock(settings.warehouse_dir))
                if command in USE_LAKE:
                    run.refuse_lost_lock = locks.enter_context(locked_lake(settings))
                if command in DELIVER:
                    provide_place(settings.publish_dir)
                if is_new and command != "demo":  # the demo reports its directory at the end
                    announce_new_directory(settings)
                recorder.start(os.getpid())
                announcer.started(recorder.known, recorder.found_killed, utc_now())
                try:
                    yield run
                except BaseException as error:
                    outcome = _finish(settings, run, recorder, announcer, error)
                    raise
                outcome = _finish(settings, run, recorder, announcer, None)
        except AnotherSyncRunning:
            raise
        except BaseException as error:
            if outcome is None:
                outcome = recorder.refused(ending_of(error))
            raise
        finally:
            if outcome is not None and announcer is not None:
                announcer.ended(recorder.before, outcome, utc_now())


def _finish(
    settings: Settings, run: CurrentRun, recorder: Recorder, announcer: Announcer, error: BaseException | None
) -> Outcome:
    """Record the end of a run, and write the metrics; the caller holds the lock."""
    from referral_warehouse.operate.metrics import Measured

    began = recorder.start_record.at
    strikes = _strikes(settings)
    new = sum(strike["at"] >= began for strike in strikes)
    outcome = recorder.end(ending_of(error), **{"strikes": new, **_numbers(settings, run)})
    announcer.measured(Measured(recorder.history_with(outcome), outcome, len(strikes)))
    return outcome


def _strikes(settings: Settings) -> list[dict[str, Any]]:
    from referral_warehouse.cli.commands.strikes import strike_facts

    try:
        found: list[dict[str, Any]] = strike_facts(settings)["strikes"]
    except (ReferralsError, OSError):
        return []
    return found


def ending_of(error: BaseException | None) -> Ending:
    """The end of a run. Args: ``error`` is what ended it; None where it was completed."""
    from referral_warehouse.operate.outcomes import FAILED, STOPPED
    from referral_warehouse.operate.recorder import Ending

    is_done = click.get_current_context().ensure_object(dict).get(DONE) is not None
    if error is None or (is_done and isinstance(error, Exception)):
        return Ending()
    end = explain(error)
    result = STOPPED if end.is_stop else FAILED
    checks = list(error.checks) if isinstance(error, (AccountsFailed, ChecksFailed)) else []
    return Ending(result, end.exit_code, end.kind, end.error.message, end.error.next_step, checks)


def _numbers(settings: Settings, run: CurrentRun) -> dict[str, Any]:
    from referral_warehouse.warehouse.published import published_manifest

    report, publication = run.report, run.publication
    numbers: dict[str, Any] = {
        "calls": run.log.calls if report is None else report.calls,
        "snapshot": (published_manifest(settings) or {}).get("snapshot"),
        "only_streams": bool(run.streams),
        "tasks": run.log.tasks or None,
    }
    if report is not None:
        numbers["rows"] = report.rows_written
        numbers["forgotten"] = report.forgotten or None
        numbers["streams"] = {
            name: {
                "rows_seen": found.rows_seen, "rows_written": found.rows_written,
                "rows_quarantined": found.rows_quarantined, "api_count": found.api_count, "calls": found.calls,
            }
            for name, found in report.streams.items()
        }  # fmt: skip
    if publication is not None:
        numbers["warnings"] = {warning.check: warning.violations_count for warning in publication.warnings}
    return {**numbers, **run.numbers}
