"""``report`` writes the page that shows the published snapshot."""

from __future__ import annotations

from pathlib import Path

import click

from referral_warehouse.cli.accounts.choice import account_option
from referral_warehouse.cli.configuration import read_settings
from referral_warehouse.cli.verbosity import logging_options

FILE_NAME = "report.html"


@click.command(epilog="Example: referrals report --out report.html")
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    default=Path(FILE_NAME),
    help="The file to write; an existing one is replaced as a whole.",
)
@click.option(
    "--campaign",
    "campaigns",
    metavar="CAMPAIGN",
    multiple=True,
    help="Only this campaign, by number or name; repeat it for several. Nothing of other campaigns is in the page.",
)
@click.option("--names", is_flag=True, help="Show first names of top referrers, which are personal data.")
@logging_options
@account_option
def report(out: Path, campaigns: tuple[str, ...], names: bool) -> None:
    """Write the report: one HTML page that shows the published snapshot. It needs no network and no server."""
    from referral_warehouse.cli.console import say
    from referral_warehouse.consume.report import ReportOptions, write_report

    path = out.absolute()
    write_report(read_settings(), path, ReportOptions(campaigns, names))
    say(f"Report: {path}")
