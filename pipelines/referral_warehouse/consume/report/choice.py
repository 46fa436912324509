"""Chooses the campaigns of a report: all of them, or those that were named by number or by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from referral_warehouse.consume.campaign_names import find_campaign
from referral_warehouse.consume.report import formats
from referral_warehouse.consume.report.reading import Reader

OWN_SCOPES = 24
"""Campaigns with a part of their own, those with most users first: they bound the size of the page."""

WITHOUT = "`referrals report` without --campaign shows all of them."
CAMPAIGNS = """
select campaign_id, campaign_name
from marts.campaign_performance
order by users_count desc, reach desc, campaign_id
"""


@dataclass(frozen=True, slots=True)
class Choice:
    """Numbers of campaigns. ``chosen`` is None for all; ``shown`` have a part of their own; ``total`` counts all."""

    chosen: tuple[int, ...] | None
    shown: tuple[int, ...]
    titles: dict[int, str]
    total: int


def choose(reader: Reader, wanted: Sequence[str]) -> Choice:
    """The campaigns that were named, or all.

    Raises: ConfigurationError with the nearest names for one that does not exist, and with the numbers for a name that
        several campaigns have.
    """
    names = {row["campaign_id"]: row["campaign_name"] for row in reader.rows(CAMPAIGNS)}
    titles = {number: formats.campaign(number, name) for number, name in names.items()}
    if not wanted:
        shown = tuple(number for number in names if number)[:OWN_SCOPES]
        return Choice(None, shown if len(shown) > 1 else (), titles, sum(1 for number in names if number))
    chosen = tuple(dict.fromkeys(find_campaign(text, names, WITHOUT) for text in wanted))
    return Choice(chosen, chosen[:OWN_SCOPES] if len(chosen) > 1 else (), titles, len(chosen))
