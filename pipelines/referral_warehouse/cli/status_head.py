"""The first lines of ``status``, for one account or several: results of runs, directory, lake and destinations."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from referral_warehouse.cli.lake import lake_facts, lake_sentence
from referral_warehouse.cli.settings_in_use import print_in_use
from referral_warehouse.cli.table_delivery import destination_facts, destination_sentence
from referral_warehouse.errors import SnapshotDamaged
from referral_warehouse.settings import Settings

if TYPE_CHECKING:
    from referral_warehouse.operate.health import Health


def health_shown(settings: Settings, now: datetime, max_age_s: int | None) -> Health:
    """The health of a directory, which includes whether its published snapshot can be opened."""
    from referral_warehouse.operate.health import read_health, with_damage
    from referral_warehouse.warehouse.published import refuse_unreadable

    health = read_health(settings, now, max_age_s)
    try:
        refuse_unreadable(settings)
    except SnapshotDamaged as error:
        return with_damage(health, error)
    return health


def places_facts(settings: Settings) -> dict[str, Any]:
    """The lake and the destinations that are set, for programs."""
    lake, destinations = lake_facts(settings), destination_facts(settings)
    return {
        **({} if lake is None else {"lake": lake}), **({"destinations": destinations} if destinations else {}),
    }  # fmt: skip


def say_head(settings: Settings, health: Health, now: datetime, places: dict[str, Any]) -> None:
    """Print the results of runs, the directory and settings in use, and which snapshot each of ``places`` has."""
    from referral_warehouse.cli.console import say_paragraph
    from referral_warehouse.operate.report import sentences

    for text in sentences(health, now):
        say_paragraph(text)
    print_in_use(settings)
    if "lake" in places:
        say_paragraph(lake_sentence(places["lake"]))
    for destination in places.get("destinations", ()):
        say_paragraph(destination_sentence(destination))
