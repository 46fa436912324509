"""``strikes``: the 429s of the last seven days, and the one way to make the client forget them."""

from __future__ import annotations

from typing import Any

import click

from referral_warehouse.cli.output import work_is_done
from referral_warehouse.cli.verbosity import speaking_options
from referral_warehouse.settings import Settings

WORDS = {"429": "429, too many requests", "block": "403, the address is blocked"}


@click.command(epilog="Example: referrals strikes --forgive")
@click.option("--forgive", is_flag=True, help="Forget them all, and the pause with them: calls are sent again.")
@click.option("--json", "as_json", is_flag=True, help="Print one machine-readable line.")
@speaking_options
def strikes(forgive: bool, as_json: bool) -> None:
    """Show the 429s of the last 7 days; --forgive lifts a protective stop.

    After the second within 7 days nothing is sent until they are old enough, because the vendor blocks the address
    after a few. Forgive them only when whatever spent the calls has been mended.
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
        work_is_done("The strikes are forgotten.")
    if as_json:
        say_json(facts)
        return
    if forgive:
        say(f"{facts['forgiven']} forgotten; calls are sent again.")
        return
    for strike in facts["strikes"]:
        say(f"{strike['at']}  {strike['what']}")
    say(in_words(facts))


def strike_facts(settings: Settings) -> dict[str, Any]:
    """The strikes of the settings' token, oldest first, and until when they stop all calls (None: they do not)."""
    from referral_warehouse.api.rate_limit.limiter import open_rate_limiter, stopped_until

    if settings.api_token is None:
        return {"strikes": [], "stopped_until": None}
    rate_limiter = open_rate_limiter(settings)
    try:
        found = rate_limiter.violations()
    finally:
        rate_limiter.close()
    until = stopped_until(found)
    return {
        "strikes": [{"at": f"{one.at:%Y-%m-%dT%H:%M:%SZ}", "what": WORDS.get(one.what, one.what)} for one in found],
        "stopped_until": None if until is None else f"{until:%Y-%m-%dT%H:%M:%SZ}",
    }


def in_words(facts: dict[str, Any]) -> str:
    """One sentence on what the strikes mean."""
    count = len(facts["strikes"])
    if facts["stopped_until"]:
        return f"Strikes of the last 7 days: {count}. No call is sent before {facts['stopped_until']}."
    return f"Strikes of the last 7 days: {count}. " + ("One more stops all calls." if count else "All is well.")
