"""Options by which a person accepts what a guard refuses; each is for one run and changes no setting."""

from __future__ import annotations

import click

ACCEPT_HISTORY = click.option(
    "--accept-shorter-history", is_flag=True, help="Publish although the load file was lost and knows less of the past."
)
ACCEPT_DELETIONS = click.option(
    "--accept-deletions",
    is_flag=True,
    help="Accept that more records are gone than WAREHOUSE__MAX_VANISHED_PERCENT.",
)
ACCEPT_ACCOUNT = click.option(
    "--accept-account", is_flag=True, help="Let the account of this token take the directory over from another one."
)
