"""``sync`` and its parts: ``load``, ``build``, ``publish``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from referral_warehouse.cli.acceptance import ACCEPT_ACCOUNT, ACCEPT_DELETIONS, ACCEPT_HISTORY
from referral_warehouse.cli.accounts.choice import account_option
from referral_warehouse.cli.accounts.layout import refuse_lost_account
from referral_warehouse.cli.completion import complete_streams
from referral_warehouse.cli.directory_state import (
    refuse_mixing,
    remember_origin,
    set_demo_aside,
    warn_of_lost_load_file,
)
from referral_warehouse.cli.output import work_is_done
from referral_warehouse.cli.publication import bring_to_readers, publish_draft
from referral_warehouse.cli.recorded_run import CurrentRun, recorded_run
from referral_warehouse.cli.refused_settings import settings_of_run
from referral_warehouse.cli.report_file import add_missing_report, add_report
from referral_warehouse.cli.reporting import log_problems, print_summary, print_warnings, published, summary
from referral_warehouse.cli.retention import apply_retention, complete_interrupted
from referral_warehouse.cli.verbosity import logging_options
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.events import log_stage
from referral_warehouse.settings import Settings
from referral_warehouse.workspace.current_snapshot import public_database

if TYPE_CHECKING:
    from referral_warehouse.load.report import LoadReport
    from referral_warehouse.warehouse.publish import Publication

F = TypeVar("F", bound=Callable[..., Any])


def _loading_options(command: F) -> F:
    for option in (
        logging_options,
        click.option(
            "--streams", default="", metavar="A,B", help="Only these streams, separated by commas.",
            shell_complete=complete_streams,
        ),
        click.option("--sweep", is_flag=True, help="Read every user again, to refresh fields without dates."),
        click.option("--rebuild", is_flag=True, help="Read everything from the API again."),
        click.option("--json", "as_json", is_flag=True, help="Print one machine-readable summary line."),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command(epilog="Example: referrals sync --streams users,coupons --json")
@_loading_options
@ACCEPT_HISTORY
@ACCEPT_DELETIONS
@ACCEPT_ACCOUNT
@click.option("--every", metavar="INTERVAL", help="Keep running and sync every 15m, 1h or 1d, also after failures.")
@click.option("--part", is_flag=True, hidden=True)
@account_option
def sync(streams: str, every: str | None, part: bool, **options: bool) -> None:
    """Load, compare counts, build, check and publish: the main job. Safe to run at any time, from any scheduler.

    Several accounts are synced side by side and published together; --account syncs one of them.
    """
    if every is None:
        _sync(streams, is_part=part, **options)
        return
    from referral_warehouse.cli.repeated_sync import repeat
    from referral_warehouse.operate.durations import parse_duration

    every_s = parse_duration("--every", every)
    if any(value for name, value in options.items() if name != "as_json"):
        raise ConfigurationError(
            "--every cannot be combined with --sweep, --rebuild or an --accept-… option: they are for one run.",
            "Run that sync once, without --every.",
        )
    repeat(lambda: _sync(streams, **options), every_s, settings_of_run("sync", may_be_together=True).state_dir)


def _sync(
    streams: str, *, sweep: bool, rebuild: bool, as_json: bool, accept_shorter_history: bool, accept_deletions: bool,
    accept_account: bool, is_part: bool = False,
) -> None:  # fmt: skip
    from referral_warehouse.cli.console import say_json

    settings = settings_of_run("sync", may_be_together=True, is_part=is_part)
    chosen = requested_streams(settings, streams)
    if settings.accounts and not settings.account:
        from referral_warehouse.cli.accounts.together import sync_together

        given = {
            "--sweep": sweep, "--rebuild": rebuild, "--accept-shorter-history": accept_shorter_history,
            "--accept-deletions": accept_deletions, "--accept-account": accept_account,
        }  # fmt: skip
        options = [name for name, is_given in given.items() if is_given]
        options += ["--streams", ",".join(chosen)] if chosen else []
        sync_together(settings, options, chosen, as_json=as_json, accept_deletions=accept_deletions)
        return
    refuse = None if accept_shorter_history else refuse_lost_account
    with recorded_run(settings, "sync", chosen, is_part=is_part, refuse=refuse) as run:
        set_demo_aside(settings)
        refuse_mixing(settings, accept_account=accept_account)
        warn_of_lost_load_file(settings)
        completed = complete_interrupted(settings)
        report, publication = sync_once(
            settings, chosen, run, sweep=sweep, rebuild=rebuild, quiet=as_json,
            accept_shorter_history=accept_shorter_history, accept_deletions=accept_deletions,
            accept_account=accept_account,
        )  # fmt: skip
        report.recovered[:0] = completed
        if publication is None:
            work_is_done("The sync is done; the published snapshot is still current.")
            add_missing_report(settings)
        else:
            work_is_done(f"The sync is done; snapshot {publication.snapshot} is published.")
            log_problems(publication.problems)
            add_report(settings)
        remember_origin(settings)
        bring_to_readers(settings, run.refuse_lost_lock)
    if settings.together is not None and not is_part:
        from referral_warehouse.cli.accounts.together import publish_after_one

        publish_after_one(settings.together)
    if as_json:
        say_json(summary(settings, report, publication))
    else:
        print_summary(settings, report, publication)


@click.command(epilog="Example: referrals load --streams campaigns,rewards")
@_loading_options
@ACCEPT_DELETIONS
@ACCEPT_ACCOUNT
@account_option
def load(streams: str, sweep: bool, rebuild: bool, as_json: bool, accept_deletions: bool, accept_account: bool) -> None:
    """Load from the API into the private load file, and nothing else."""
    from referral_warehouse.cli.console import Reporter, say_json
    from referral_warehouse.load.runner import load as run_load

    settings = settings_of_run("load")
    chosen = requested_streams(settings, streams)
    with (
        recorded_run(settings, "load", chosen, refuse=refuse_lost_account) as run,
        Reporter(run.log, quiet=as_json) as reporter,
    ):
        run.log.pace.budget = settings.calls_per_minute
        set_demo_aside(settings)
        refuse_mixing(settings, accept_account=accept_account)
        warn_of_lost_load_file(settings)
        completed = complete_interrupted(settings)
        report = run.report = run_load(
            settings, chosen, sweep=sweep, rebuild=rebuild, accept_deletions=accept_deletions,
            accept_account=accept_account, progress=reporter.stage,
        )  # fmt: skip
        report.recovered[:0] = completed
        work_is_done("The load is done; the data is in the load file.")
        remember_origin(settings)
    if as_json:
        say_json(summary(settings, report, None))
    else:
        print_summary(settings, report, None)


@click.command(epilog="Example: referrals build")
@click.option("--json", "as_json", is_flag=True, help="Print one machine-readable summary line.")
@logging_options
@account_option
def build(as_json: bool) -> None:
    """Build the models from the load file into a draft; nothing is published."""
    from referral_warehouse.cli.console import say, say_json
    from referral_warehouse.warehouse.build import build as build_draft

    settings = settings_of_run("build")
    with recorded_run(settings, "build"):
        log_stage("warehouse", "build", {})
        report = build_draft(settings)
        work_is_done("The draft is built.")
        log_problems(report.problems)
    if as_json:
        say_json({"draft": str(report.draft_path), "tables": report.tables, "seconds": round(report.seconds, 3)})
    else:
        say(f"{len(report.tables)} tables built in {report.seconds:.2f} s: {report.draft_path}")


@click.command(epilog="Example: referrals publish --json")
@click.option("--json", "as_json", is_flag=True, help="Print one machine-readable summary line.")
@ACCEPT_HISTORY
@ACCEPT_DELETIONS
@logging_options
@account_option
def publish(as_json: bool, accept_shorter_history: bool, accept_deletions: bool) -> None:
    """Build from the load file, check, and publish a snapshot and the feeds; of several accounts, publish all again."""
    from referral_warehouse.cli.console import say, say_json
    from referral_warehouse.warehouse.build import build as build_draft

    settings = settings_of_run("publish", may_be_together=True)
    if settings.accounts and not settings.account:
        from referral_warehouse.cli.accounts.together import republish_together

        republish_together(settings, as_json=as_json, accept_deletions=accept_deletions)
        return
    with recorded_run(settings, "publish") as run:
        completed = complete_interrupted(settings)
        log_stage("warehouse", "publish", {})
        publication = run.publication = publish_draft(
            settings, build_draft(settings), accept_shorter_history=accept_shorter_history,
            accept_deletions=accept_deletions,
        )  # fmt: skip
        work_is_done(f"Snapshot {publication.snapshot} is published.")
        log_problems(publication.problems)
        add_report(settings)
        bring_to_readers(settings, run.refuse_lost_lock)
    if settings.together is not None:
        from referral_warehouse.cli.accounts.together import publish_after_one

        publish_after_one(settings.together)
    if as_json:
        say_json(published(settings, publication))
    else:
        for text in [*completed, *publication.recovered]:
            say(f"recovered: {text}")
        say(f"Snapshot {publication.snapshot} published: {public_database(settings.published_dir)}")
        print_warnings(publication)


def requested_streams(settings: Settings, text: str) -> list[str]:
    """The streams named on the command line. Raises: ConfigurationError for an unknown one, or one that is left out."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if names or settings.streams:
        from referral_warehouse.load.registry import chosen_streams

        chosen_streams(settings.streams, names)
    return names


def sync_once(
    settings: Settings,
    streams: list[str],
    run: CurrentRun,
    *,
    sweep: bool = False,
    rebuild: bool = False,
    quiet: bool = True,
    accept_shorter_history: bool = False,
    accept_deletions: bool = False,
    accept_account: bool = False,
) -> tuple[LoadReport, Publication | None]:
    """One complete sync; the caller holds the lock. No publication when the published snapshot is still current.

    What was loaded and published is stored in ``run``, also where a later step fails.
    Where another account replaces the data of the directory, the deletion of the old records is expected.
    """
    from referral_warehouse.cli.console import Reporter
    from referral_warehouse.load.runner import load as run_load
    from referral_warehouse.load.storage.memory import release_memory

    run.log.pace.budget = settings.calls_per_minute
    with Reporter(run.log, quiet=quiet) as reporter:
        report = run.report = run_load(
            settings, streams, sweep=sweep, rebuild=rebuild, accept_deletions=accept_deletions,
            accept_account=accept_account, command="sync", progress=reporter.stage,
        )  # fmt: skip
        from referral_warehouse.warehouse.build import build as build_draft
        from referral_warehouse.warehouse.freshness import refresh
        from referral_warehouse.warehouse.recovery import restore_links

        apply_retention(settings, report, accept_deletions=accept_deletions)
        is_idle = report.rows_written == 0 and not report.drained and not report.times_corrected
        if is_idle and refresh(settings, report.observed_at):
            recovery = restore_links(settings)
            report.recovered.extend(recovery.done)
            log_problems(recovery.problems)
            return report, None
        release_memory()
        log_stage("warehouse", "build", {})
        reporter.stage("build", {})
        draft = build_draft(settings)
        log_stage("warehouse", "publish", {})
        reporter.stage("publish", {})
        publication = run.publication = publish_draft(
            settings, draft, accept_shorter_history=accept_shorter_history,
            accept_deletions=accept_deletions or report.is_other_account,
        )  # fmt: skip
        report.recovered.extend(publication.recovered)
        return report, publication
