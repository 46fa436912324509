"""``deliver``: delivers the published tables to a destination of dlt, such as a PostgreSQL database."""

from __future__ import annotations

from typing import Any

import click

from referral_warehouse.cli.output import work_is_done
from referral_warehouse.cli.recorded_run import recorded_run
from referral_warehouse.cli.refused_settings import settings_of_run
from referral_warehouse.cli.verbosity import logging_options
from referral_warehouse.errors import ConfigurationError, NothingPublished, ReferralsError
from referral_warehouse.settings import Settings


@click.command(epilog="Example: referrals deliver --to analytics")
@click.option("--to", "name", metavar="NAME", help="The destination; without it, all of WAREHOUSE__DESTINATIONS.")
@click.option("--all", "everything", is_flag=True, help="Send every table, also those that did not change.")
@click.option("--json", "as_json", is_flag=True, help="Print one machine-readable line.")
@logging_options
def deliver(name: str | None, everything: bool, as_json: bool) -> None:
    """Deliver the published tables to a database or warehouse, through a destination of dlt.

    All tables there are of one snapshot. DESTINATION__NAME__CREDENTIALS says where the destination is, as for any
    pipeline of dlt.
    """
    from referral_warehouse.cli.console import say, say_json
    from referral_warehouse.cli.table_delivery import deliver_to, delivered, facts

    settings = settings_of_run("deliver", may_be_together=True)
    names = _chosen(settings, name)
    found: list[dict[str, Any]] = []
    with recorded_run(settings, "deliver"):
        failed: dict[str, ReferralsError] = {}
        for one in names:
            try:
                delivery = deliver_to(settings, one, everything=everything)
            except ReferralsError as error:  # the other destinations are delivered to nevertheless
                failed[one] = error
                continue
            if delivery is None:
                raise NothingPublished("Nothing is published yet, or the published snapshot has no readable manifest.")
            found.append({"destination": one, **facts(delivery)})
            if not as_json:
                text = delivered(one, delivery)
                say(f"{text[0].upper()}{text[1:]}.")
        if failed:
            raise _first(failed, is_any_done=bool(found))
        work_is_done("The tables are delivered.")
    if as_json:
        say_json({"deliveries": found})


def _first(failed: dict[str, ReferralsError], *, is_any_done: bool) -> ReferralsError:
    """The failure that ends the command; the others are warnings."""
    from referral_warehouse.cli.table_delivery import warn_of_failure

    (_, first), *others = failed.items()
    for name, error in others:
        warn_of_failure(name, error)
    if is_any_done and isinstance(first, ConfigurationError):
        first.kept = "What was delivered to other destinations is kept."
    return first


def _chosen(settings: Settings, name: str | None) -> tuple[str, ...]:
    """The destinations that the options or the settings name. Raises: ConfigurationError."""
    from referral_warehouse.settings.destination_names import destination_name

    if name is not None:
        return (destination_name("--to", name),)
    if not settings.destinations:
        raise ConfigurationError(
            "Neither --to nor WAREHOUSE__DESTINATIONS names a destination.",
            "Run `referrals deliver --to NAME`, or set WAREHOUSE__DESTINATIONS; docs/delivering.md has examples.",
        )
    return settings.destinations
