"""Writes the report of the published snapshot into a file: all figures are read from one snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from referral_warehouse import __version__
from referral_warehouse.consume.report import (
    corrections,
    expected,
    formats,
    health,
    people,
    rankings,
    rewards,
    signals,
)
from referral_warehouse.consume.report.choice import Choice, choose
from referral_warehouse.consume.report.document import Definition, Page, Scope, Section
from referral_warehouse.consume.report.reading import ALL, Reader, define_scopes, read_definitions
from referral_warehouse.errors import ConfigurationError, NothingPublished
from referral_warehouse.settings import Settings
from referral_warehouse.workspace.current_snapshot import is_published
from referral_warehouse.workspace.durable_files import write_whole_file
from referral_warehouse.workspace.file_kinds import kind_of

ANOTHER_FILE = "Name another file with --out."


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What a report shows. ``campaigns`` are numbers or names, none for all; ``has_names`` shows names of people."""

    campaigns: tuple[str, ...] = ()
    has_names: bool = False


def write_report(settings: Settings, path: Path, options: ReportOptions | None = None) -> None:
    """Write the report of the published snapshot; the file is replaced as a whole.

    Raises: NothingPublished where there is no snapshot; ConfigurationError for an unknown campaign, a file that cannot
        be written, or a package that is not installed; SnapshotDamaged where the snapshot cannot be read.
    """
    from referral_warehouse.consume.report.vega_bundle import require_report_extra, vega_bundle

    require_report_extra()
    if (kind := kind_of(path)) not in (None, "a file"):
        raise ConfigurationError(f"The report cannot be written to {path}: it is {kind}.", ANOTHER_FILE)
    page = read_page(settings, options or ReportOptions())
    from referral_warehouse.consume.report.rendering import render

    text = render(page, vega_bundle(settings.state_dir))
    try:
        write_whole_file(path.resolve(), text)
    except OSError as error:
        raise ConfigurationError(
            f"The report cannot be written to {path}: {error.strerror or type(error).__name__}.",
            ANOTHER_FILE,
        ) from error


def read_page(settings: Settings, options: ReportOptions) -> Page:
    """Everything that the report shows, from one snapshot.

    Raises: as ``write_report``.
    """
    from referral_warehouse.warehouse.published import open_published, published_manifest

    if not is_published(settings.published_dir):
        raise NothingPublished(f"Nothing is published in {settings.published_dir} yet.")
    manifest = published_manifest(settings) or {}
    with open_published(settings) as (connection, _):
        reader = Reader(connection, options.has_names)
        reader.read_units()
        choice = choose(reader, options.campaigns)
        define_scopes(reader, choice.chosen, choice.shown)
        return _page(reader, choice, manifest)


def _page(reader: Reader, choice: Choice, manifest: dict[str, Any]) -> Page:
    found = _figures(reader)
    runs = health.sync_health(reader)
    comparison = rankings.campaign_comparison(reader)
    scopes = []
    for key, title in _titles(choice).items():
        sections = [
            Section(name, title, figures.get(key, []), empty, tiles=tiles.get(key, []))
            for name, title, figures, empty, tiles in found
        ]
        if key == ALL:
            sections.append(Section("runs", "Sync health", runs, "No run is recorded."))
            sections.insert(2, Section("campaigns", "Campaigns compared", comparison, "There is one campaign."))
        scopes.append(Scope(key, title, sections))
    state = health.data_state(reader)
    definitions = read_definitions(reader)
    used = {figure.source for scope in scopes for section in scope.sections for figure in section.figures}
    used |= {figure.source for figure in state.figures}
    facts = {
        "Snapshot": str(manifest.get("snapshot", "")),
        "Built": _built(manifest),
        "Made by": f"referral-warehouse {__version__}",
    }
    return Page(
        "Referral report", facts, state, scopes,
        {name: definitions.get(name, Definition(name, "", "", {})) for name in sorted(used)}, _cuts(choice),
    )  # fmt: skip


def _built(manifest: dict[str, Any]) -> str:
    """When the snapshot was built, to the minute."""
    try:
        built_at = datetime.fromisoformat(str(manifest.get("built_at")))
    except ValueError:
        return formats.NONE
    return f"{formats.time(built_at)} UTC"


def _figures(reader: Reader) -> list[tuple[str, str, dict[str, Any], str, dict[str, Any]]]:
    """Key, title, figures by scope, the text shown without any, and tiles by scope, of each section."""
    roll_forwards, _ = rewards.roll_forwards(reader)
    nothing: dict[str, Any] = {}
    return [
        ("overview", "At a glance", nothing, "", people.key_numbers(reader)),
        ("funnels", "Funnels", people.funnels(reader), "Nobody has joined yet.", nothing),
        (
            "weeks", f"Last {people.WEEKS} weeks", people.trends(reader),
            f"Nobody joined or qualified in the last {2 * people.WEEKS} weeks.", nothing,
        ),
        (
            "corrections", "Corrections", corrections.changed_days(reader), "No day that was over has changed.",
            nothing,
        ),
        ("cohorts", "Cohorts", people.cohorts(reader), "No referral has joined in the last twelve months.", nothing),
        (
            "rewards", "Reward liability", roll_forwards, "No reward was ever owed.", rewards.owed_tiles(reader),
        ),
        (
            "contingent", "Contingent rewards", expected.contingent(reader),
            "No rewards for open referrals are expected: there are none, or nobody has qualified yet.", nothing,
        ),
        (
            "unused", "Unused rewards", expected.unused(reader),
            "No unit is settled on use: WAREHOUSE__SETTLES_ON names such units.", nothing,
        ),
        ("referrers", "Referrers", rankings.top_referrers(reader), "Nobody has referred anybody yet.", nothing),
        ("coupons", "Coupons", signals.coupons(reader), "No coupons were issued.", nothing),
        ("fraud", "To review", signals.fraud(reader), "No rule found anybody.", nothing),
    ]  # fmt: skip


def _titles(choice: Choice) -> dict[str, str]:
    if choice.chosen is not None and len(choice.chosen) == 1:
        return {ALL: choice.titles[choice.chosen[0]]}
    every = "All campaigns" if choice.chosen is None else "All chosen campaigns"
    return {ALL: every, **{str(number): choice.titles[number] for number in choice.shown}}


def _cuts(choice: Choice) -> list[str]:
    cuts = []
    if choice.total > len(choice.shown) > 1:
        cuts.append(
            f"{len(choice.shown)} of {choice.total:,} campaigns have a part of their own, those with most users. "
            "`referrals report --campaign NAME` makes a page of any campaign."
        )
    return cuts
