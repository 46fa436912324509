"""Why what was owed changed between the ends of two days: the roll-forward, checked. Knows no protocol."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from referral_warehouse.consume.agents.liability import CAMPAIGN_IS, TABLE, UNIT, days_of, observed_on, refuse_outside
from referral_warehouse.consume.agents.metrics import campaign_number
from referral_warehouse.consume.agents.rows import shortened_text, table_of
from referral_warehouse.consume.agents.source import Reading, with_facts
from referral_warehouse.display_text import display_text
from referral_warehouse.errors import ConfigurationError, DataRefused

LARGEST = 10
"""Campaigns and reward types that an explanation names for each unit."""

MAX_UNITS = 30
"""Units that an explanation has, those with most rewards first."""

ADDED = ("accrued", "reclassified_in")
SUBTRACTED = ("issued", "reversed", "reclassified_out")
OF_WHICH = ("repriced_value", "restated_count", "restated_value")
MEASURES = ("count", "value")
MOVEMENTS = [f"{part}_{measure}" for measure in MEASURES for part in (*ADDED, *SUBTRACTED)] + list(OF_WHICH)
PARTS = f"""
select daily.unit, daily.campaign_id, daily.reward_type,
    {
    ", ".join(
        f"coalesce(sum(daily.closing_{measure}) filter (where daily.day_on = dates.from_on), 0) as opening_{measure}, "
        f"coalesce(sum(daily.closing_{measure}) filter (where daily.day_on = dates.to_on), 0) as closing_{measure}"
        for measure in MEASURES
    )
},
    {
    ", ".join(
        f"coalesce(sum(daily.{name}) filter (where daily.day_on > dates.from_on), 0) as {name}" for name in MOVEMENTS
    )
}
from marts.reward_liability_daily as daily
cross join (select ?::date as from_on, ?::date as to_on) as dates
where daily.day_on between dates.from_on and dates.to_on and not daily.is_estimated and {CAMPAIGN_IS}
group by all
order by all
"""
NAMES = "select campaign_id, name from core.campaigns"
RESTATEMENTS = """
select ledger.unit, ledger.restatement as why, sum(ledger.restated_count) as restated_count,
    sum(ledger.restated_value) as restated_value, min(ledger.restated_from_at) as earliest_at
from marts.reward_ledger as ledger
where ledger.restatement is not null and cast(ledger.sync_at as date) > ?::date
    and cast(ledger.sync_at as date) <= ?::date and (?::bigint is null or ledger.campaign_id = ?::bigint)
group by all
order by all
"""
IDENTITY = "opening + accrued + reclassified in - issued - reversed - reclassified out = closing"


def explain_change(reading: Reading, from_day: date, to_day: date, campaign: str | None = None) -> dict[str, Any]:
    """How what was owed at the end of one day became what was owed at the end of a later one, for each unit.

    Raises:
        ConfigurationError: A day is not in the snapshot or only estimated, the days are in the wrong order, or there
            is no such campaign.
        DataRefused: The movements do not add up.
    """
    days = days_of(reading)
    for day in (from_day, to_day):
        refuse_outside(days, day)
    if from_day >= to_day:
        raise ConfigurationError("from_day is not before to_day.", "Give the earlier day first.")
    if days["exact_on"] is None or from_day < days["exact_on"]:
        raise ConfigurationError(
            f"{from_day} is before the first sync; what was owed then is an estimate and cannot be explained exactly.",
            f"Begin at {days['exact_on']} or later.",
        )
    number = None if campaign is None else campaign_number(reading, campaign)
    parts = reading.rows(PARTS, from_day, to_day, number, number)
    names = {row["campaign_id"]: row["name"] for row in reading.rows(NAMES)}
    units = _by_unit(parts)
    observed = {}
    notes = []
    for key, day in (("from_day", from_day), ("to_day", to_day)):
        observed[key], sentences = observed_on(reading, days, day)
        notes += sentences
    return with_facts(
        reading,
        definition=f"{IDENTITY}. {reading.description.table(TABLE).description}",
        unit=UNIT,
        wrong=reading.description.table(TABLE).wrong,
        from_day=from_day,
        to_day=to_day,
        campaign_id=number,
        observed=observed,
        notes=notes,
        units=[explained(unit, found, names) for unit, found in list(units.items())[:MAX_UNITS]],
        units_left_out=max(0, len(units) - MAX_UNITS),
        restatements=table_of(reading, RESTATEMENTS, [from_day, to_day, number, number]),
        source=TABLE,
    )


def explained(unit: str, parts: Sequence[dict[str, Any]], names: dict[int, str | None]) -> dict[str, Any]:
    """One unit: its roll-forward, and the campaigns and reward types that changed it most; the rest is one line.

    Raises: DataRefused when the movements do not add up.
    """
    total = _sum(parts)
    refuse_unless_it_adds_up(unit, total)
    moved = [part for part in parts if any(part[name] for name in MOVEMENTS)]
    moved.sort(key=lambda part: (-abs(_net(part, "value")), -abs(_net(part, "count")), part["campaign_id"]))
    rest = moved[LARGEST:]
    return {
        "unit": shortened_text(unit),
        "roll_forward": {measure: _roll_forward(total, measure) for measure in MEASURES},
        "of_the_movements": {name: total[name] for name in OF_WHICH},
        "identity_holds": True,
        "largest_contributions": [
            {
                "campaign_id": part["campaign_id"],
                "campaign_name": shortened_text(names.get(part["campaign_id"]) or "") or None,
                "reward_type": shortened_text(part["reward_type"]),
                "net_count": _net(part, "count"),
                "net_value": _net(part, "value"),
                **{name: part[name] for name in MOVEMENTS if part[name]},
            }
            for part in moved[:LARGEST]
        ],
        "all_other_contributions": {
            "campaigns_and_reward_types": len(rest),
            "net_count": sum(_net(part, "count") for part in rest),
            "net_value": sum(_net(part, "value") for part in rest),
        },
    }


def _by_unit(parts: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The parts of each unit, units with most rewards first."""
    units: dict[str, list[dict[str, Any]]] = {}
    for part in parts:
        units.setdefault(part["unit"], []).append(part)
    sizes = {
        unit: sum(part["opening_count"] + part["closing_count"] for part in found) for unit, found in units.items()
    }
    return dict(sorted(units.items(), key=lambda item: (-sizes[item[0]], item[0])))


def refuse_unless_it_adds_up(unit: str, total: dict[str, Any]) -> None:
    """Raises: DataRefused when opening and movements do not make the closing, for counts or for values."""
    for measure in MEASURES:
        expected = total[f"opening_{measure}"] + _net(total, measure)
        if expected != total[f"closing_{measure}"]:
            raise DataRefused(
                f"The movements do not add up, so that the change is not explained: for unit "
                f"{display_text(unit, 60)!r}, opening and movements make a {measure} of {expected}, and "
                f"the closing is {total[f'closing_{measure}']}.",
                "Run `referrals publish`, which builds and checks the snapshot again.",
            )


def _roll_forward(total: dict[str, Any], measure: str) -> dict[str, Any]:
    names = ("opening", *ADDED, *SUBTRACTED, "closing")
    return {name: total[f"{name}_{measure}"] for name in names} | {"change": _net(total, measure)}


def _net(part: dict[str, Any], measure: str) -> Any:
    added, subtracted = (sum(part[f"{name}_{measure}"] for name in names) for names in (ADDED, SUBTRACTED))
    return added - subtracted


def _sum(parts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    names = [*(f"{name}_{measure}" for name in ("opening", "closing") for measure in MEASURES), *MOVEMENTS]
    found = list(parts)
    return {name: sum(part[name] for part in found) for name in names}
