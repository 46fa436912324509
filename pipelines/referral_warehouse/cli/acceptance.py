"""Options that accept what a guard would refuse; each applies to one run and changes no setting."""

from __future__ import annotations

import click

ACCEPT_HISTORY = click.option(
    "--accept-shorter-history", is_flag=True, help="Publish although the load file has less history."
)
ACCEPT_DELETIONS = click.option(
    "--accept-deletions",
    is_flag=True,
    help="Accept that more records are gone than WAREHOUSE__MAX_VANISHED_PERCENT permits.",
)
ACCEPT_ACCOUNT = click.option(
    "--accept-account", is_flag=True, help="Replace the data of another account in this directory."
)
