"""The settings that say when rewards of a unit are settled, and when unused ones expire.

Knows no account: whether a unit occurs is checked when the warehouse is built.
"""

from __future__ import annotations

from typing import Any

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings.reward_units import PERCENT, table_entries
from referral_warehouse.settings.sources import shown

ISSUE, USE = "issue", "use"
LONGEST_DAYS = 36_600
"""A hundred years."""
EXAMPLE = """{"Store credit": "use"}"""
DAYS_EXAMPLE = """{"Store credit": 365}"""


def settles_on(name: str, value: Any) -> tuple[tuple[str, str], ...]:
    """A TOML table, or a JSON object in its place, of units and ``issue`` or ``use``.

    Returns: (unit, word), sorted. Raises: ConfigurationError.
    """
    found: dict[str, str] = {}
    for unit, word in table_entries(name, value, "units", EXAMPLE):
        unit = _unit(name, unit)
        if not isinstance(word, str) or word.strip().casefold() not in (ISSUE, USE):
            raise ConfigurationError(f"{name} must be issue or use for {shown(unit)}, not {shown(word)}.")
        if unit == PERCENT and word.strip().casefold() == USE:
            raise ConfigurationError(f"{name} cannot be use for percent: a rate of spend is never used up.")
        _set_once(name, found, unit, word.strip().casefold())
    return tuple(sorted(found.items()))


def expires_after_days(name: str, value: Any) -> tuple[tuple[str, int], ...]:
    """A TOML table, or a JSON object in its place, of units and whole days.

    Returns: (unit, days), sorted. Raises: ConfigurationError.
    """
    found: dict[str, int] = {}
    for unit, days in table_entries(name, value, "units", DAYS_EXAMPLE):
        unit = _unit(name, unit)
        if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= LONGEST_DAYS:
            raise ConfigurationError(
                f"{name} must be a whole number of days, from 1 to {LONGEST_DAYS}, for {shown(unit)}; "
                f"it is {shown(days)}."
            )
        _set_once(name, found, unit, days)
    return tuple(sorted(found.items()))


def refuse_expiry_without_use(
    settles_on: tuple[tuple[str, str], ...], expires_after_days: tuple[tuple[str, int], ...]
) -> None:
    """Raises: ConfigurationError for a unit that has days until its rewards expire, but is not settled on use."""
    for unit, _ in expires_after_days:
        if dict(settles_on).get(unit) != USE:
            raise ConfigurationError(
                f"WAREHOUSE__EXPIRES_AFTER_DAYS has days for {shown(unit)}, whose rewards are settled when they are "
                "issued and never expire.",
                f"Give {shown(unit)} the word use in WAREHOUSE__SETTLES_ON, or remove its days.",
            )


def _unit(name: str, unit: str) -> str:
    if not unit.strip():
        raise ConfigurationError(f"{name} has an entry without a unit.", "Name the unit as in the table core.units.")
    return unit.strip()


def _set_once(name: str, found: dict[str, Any], unit: str, value: Any) -> None:
    if found.setdefault(unit, value) != value:
        raise ConfigurationError(
            f"{name} has {shown(unit)} twice, with {shown(found[unit])} and {shown(value)}.", "Leave one of them."
        )
