"""``docs`` prints the data dictionary of this version; it needs no account and no data."""

from __future__ import annotations

import click

from referral_warehouse.cli.output import write_text
from referral_warehouse.cli.verbosity import logging_options


@click.command(epilog="Example: referrals docs")
@logging_options
def docs() -> None:
    """Print the data dictionary as Markdown: every published table and column, its meaning and its limits."""
    from referral_warehouse.warehouse.dictionary import write_dictionary

    write_text(write_dictionary())
