"""Publish: a draft that passes its checks becomes an immutable snapshot, and one atomic link makes it the warehouse.

Each step leaves the directory in a state that the next run completes or cleans: until the link is flipped, readers
have the old snapshot whole; afterwards the new one. Knows nothing of models or of what the numbers mean. One process
publishes at a time; the caller holds the lock.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.diskspace import no_room
from pipelines.errors import ConfigurationError, ReferralsError
from pipelines.warehouse.files import staged_feeds
from pipelines.warehouse.snapshots import (
    current_number,
    flip,
    freeze,
    link_target,
    next_number,
    retain,
)

if TYPE_CHECKING:
    from pipelines.settings import Settings
    from pipelines.warehouse.checks import CheckResult
    from pipelines.warehouse.draft import BuildReport
    from pipelines.warehouse.feeds import Feed


@dataclass(frozen=True, slots=True)
class Publication:
    """What was published. ``path`` is the snapshot's file; ``warnings`` are the warn_ checks that found rows."""

    snapshot: int
    path: Path
    manifest: dict[str, Any]
    warnings: list[CheckResult]
    recovered: tuple[str, ...] = ()
    """What was damaged in the directory, and what became of it."""


def publish(settings: Settings, report: BuildReport, *, accept_shorter_history: bool = False) -> Publication:
    """Check the draft of ``report``, freeze it, make it current, refresh feeds and manifest, drop old snapshots.

    Raises: ChecksFailed when a fail_ check finds rows; HistoryLost when the liability history got shorter, unless that
    is accepted; ReferralsError when there is no room. Until the link is flipped, everything published before stays.
    """
    from pipelines.warehouse.feeds import manifest_of, read_manifest, replace_feeds, write_manifest
    from pipelines.warehouse.published_files import remember_published

    if not report.draft_path.is_file():
        raise ConfigurationError("There is no draft to publish.", "Run `referrals build` first.")
    try:
        results, feeds, compared = check_and_export(settings, report, accept_shorter_history=accept_shorter_history)
        announced = (read_manifest(settings.manifest_path) or {}).get("snapshot", 0)
        number = next_number(settings, max(announced, current_number(settings) or 0))
        path = freeze(settings, report.draft_path, number)
        manifest = manifest_of(number, link_target(number), report.origin, feeds)
        write_manifest(path.parent / "manifest.json", manifest)
        flip(settings, number)
        replace_feeds(staged_feeds(settings), settings.feeds_dir, feeds)
        write_manifest(settings.manifest_path, manifest)
        remember_published(settings, number)
        retain(settings, number)
        shutil.rmtree(report.draft_path.parent, ignore_errors=True)
    except OSError as error:
        raise no_room(error, "The draft could not be published") or ReferralsError(
            f"The draft could not be published: {error}.",
            "Put right what is named and run the same command again; readers have one whole snapshot at every moment.",
        ) from error
    warnings = [r for r in results if r.severity == "warn" and r.violations_count]
    return Publication(number, path, manifest, warnings, (*report.recovered, *compared))


def check_and_export(
    settings: Settings, report: BuildReport, *, accept_shorter_history: bool = False
) -> tuple[list[CheckResult], list[Feed], list[str]]:
    """Run the checks on the draft, write their answers into it, and write its feeds aside.

    Returns: the checks' results, the feeds, and what the history was compared with instead of a damaged snapshot.

    Raises: ChecksFailed, HistoryLost; the draft then stays for inspection.
    """
    import duckdb

    from pipelines.warehouse.checks import record_results, refuse_failures, run_checks
    from pipelines.warehouse.continuity import refuse_shorter_history
    from pipelines.warehouse.feeds import write_feeds
    from pipelines.warehouse.files import connect_draft, load_version
    from pipelines.warehouse.models import load_checks

    staged = staged_feeds(settings)
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(mode=0o700)
    connection = connect_draft(settings)
    try:
        if load_version(connection) != report.load_version:
            raise ConfigurationError(
                "The load file has changed since the draft was built.", "Run `referrals build` again."
            )
        results = run_checks(connection, load_checks())
        record_results(connection, results, report.built_at)
        refuse_failures(results)
        compared = [] if accept_shorter_history else refuse_shorter_history(connection, settings)
        feeds = write_feeds(connection, "draft", staged)
        connection.execute("checkpoint draft")
    except duckdb.IOException as error:
        raise OSError(str(error).splitlines()[0]) from error
    finally:
        connection.close()
    return results, feeds, compared
