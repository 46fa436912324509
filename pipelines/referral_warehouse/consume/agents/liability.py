"""What was owed on a day, and whether that day was observed. Knows no protocol."""

from __future__ import annotations

from datetime import date
from typing import Any

from referral_warehouse.consume.agents.metrics import campaign_number
from referral_warehouse.consume.agents.rows import table_of
from referral_warehouse.consume.agents.source import Reading, with_facts
from referral_warehouse.errors import ConfigurationError

TABLE = "marts.reward_liability_daily"
UNIT = "rewards, and values counted in what unit says; values of different units must not be added"
DAYS = f"""
select min(day_on) as first_on, max(day_on) as last_on, min(day_on) filter (where not is_estimated) as exact_on
from {TABLE}
"""
OF_DAY = """
select bool_or(had_sync) as had_sync, max(observed_until_at) as observed_until_at, bool_or(is_estimated) as is_estimated
from marts.reward_liability_daily
where day_on = ?
"""
CAMPAIGN_IS = "(?::bigint is null or daily.campaign_id = ?::bigint)"
TOTALS = f"""
select daily.unit, sum(daily.closing_count) as owed_count, sum(daily.closing_value) as owed_value,
    sum(daily.closing_in_process_count) as of_these_in_process_count,
    sum(daily.closing_in_process_value) as of_these_in_process_value
from marts.reward_liability_daily as daily
where daily.day_on = ? and {CAMPAIGN_IS}
group by daily.unit
order by daily.unit
"""
BY_CAMPAIGN = f"""
select daily.unit, daily.campaign_id, campaigns.name as campaign_name, sum(daily.closing_count) as owed_count,
    sum(daily.closing_value) as owed_value
from marts.reward_liability_daily as daily
left join core.campaigns as campaigns on daily.campaign_id = campaigns.campaign_id
where daily.day_on = ? and {CAMPAIGN_IS}
group by daily.unit, daily.campaign_id, campaigns.name
having sum(daily.closing_count) <> 0 or sum(daily.closing_value) <> 0
order by daily.unit, owed_value desc, owed_count desc, daily.campaign_id
"""


def liability_as_of(reading: Reading, day: date, campaign: str | None = None) -> dict[str, Any]:
    """What was owed at the end of a day, by unit, and by unit and campaign.

    Raises: ConfigurationError when the day is not in the snapshot, or there is no such campaign.
    """
    days = days_of(reading)
    refuse_outside(days, day)
    number = None if campaign is None else campaign_number(reading, campaign)
    observed, notes = observed_on(reading, days, day)
    scope = [day, number, number]
    return with_facts(
        reading,
        definition=reading.description.table(TABLE).description,
        unit=UNIT,
        wrong=reading.description.table(TABLE).wrong,
        day=day,
        campaign_id=number,
        observed=observed,
        notes=notes,
        totals=table_of(reading, TOTALS, scope),
        by_campaign=table_of(reading, BY_CAMPAIGN, scope),
        source=TABLE,
    )


def days_of(reading: Reading) -> dict[str, Any]:
    """The first and last day of the snapshot, and the first exact one. Raises: ConfigurationError."""
    [days] = reading.rows(DAYS)
    if days["first_on"] is None:
        raise ConfigurationError("No rewards are known, so nothing was owed on any day.", "Ask again after a sync.")
    return days


def refuse_outside(days: dict[str, Any], day: date) -> None:
    """Raises: ConfigurationError for a day that the snapshot does not have."""
    if not days["first_on"] <= day <= days["last_on"]:
        raise ConfigurationError(
            f"What was owed on {day} is not in this snapshot.",
            f"It has the days from {days['first_on']} to {days['last_on']}; they are exact from {days['exact_on']} on.",
        )


def observed_on(reading: Reading, days: dict[str, Any], day: date) -> tuple[dict[str, Any], list[str]]:
    """Whether a day was observed, and a sentence where it was not."""
    [of_day] = reading.rows(OF_DAY, day)
    notes = []
    if of_day["is_estimated"]:
        notes.append(
            f"{day} is before the first sync: the amounts are an estimate; they are exact from {days['exact_on']} on."
        )
    elif not of_day["had_sync"]:
        notes.append(f"No sync saw the rewards on {day}: the closing is what {of_day['observed_until_at']} UTC showed.")
    return of_day, notes
