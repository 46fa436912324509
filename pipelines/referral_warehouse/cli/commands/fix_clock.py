"""``fix-clock``: corrects stored times that a wrong clock wrote, without a request to the API."""

from __future__ import annotations

import click

from referral_warehouse.cli.acceptance import ACCEPT_HISTORY
from referral_warehouse.cli.accounts.choice import account_option
from referral_warehouse.cli.output import work_is_done
from referral_warehouse.cli.recorded_run import recorded_run
from referral_warehouse.cli.refused_settings import settings_of_run
from referral_warehouse.cli.report_file import add_report
from referral_warehouse.cli.reporting import log_problems
from referral_warehouse.cli.verbosity import logging_options
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.events import log_stage
from referral_warehouse.workspace.current_snapshot import public_database
from referral_warehouse.workspace.directories import DEMO_MARKER


@click.command("fix-clock", epilog="Example: referrals fix-clock")
@click.option("--json", "as_json", is_flag=True, help="Print one machine-readable line.")
@ACCEPT_HISTORY
@logging_options
@account_option
def fix_clock(as_json: bool, accept_shorter_history: bool) -> None:
    """Replace stored times in the future or before 2026 by the times of their runs, and publish; sync does so too."""
    from referral_warehouse.cli.console import say, say_json
    from referral_warehouse.cli.publication import publish_draft
    from referral_warehouse.load.clock.repair import repair_without_server
    from referral_warehouse.warehouse.build import build as build_draft

    settings = settings_of_run("fix-clock")
    with recorded_run(settings, "fix-clock") as run:
        if (settings.warehouse_dir / DEMO_MARKER).exists():
            raise ConfigurationError(
                f"{settings.warehouse_dir} holds a demo, whose times are simulated.",
                "Nothing has to be corrected there; set WAREHOUSE__DIR to the directory of a real account.",
            )
        correction = repair_without_server(settings)
        snapshot = None
        if correction is not None:
            log_stage("warehouse", "publish", {})
            draft = build_draft(settings)
            publication = run.publication = publish_draft(
                settings, draft, accept_shorter_history=accept_shorter_history
            )
            snapshot = publication.snapshot
            log_problems(publication.problems)
            add_report(settings)
        work_is_done("The stored times are corrected.")
    if as_json:
        say_json({"corrected": 0 if correction is None else correction.count, "snapshot": snapshot})
    elif correction is None:
        say("Nothing to correct: no stored time is in the future or before 2026.")
    else:
        say(f"{str(correction)[0].upper()}{str(correction)[1:]}.")
        say(f"Snapshot {snapshot} published: {public_database(settings.published_dir)}")
