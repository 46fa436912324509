"""Formats the result of a run, for programs and for people: summary, warnings and problems after the publication."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from referral_warehouse.events import log_warning
from referral_warehouse.settings import Settings
from referral_warehouse.workspace.current_snapshot import public_database

if TYPE_CHECKING:
    from referral_warehouse.load.runner import LoadReport
    from referral_warehouse.warehouse.publish import Publication


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
        "forgotten": report.forgotten,
        "notes": report.warnings,
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
        **publication_facts(settings, publication),
    }


def publication_facts(settings: Settings, publication: Publication | None) -> dict[str, Any]:
    """What was published, or which snapshot is still current."""
    from referral_warehouse.warehouse.published import published_manifest

    if publication is None:
        return {"published": False, "snapshot": (published_manifest(settings) or {}).get("snapshot")}
    return {"published": True, **published(settings, publication)}


def published(settings: Settings, publication: Publication) -> dict[str, Any]:
    return {
        "snapshot": publication.snapshot,
        "warehouse": str(public_database(settings.published_dir)),
        "warnings": [{"check": w.check, "violations": w.violations_count} for w in publication.warnings],
        "problems": list(publication.problems),
    }


def print_summary(settings: Settings, report: LoadReport, publication: Publication | None) -> None:
    """The summary of a run for people."""
    from referral_warehouse.cli.console import say, show_table
    from referral_warehouse.cli.retention import in_words

    rows = [
        (name, found.rows_seen, found.rows_written, found.rows_quarantined, found.api_count, found.calls)
        for name, found in report.streams.items()
    ]
    show_table(f"Run {report.run_id}", ("stream", "seen", "written", "quarantined", "api count", "calls"), rows)
    for name, found in report.streams.items():
        for note in found.notes:
            say(f"note: {name}: {note}")
    for text in report.warnings:
        say(f"warning: clock: {text}")
    for text in report.recovered:
        say(f"recovered: {text}")
    for difference in report.differences:
        say(f"audit: {difference}")
    if report.forgotten:
        say(in_words(report.forgotten))
    if publication is not None:
        say(f"Snapshot {publication.snapshot} published: {public_database(settings.published_dir)}")
        print_warnings(publication)
    elif report.rows_written == 0:
        say("Nothing new: the published snapshot is still current.")


def print_warnings(publication: Publication) -> None:
    from referral_warehouse.cli.console import say

    for warning in publication.warnings:
        say(f"warning: {warning}")


def log_problems(problems: Iterable[str]) -> None:
    """Log what failed after a publication, which is valid nevertheless."""
    for problem in problems:
        log_warning("warehouse", "publication", f"{problem}; the publication is not affected")
