"""Finds a campaign by its number or its name. Knows no table and no page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches

from referral_warehouse.display_text import display_text
from referral_warehouse.errors import ConfigurationError

SUGGESTIONS = 3
NAME_COLUMNS = 60
COMPARED = 200
"""Characters of a name that are compared with others."""

NUMBER = re.compile("[0-9]{1,19}", re.ASCII)


def find_campaign(text: str, names: Mapping[int, str | None], otherwise: str) -> int:
    """The number of a campaign.

    Args:
        text: A number, or a name in any case.
        names: The name of each campaign by its number.
        otherwise: What to do where no campaign has a similar name.

    Raises:
        ConfigurationError: No campaign is called so, with the nearest names; or several are, with their numbers.
    """
    if NUMBER.fullmatch(text) and int(text) in names:
        return int(text)
    by_name: dict[str, list[int]] = {}
    for number, name in names.items():
        by_name.setdefault((name or "").casefold(), []).append(number)
    found = by_name.get(text.strip().casefold(), []) if text.strip() else []
    shown = display_text(text, NAME_COLUMNS)
    if len(found) > 1:
        numbers = ", ".join(map(str, found))
        raise ConfigurationError(f"{len(found)} campaigns are called {shown!r}.", f"Name one by its number: {numbers}.")
    if found:
        return found[0]
    nearest = get_close_matches(
        text.casefold()[:COMPARED], [name for name in by_name if name], n=SUGGESTIONS, cutoff=0.4
    )
    suggestions = ", ".join(
        f"{display_text(names[by_name[name][0]] or '', NAME_COLUMNS)!r} ({by_name[name][0]})" for name in nearest
    )
    raise ConfigurationError(
        f"There is no campaign {shown!r}.", f"Did you mean {suggestions}?" if suggestions else otherwise
    )
