"""How numbers, amounts, dates and names are shown in the report. Pure; a missing value is a dash."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from referral_warehouse.display_text import display_text
from referral_warehouse.utc_times import iso_utc_seconds

NONE = "–"
NAME_COLUMNS = 60
"""Columns of a name from the account, at most."""
UNIT_WITHOUT_SETTING = "type:"


def count(value: Any) -> str:
    """A whole number with separators."""
    return NONE if value is None else f"{int(value):,}"


def decimal_count(value: float | None) -> str:
    """A mean of counts, to a tenth."""
    return NONE if value is None else f"{value:,.1f}"


def share(value: float | None) -> str:
    """A share as a percentage to a tenth."""
    return NONE if value is None else f"{value:.1%}"


def change(now: Any, before: Any) -> str:
    """The change between two counts as a signed percentage; none without a before."""
    return "no period before" if not before else f"{(now - before) / before:+.0%} against the period before"


def amount(value: Decimal | None, digits: int) -> str:
    """An amount with the digits of its unit, and more only where it has more; never rounded."""
    if value is None:
        return NONE
    whole, _, fraction = f"{value:,f}".partition(".")
    fraction = fraction.rstrip("0").ljust(digits, "0")
    return f"{whole}.{fraction}" if fraction else whole


def day(value: date | None) -> str:
    return NONE if value is None else f"{value:%Y-%m-%d}"


def month(value: date | None) -> str:
    return NONE if value is None else f"{value:%b %Y}"


def time(value: datetime | None) -> str:
    """A time in UTC, to the minute."""
    return NONE if value is None else f"{value:%Y-%m-%d %H:%M}"


def instant(value: datetime | None) -> str:
    """A time in UTC in ISO 8601, for programs; empty where there is none."""
    return "" if value is None else iso_utc_seconds(value)


def days(value: float | None) -> str:
    """A number of days, to a tenth where it is short."""
    return NONE if value is None else f"{value:,.1f}" if value < 10 else f"{value:,.0f}"


def yes_no(value: bool | None) -> str:
    return NONE if value is None else "yes" if value else "no"


def name(value: Any) -> str:
    """A text from the account: one line, nothing invisible, of bounded width."""
    return NONE if value is None else display_text(str(value), NAME_COLUMNS) or NONE


def campaign(campaign_id: int, campaign_name: str | None) -> str:
    """The name of a campaign, or its number where it has none."""
    if campaign_id == 0:
        return "No campaign"
    return name(campaign_name) if campaign_name else f"Campaign {campaign_id}"


def unit_name(unit: str) -> str:
    """The name of a unit; for a reward type without a unit in the settings, the name of the type."""
    return name(unit.removeprefix(UNIT_WITHOUT_SETTING))
