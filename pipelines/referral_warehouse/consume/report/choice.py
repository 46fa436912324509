"""Which campaigns a report is on: all of them, or those that were named by number or by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from referral_warehouse.consume.report import formats
from referral_warehouse.consume.report.reading import Reader
from referral_warehouse.display_text import display_text
from referral_warehouse.errors import ConfigurationError

OWN_SCOPES = 24
"""Campaigns with a part of their own, those with most users first: they bound the size of the page."""

SUGGESTIONS = 3
CAMPAIGNS = """
select campaign_id, campaign_name
from marts.campaign_performance
order by users_count desc, reach desc, campaign_id
"""


@dataclass(frozen=True, slots=True)
class Choice:
    """Numbers of campaigns. ``chosen`` is None for all; ``shown`` are those with a part of their own."""

    chosen: tuple[int, ...] | None
    shown: tuple[int, ...]
    titles: dict[int, str]
    there: int


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
    chosen = tuple(dict.fromkeys(_find(text, names) for text in wanted))
    return Choice(chosen, chosen[:OWN_SCOPES] if len(chosen) > 1 else (), titles, len(chosen))


def _find(text: str, names: dict[int, str | None]) -> int:
    if text.isascii() and text.isdigit() and int(text) in names:
        return int(text)
    by_name: dict[str, list[int]] = {}
    for number, name in names.items():
        by_name.setdefault((name or "").casefold(), []).append(number)
    found = by_name.get(text.strip().casefold(), []) if text.strip() else []
    shown = display_text(text, formats.NAME_COLUMNS)
    if len(found) > 1:
        numbers = ", ".join(map(str, found))
        raise ConfigurationError(f"{len(found)} campaigns are called {shown!r}.", f"Name one by its number: {numbers}.")
    if found:
        return found[0]
    nearest = get_close_matches(text.casefold(), [name for name in by_name if name], n=SUGGESTIONS, cutoff=0.4)
    suggestions = ", ".join(f"{formats.name(names[by_name[name][0]])!r} ({by_name[name][0]})" for name in nearest)
    raise ConfigurationError(
        f"There is no campaign {shown!r}.",
        f"Did you mean {suggestions}?" if suggestions else "`referrals report` without --campaign shows all of them.",
    )
