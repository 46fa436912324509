"""``demo``: syncs a sandbox account after each of several simulated days."""

from __future__ import annotations

import dataclasses
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import click

from referral_warehouse.cli.commands.sandbox import DEMO_TOKEN
from referral_warehouse.cli.commands.sync import sync_once
from referral_warehouse.cli.configuration import read_settings
from referral_warehouse.cli.output import work_is_done
from referral_warehouse.cli.recorded_run import CurrentRun, recorded_run
from referral_warehouse.cli.reporting import log_problems
from referral_warehouse.cli.sandbox_extra import require_sandbox_extra
from referral_warehouse.cli.verbosity import logging_options
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import Settings, Token
from referral_warehouse.workspace.current_snapshot import current_database, public_database
from referral_warehouse.workspace.directories import DEMO_MARKER
from referral_warehouse.workspace.file_kinds import refuse_other_kinds

if TYPE_CHECKING:
    from referral_warehouse.load.report import LoadReport

ROLL_FORWARD = """
with days as (
    select campaign_id, unit, day_on, sum(opening_value) as opening_value, sum(accrued_value) as accrued_value,
        sum(issued_value) as issued_value, sum(reversed_value) as reversed_value, sum(closing_value) as closing_value
    from marts.reward_liability_daily
    where not is_estimated
    group by campaign_id, unit, day_on
)

select campaigns.name as campaign, days.unit,
    arg_min(days.opening_value, days.day_on) as opening,
    sum(days.accrued_value) as accrued,
    sum(days.issued_value) as issued,
    sum(days.reversed_value) as reversed,
    arg_max(days.closing_value, days.day_on) as closing
from days
left join core.campaigns using (campaign_id)
group by days.campaign_id, campaigns.name, days.unit
order by closing desc, days.campaign_id, days.unit
"""


@click.command(epilog="Example: referrals demo --days 7")
@click.option("--days", type=click.IntRange(1, 400), default=21, help="Simulated days; a sync follows each.")
@click.option("--users", type=click.IntRange(1, 200_000), default=300, help="Users of a new account.")
@click.option("--seed", type=int, default=7, help="The same seed makes the same account.")
@logging_options
def demo(days: int, users: int, seed: int) -> None:
    """Simulate several days of a sandbox account and sync after each; run it again to continue."""
    require_sandbox_extra()
    settings = dataclasses.replace(read_settings(may_be_together=True), accounts=())
    with recorded_run(settings, "demo") as run:
        account_file = settings.warehouse_dir / DEMO_MARKER
        if settings.load_path.exists() and not account_file.exists():
            raise ConfigurationError(
                f"{settings.warehouse_dir} holds the data of a real account; the demo would be mixed with it.",
                "Set WAREHOUSE__DIR to another directory for the demo.",
            )
        refuse_other_kinds(account_file, "the demo's account")
        try:
            _simulate(settings, account_file, run, days=days, users=users, seed=seed)
        except sqlite3.DatabaseError as error:
            raise ConfigurationError(
                f"The demo's account {account_file} cannot be read: {error}.",
                f"Move {settings.warehouse_dir} away and run the same command again: the demo starts again.",
            ) from error
        work_is_done("The days are simulated and published.")
    _show(settings, account_file)


def _simulate(settings: Settings, account_file: Path, run: CurrentRun, *, days: int, users: int, seed: int) -> None:
    from referral_warehouse.cli.console import day_bar
    from referral_warehouse.sandbox import Sandbox

    with (
        Sandbox(path=account_file, users=users, seed=seed, token=DEMO_TOKEN, calls_per_minute=0) as sandbox,
        day_bar(days) as bar,
    ):
        of_sandbox = dataclasses.replace(
            settings, base_url=sandbox.base_url, api_token=Token(DEMO_TOKEN), calls_per_minute=0, simulated_time=True
        )
        task = bar.add_task("Simulated days", total=days, facts="first sync")
        if not current_database(settings.published_dir).exists():
            _sync(of_sandbox, run)
        for _ in range(days):
            sandbox.advance(days=1)
            report = _sync(of_sandbox, run)
            bar.update(
                task, advance=1,
                facts=f"{sandbox.now:%Y-%m-%d}: {report.rows_written:,} rows written, {report.calls} calls",
            )  # fmt: skip


def _sync(settings: Settings, run: CurrentRun) -> LoadReport:
    report, publication = sync_once(settings, [], run)
    if publication is not None:
        log_problems(publication.problems)
    return report


def _show(settings: Settings, account_file: Path) -> None:
    from referral_warehouse.cli.console import FUNNEL, query_warehouse, say, show_table
    from referral_warehouse.cli.report_file import demo_report

    funnel, roll_forward = query_warehouse(settings, FUNNEL, ROLL_FORWARD)
    show_table("Referral funnel per campaign", *funnel)
    say()
    show_table("Reward liability roll-forward, since the first sync", *roll_forward)
    say()
    say(f"Warehouse: {public_database(settings.published_dir)}")
    say(f"Feeds:     {settings.feeds_dir}/*.parquet")
    say(f"Report:    {demo_report(settings)}")
    say(f"Event log: referrals sandbox --file {account_file} --events")
    say("Open the warehouse read-only with any DuckDB client or BI tool; README, 'Asking questions', has queries.")
