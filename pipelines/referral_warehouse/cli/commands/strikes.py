"""``strikes``: shows the rate-limit violations of the last seven days, and deletes them with ``--forgive``."""

from __future__ import annotations

from typing import Any

import click

from referral_warehouse.cli.accounts.choice import account_option
from referral_warehouse.cli.output import work_is_done
from referral_warehouse.cli.verbosity import logging_options
from referral_warehouse.settings import Settings
from referral_warehouse.utc_times import iso_utc_seconds

WORDS = {"429": "429, too many requests", "block": "403, the address is blocked"}


@click.command(epilog="Example: referrals strikes --forgive")
@click.option("--forgive", is_flag=True, help="Delete all violations and the pause, so that calls are sent again.")
@click.option("--json", "as_json", is_flag=True, help="Print one machine-readable line.")
@logging_options
@account_option
def strikes(forgive: bool, as_json: bool) -> None:
    """Show rate-limit violations of the last 7 days; --forgive ends a protective stop.

    After the second violation within 7 days no call is sent until they are old enough, because the vendor blocks the
    address after a few. Use --forgive only after the cause is removed.
    """
    from referral_warehouse.api.rate_limit.limiter import open_rate_limiter
    from referral_warehouse.cli.configuration import with_token
    from referral_warehouse.cli.console import say, say_json

    settings = with_token()
    facts = strike_facts(settings)
    if forgive:
        rate_limiter = open_rate_limiter(settings)
        facts |= {"forgiven": rate_limiter.forgive(), "strikes": [], "stopped_until": None}
        rate_limiter.close()
        work_is_done("The violations are deleted.")
    if as_json:
        say_json(facts)
        return
    if forgive:
        say(f"{facts['forgiven']} deleted; calls are sent again.")
        return
    for strike in facts["strikes"]:
        say(f"{strike['at']}  {strike['what']}")
    say(in_words(facts))


def strike_facts(settings: Settings) -> dict[str, Any]:
    """The rate-limit violations, oldest first, and until when they stop all calls; None where they do not."""
    from referral_warehouse.api.rate_limit.limiter import recorded_violations, stopped_until

    found = recorded_violations(settings)
    until = stopped_until(found)
    return {
        "strikes": [{"at": iso_utc_seconds(one.at), "what": WORDS.get(one.what, one.what)} for one in found],
        "stopped_until": None if until is None else iso_utc_seconds(until),
    }


def in_words(facts: dict[str, Any]) -> str:
    """One sentence about the violations."""
    count = len(facts["strikes"])
    if facts["stopped_until"]:
        return f"Rate-limit violations of the last 7 days: {count}. No call is sent before {facts['stopped_until']}."
    return f"Rate-limit violations of the last 7 days: {count}. " + (
        "One more stops all calls." if count else "Calls are sent."
    )
