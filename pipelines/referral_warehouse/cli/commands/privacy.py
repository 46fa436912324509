"""``privacy`` shows where personal data is held, for how long and under which policy."""

from __future__ import annotations

from dataclasses import astuple

import click

from referral_warehouse.cli.accounts.choice import account_option
from referral_warehouse.cli.configuration import read_settings
from referral_warehouse.cli.personal_places import held_fields, held_places, privacy_facts
from referral_warehouse.cli.verbosity import logging_options

FIELDS = ("table", "field", "kind", "policy", "published_as")
PLACES = ("place", "path", "holds", "kept_for")


@click.command(epilog="Example: referrals privacy --json")
@click.option("--json", "as_json", is_flag=True, help="Print one machine-readable line.")
@click.option("--new-key", is_flag=True, help="Write a new key for pseudonyms into the file of PRIVACY__KEY_FILE.")
@logging_options
@account_option
def privacy(as_json: bool, new_key: bool) -> None:
    """Show where personal data is held, for how long and under which policy."""
    from referral_warehouse.cli.console import say, say_json, show_table
    from referral_warehouse.cli.retention import due_now, listed

    settings = read_settings()
    if new_key:
        from referral_warehouse.load.privacy.key_file import make_key

        path = make_key(settings)
        say_json({"key_file": str(path)}) if as_json else say(f"Key: {path}. Keep a copy of it in a safe place.")
        return
    if as_json:
        say_json(privacy_facts(settings))
        return
    show_table("Personal fields of the load file", FIELDS, [astuple(found) for found in held_fields(settings)])
    say()
    show_table("Places", PLACES, [astuple(found) for found in held_places(settings)])
    due = due_now(settings)
    say()
    unknown = "not known (nothing was loaded yet, or another process uses the load file)"
    say(f"The next sync forgets: {unknown if due is None else listed(due)}")
