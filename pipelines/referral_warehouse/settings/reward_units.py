"""The setting that says what rewards are counted in, by reward type, campaign, type in a campaign, or reward.

Knows no account: whether a type, campaign or reward exists is checked when the warehouse is built.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings.sources import cleaned, shown

SCOPED = re.compile(r"(?P<what>reward|campaign):(?P<id>[^/]*)(?:/(?P<reward_type>.*))?", re.DOTALL)
NUMBER = re.compile(r"\s*[0-9]{1,18}\s*", re.ASCII)
PERCENT = "percent"
"""A rate of what somebody spends, as commissions are: no amount, and never multiplied by a count."""
EXAMPLE = """{"Amazon Voucher": "EUR"}"""
SCOPES = "reward:12, campaign:3, campaign:3/Amazon Voucher or a reward type"


@dataclass(frozen=True, slots=True)
class UnitRule:
    """In which unit rewards are counted; the most specific rule of a reward applies.

    From the most to the least specific: ``reward_id`` (a reward definition), ``campaign_id`` with ``reward_type``,
    ``campaign_id``, ``reward_type``.
    """

    unit: str
    reward_id: int | None = None
    campaign_id: int | None = None
    reward_type: str | None = None

    @property
    def setting(self) -> str:
        """The rule's key in the settings, without blanks and leading zeros."""
        if self.reward_id is not None:
            return f"reward:{self.reward_id}"
        if self.campaign_id is None:
            return str(self.reward_type)
        return f"campaign:{self.campaign_id}" + ("" if self.reward_type is None else f"/{self.reward_type}")


def unit_rule(setting: str, unit: str) -> UnitRule:
    """Read one entry of the setting. Raises: ValueError for ``reward:`` and ``campaign:`` without a number."""
    scoped = SCOPED.fullmatch(setting.strip())
    if scoped is None:
        return UnitRule(unit, reward_type=setting.strip())
    reward_type = scoped["reward_type"].strip() if scoped["reward_type"] is not None else None
    if not NUMBER.fullmatch(scoped["id"]) or reward_type == "" or (scoped["what"] == "reward" and reward_type):
        raise ValueError(setting)
    number = int(scoped["id"])
    if scoped["what"] == "reward":
        return UnitRule(unit, reward_id=number)
    return UnitRule(unit, campaign_id=number, reward_type=reward_type)


def reward_units(name: str, value: Any) -> tuple[tuple[str, str], ...]:
    """The setting from a TOML table, or from a JSON object in the environment, as dlt reads dictionaries there.

    Args:
        name: the setting, for error messages.
        value: keys are reward types, ``reward:12``, ``campaign:3`` or ``campaign:3/Amazon Voucher``; values are units.

    Returns: (key, unit), sorted; keys in the spelling of ``UnitRule.setting``.
    Raises: ConfigurationError when it is no table, a key has two units or none, or is no key.
    """
    found: dict[str, str] = {}
    for key, unit in table_entries(name, value, "reward types and units", EXAMPLE):
        rule = _rule(name, key, unit)
        if found.get(rule.setting, rule.unit) != rule.unit:
            raise ConfigurationError(
                f"{name} gives {shown(rule.setting)} two units, {shown(found[rule.setting])} and {shown(rule.unit)}.",
                "Leave one of them.",
            )
        found[rule.setting] = rule.unit
    return tuple(sorted(found.items()))


def table_entries(name: str, value: Any, of_what: str, example: str) -> list[tuple[str, Any]]:
    """The entries of a TOML table, or of a JSON object in the environment.

    Returns: (key, value) in their order, also those of a key that JSON has twice; none where ``value`` is None.
    Raises: ConfigurationError when it is no table.
    """
    if value is None:
        return []
    try:
        entries = json.loads(value, object_pairs_hook=_Pairs) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        entries = None
    if not isinstance(entries, (dict, _Pairs)):
        raise ConfigurationError(
            f"{name} is not a table of {of_what}.",
            f"Write it as JSON, {example}, or as the table [{name.lower().replace('__', '.')}].",
        )
    return [(str(key), entry) for key, entry in (entries.items() if isinstance(entries, dict) else entries)]


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with its keys as they are written: a dictionary would keep only the last of two equal keys."""


def _rule(name: str, key: str, unit: Any) -> UnitRule:
    if not key.strip() or not isinstance(unit, str) or not cleaned(unit):
        raise ConfigurationError(f"{name} must give each reward type one unit, as text; {shown(key)} has none.")
    unit = unit.strip()
    if unit.casefold() in (PERCENT, "%"):
        unit = PERCENT
    if unit.startswith("type:"):
        raise ConfigurationError(
            f"{name} must not use {shown(unit)}: such units are reserved for reward types without an entry."
        )
    try:
        return unit_rule(key, unit)
    except ValueError:
        raise ConfigurationError(f"{name} has no unit for {shown(key)}: a key is {SCOPES}.") from None
