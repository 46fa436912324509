"""Parses durations such as ``90m``, ``3h``, ``2d`` and ``1h30m``, and formats durations for people. Pure."""

from __future__ import annotations

import re

from referral_warehouse.errors import ConfigurationError

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
LONGEST_S = 3660 * DAY_S
_PARTS = re.compile(r"(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?")
_SIZES = (DAY_S, HOUR_S, MINUTE_S, 1)


def parse_duration(name: str, text: str) -> int:
    """The seconds of a duration.

    Args: ``name`` is the option or setting, for the message.
    Raises: ConfigurationError for any other text, and for durations that are zero or longer than ten years.
    """
    found = _PARTS.fullmatch(text.strip().lower())
    seconds = sum(int(part) * size for part, size in zip(found.groups(), _SIZES, strict=True) if part) if found else 0
    if not 0 < seconds <= LONGEST_S:
        shown = repr(text) if len(text) <= 40 else f"a text of {len(text):,} characters"
        raise ConfigurationError(
            f"{name} is not a duration between 1s and 3660d: {shown}.", "Write it like 90m, 3h, 2d or 1h30m."
        )
    return seconds


def duration_text(seconds: float) -> str:
    """A duration in its two largest units, rounded down: ``45 s``, ``12 min``, ``3 h 5 min``, ``2 d 4 h``."""
    whole = max(0, int(seconds))
    if whole < MINUTE_S:
        return f"{whole} s"
    if whole < HOUR_S:
        return f"{whole // MINUTE_S} min"
    large, small, names = (HOUR_S, MINUTE_S, ("h", "min")) if whole < DAY_S else (DAY_S, HOUR_S, ("d", "h"))
    first, rest = divmod(whole, large)
    return f"{first} {names[0]} {rest // small} {names[1]}" if rest // small else f"{first} {names[0]}"
