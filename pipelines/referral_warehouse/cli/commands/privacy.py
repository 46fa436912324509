"""``privacy`` shows where personal data is held, for how long and under which policy."""

from __future__ import annotations

from dataclasses import astuple

import click

from referral_warehouse.cli.configuration import read_settings
from referral_warehouse.cli.personal_places import held_fields, held_places, privacy_facts
from referral_warehouse.cli.verbosity import logging_options

FIELDS = ("table", "field", "kind", "policy", "published_as")
PLACES = ("place", "path", "holds", "kept_for")


@click.command(epilog="Example: referrals privacy --json")
@click.option("--json", "as_json", is_flag=True, help="Print one machine-readable line.")
@logging_options
def privacy(as_json: bool) -> None:
    """Show where personal data is held, for how long and under which policy."""
    from referral_warehouse.cli.console import say, say_json, show_table

    settings = read_settings()
    if as_json:
        say_json(privacy_facts(settings))
        return
    show_table("Personal fields of the load file", FIELDS, [astuple(found) for found in held_fields(settings)])
    say()
    show_table("Places", PLACES, [astuple(found) for found in held_places(settings)])
