"""``sync`` and its parts: ``load``, ``build``, ``publish``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pipelines.cli.directories import refuse_mixing, remember_origin, say_what_is_lost, set_demo_aside
from pipelines.cli.speaking import speaking_options
from pipelines.errors import ConfigurationError
from pipelines.lock import warehouse_lock
from pipelines.settings import Settings, load_settings

if TYPE_CHECKING:
    from pipelines.cli.log import Log
    from pipelines.load.runner import LoadReport
    from pipelines.warehouse import Publication

F = TypeVar("F", bound=Callable[..., Any])


def _loading_options(command: F) -> F:
    for option in (
        speaking_options,
        click.option("--streams", default="", metavar="A,B", help="Only these streams, separated by commas."),
        click.option("--sweep", is_flag=True, help="Read every user again: refreshes what leaves no date."),
        click.option("--rebuild", is_flag=True, help="Read everything from the API again, whatever was read before."),
        click.option("--json", "as_json", is_flag=True, help="Print one machine-readable summary line."),
    ):
        command = option(command)
    return command


ACCEPT = click.option(
    "--accept-shorter-history", is_flag=True, help="Publish although the load file was lost and knows less of the past."
)


@click.command(epilog="Example: referrals sync --streams users,coupons --json")
@_loading_options
@ACCEPT
def sync(streams: str, sweep: bool, rebuild: bool, as_json: bool, accept_shorter_history: bool) -> None:
    """Load, audit, build, check and publish: the main job. Safe to run at any time, from any scheduler."""
    from pipelines.cli.display import say_json
    from pipelines.cli.log import open_log

    settings = with_token()
    with warehouse_lock(settings), open_log() as log:
        set_demo_aside(settings)
        refuse_mixing(settings)
        say_what_is_lost(settings)
        report, publication = sync_once(
            settings, chosen_streams(streams), log, sweep=sweep, rebuild=rebuild, quiet=as_json,
            accept_shorter_history=accept_shorter_history,
        )  # fmt: skip
        remember_origin(settings)
    facts = summary(settings, report, publication)
    if as_json:
        say_json(facts)
    else:
        tell(settings, report, publication)


@click.command(epilog="Example: referrals load --streams campaigns,rewards")
@_loading_options
def load(streams: str, sweep: bool, rebuild: bool, as_json: bool) -> None:
    """Load from the API into the private load file, and nothing else."""
    from pipelines.cli.display import Reporter, say_json
    from pipelines.cli.log import open_log
    from pipelines.load.runner import load as run_load

    settings = with_token()
    with warehouse_lock(settings), open_log() as log, Reporter(log, quiet=as_json) as reporter:
        set_demo_aside(settings)
        refuse_mixing(settings)
        say_what_is_lost(settings)
        report = run_load(
            settings, chosen_streams(streams), sweep=sweep, rebuild=rebuild, progress=reporter.stage, on_event=log.hear
        )
        remember_origin(settings)
    if as_json:
        say_json(summary(settings, report, None))
    else:
        tell(settings, report, None)


@click.command(epilog="Example: referrals build")
@click.option("--json", "as_json", is_flag=True, help="Print one machine-readable summary line.")
@speaking_options
def build(as_json: bool) -> None:
    """Build the models from the load file into a draft; nothing is published."""
    from pipelines.cli.display import say, say_json
    from pipelines.cli.log import open_log
    from pipelines.warehouse import build as build_draft

    settings = load_settings()
    with warehouse_lock(settings), open_log() as log:
        log.stage("build", {})
        report = build_draft(settings)
    if as_json:
        say_json({"draft": str(report.draft_path), "tables": report.tables, "seconds": round(report.seconds, 3)})
    else:
        say(f"{len(report.tables)} tables built in {report.seconds:.2f} s: {report.draft_path}")


@click.command(epilog="Example: referrals publish --json")
@click.option("--json", "as_json", is_flag=True, help="Print one machine-readable summary line.")
@ACCEPT
@speaking_options
def publish(as_json: bool, accept_shorter_history: bool) -> None:
    """Build from the load file, check, and publish a snapshot and the feeds."""
    from pipelines.cli.display import say, say_json
    from pipelines.cli.log import open_log
    from pipelines.warehouse import build as build_draft
    from pipelines.warehouse import publish as publish_draft

    settings = load_settings()
    with warehouse_lock(settings), open_log() as log:
        log.stage("publish", {})
        publication = publish_draft(settings, build_draft(settings), accept_shorter_history=accept_shorter_history)
    if as_json:
        say_json(_published(settings, publication))
    else:
        for text in publication.recovered:
            say(f"recovered: {text}")
        say(f"Snapshot {publication.snapshot} published: {settings.warehouse_path}")
        _tell_warnings(publication)


def with_token() -> Settings:
    """The settings, with a token. Raises: ConfigurationError without one."""
    settings = load_settings()
    if settings.api_token is None:
        raise ConfigurationError(
            "There is no API token.",
            "Set SOURCES__REFERRAL_FACTORY__API_TOKEN (or api_token in .dlt/secrets.toml, see "
            ".dlt/example.secrets.toml); without an account, `referrals demo` plays one.",
        )
    return settings


def chosen_streams(text: str) -> list[str]:
    """The streams named on the command line. Raises: ConfigurationError for an unknown one."""
    from pipelines.load.streams import STREAMS

    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in STREAMS]
    if unknown:
        raise ConfigurationError(f"There is no stream {', '.join(unknown)}.", f"Choose from {', '.join(STREAMS)}.")
    return names


def sync_once(
    settings: Settings,
    streams: list[str],
    log: Log,
    *,
    sweep: bool = False,
    rebuild: bool = False,
    quiet: bool = True,
    accept_shorter_history: bool = False,
) -> tuple[LoadReport, Publication | None]:
    """One whole sync under a lock that is already held. No publication when the published snapshot still holds."""
    from pipelines.cli.display import Reporter
    from pipelines.load.memory import give_memory_back
    from pipelines.load.runner import load as run_load

    with Reporter(log, quiet=quiet) as reporter:
        report = run_load(
            settings, streams, sweep=sweep, rebuild=rebuild, command="sync", progress=reporter.stage, on_event=log.hear
        )
        from pipelines.warehouse import build as build_draft
        from pipelines.warehouse import publish as publish_draft
        from pipelines.warehouse import refresh

        if report.rows_written == 0 and not report.drained and refresh(settings, report.observed_at):
            return report, None
        give_memory_back()
        reporter.stage("build", {})
        draft = build_draft(settings)
        reporter.stage("publish", {})
        publication = publish_draft(settings, draft, accept_shorter_history=accept_shorter_history)
        report.recovered.extend(publication.recovered)
        return report, publication


def summary(settings: Settings, report: LoadReport, publication: Publication | None) -> dict[str, Any]:
    """The machine-readable summary of a run."""
    return {
        "run_id": report.run_id,
        "observed_at": report.observed_at,
        "calls": report.calls,
        "rows_written": report.rows_written,
        "swept": report.swept,
        "differences": report.differences,
        "recovered": report.recovered,
        "streams": {
            name: {
                "rows_seen": found.rows_seen,
                "rows_written": found.rows_written,
                "rows_quarantined": found.rows_quarantined,
                "api_count": found.api_count,
                "calls": found.calls,
                "notes": found.notes,
            }
            for name, found in report.streams.items()
        },
        "published": publication is not None,
        **(_published(settings, publication) if publication else {"snapshot": _current_snapshot(settings)}),
    }


def _current_snapshot(settings: Settings) -> int | None:
    from pipelines.warehouse.feeds import read_manifest

    return (read_manifest(settings.manifest_path) or {}).get("snapshot")


def _published(settings: Settings, publication: Publication) -> dict[str, Any]:
    return {
        "snapshot": publication.snapshot,
        "warehouse": str(settings.warehouse_path),
        "warnings": [{"check": w.check, "violations": w.violations_count} for w in publication.warnings],
    }


def tell(settings: Settings, report: LoadReport, publication: Publication | None) -> None:
    """The summary of a run for people."""
    from pipelines.cli.display import say, show_table

    rows = [
        (name, found.rows_seen, found.rows_written, found.rows_quarantined, found.api_count, found.calls)
        for name, found in report.streams.items()
    ]
    show_table(f"Run {report.run_id}", ("stream", "seen", "written", "quarantined", "api count", "calls"), rows)
    for name, found in report.streams.items():
        for note in found.notes:
            say(f"note: {name}: {note}")
    for text in report.recovered:
        say(f"recovered: {text}")
    for difference in report.differences:
        say(f"audit: {difference}")
    if publication is not None:
        say(f"Snapshot {publication.snapshot} published: {settings.warehouse_path}")
        _tell_warnings(publication)
    elif report.rows_written == 0:
        say("Nothing new: the published snapshot still holds.")


def _tell_warnings(publication: Publication) -> None:
    from pipelines.cli.display import say

    for warning in publication.warnings:
        say(f"warning: {warning}")
