"""The figures that rank: campaigns beside each other, and the people who refer most."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from referral_warehouse.consume.report import formats
from referral_warehouse.consume.report.document import Column, Figure, Table
from referral_warehouse.consume.report.reading import ALL, Reader

CAMPAIGNS = 40
REFERRERS = 15

PERFORMANCE = f"""
select performance.*, count(*) over () as all_count
from marts.campaign_performance as performance join scopes using (campaign_id)
where scope = '{ALL}' and (performance.users_count > 0 or performance.reach > 0 or performance.campaign_id > 0)
order by performance.users_count desc, performance.campaign_id
limit {CAMPAIGNS}
"""
TOP_REFERRERS = f"""
select scope, user_id, campaign_id, campaigns.name as campaign_name, referrals_count, qualified_count, conversion_rate,
    downstream_count, owed_count, issued_count, reward_unit, earned_value, all_count, first_name
from (
    select scopes.scope, referrers.*, count(*) over (partition by scope) as all_count,
        row_number() over (
            partition by scope
            order by qualified_count desc, referrals_count desc, downstream_count desc, user_id
        ) as position
    from marts.referrer_performance as referrers join scopes using (campaign_id)
    qualify position <= {REFERRERS}
) as top
left join core.campaigns using (campaign_id)
left join (select user_id, first_name from core.users where $has_names) as people using (user_id)
order by scope, position
"""


def campaign_comparison(reader: Reader) -> list[Figure]:
    """All campaigns of the page beside each other, the largest first."""
    rows = reader.rows(PERFORMANCE)
    if len(rows) < 2:
        return []
    columns = (
        Column("Campaign", "campaign_name", is_number=False), Column("Status", "status", is_number=False),
        Column("Users", "users_count"), Column("Referrers", "referrers_count"), Column("Referrals", "referrals_count"),
        Column("Qualified", "qualified_count"), Column("Conversion", "conversion_rate"),
        Column("Mature conversion", "mature_conversion_rate"), Column("Median days", "median_days_to_qualify"),
        Column("Referrals in 28 days", "new_referrals_28d_count"),
        Column("28 days before", "new_referrals_previous_28d_count"),
        Column("Cost per qualified", "cost_per_qualified_value"),
    )  # fmt: skip
    note = _cut(len(rows), rows[0]["all_count"], "campaigns, by users")
    table = Table(columns, [_campaign(reader, row) for row in rows], note)
    lead = "The largest first. A cost per qualified referral is shown where all rewards of a campaign have one unit."
    return [Figure("Campaigns", "marts.campaign_performance", table, lead=lead, is_wide=True, is_open=True)]


def _campaign(reader: Reader, row: dict[str, Any]) -> tuple[str, ...]:
    return (
        formats.campaign(row["campaign_id"], row["campaign_name"]),
        "deleted" if row["deleted_at"] else formats.name(row["status"]),
        *(formats.count(row[key]) for key in ("users_count", "referrers_count", "referrals_count", "qualified_count")),
        formats.share(row["conversion_rate"]),
        formats.share(row["mature_conversion_rate"]),
        formats.days(row["median_days_to_qualify"]),
        formats.count(row["new_referrals_28d_count"]),
        formats.count(row["new_referrals_previous_28d_count"]),
        _in_unit(reader, row["cost_per_qualified_value"], row["reward_unit"]),
    )


def _in_unit(reader: Reader, value: Decimal | None, unit: str | None) -> str:
    """A value with its unit; a dash without a value or a single unit, and for percentages."""
    if unit is None or value is None or not reader.is_amount(unit):
        return formats.NONE
    return f"{reader.amount(value, unit)} {formats.unit_name(unit)}"


def top_referrers(reader: Reader) -> dict[str, list[Figure]]:
    """The people who refer most; ids alone unless names are allowed."""
    sql = TOP_REFERRERS.replace("$has_names", "true" if reader.has_names else "false")
    return {scope: [_referrers(reader, scope, rows)] for scope, rows in reader.by_scope(sql).items()}


def _referrers(reader: Reader, scope: str, rows: list[dict[str, Any]]) -> Figure:
    columns = [
        Column("User", "user_id", is_number=False), Column("Referrals", "referrals_count"),
        Column("Qualified", "qualified_count"), Column("Conversion", "conversion_rate"),
        Column("Downstream", "downstream_count"), Column("Rewards owed", "owed_count"),
        Column("Rewards issued", "issued_count"), Column("Earned", "earned_value"),
    ]  # fmt: skip
    lines = [list(_referrer(reader, row)) for row in rows]
    if scope == ALL:
        columns.insert(1, Column("Campaign", "campaign_id", is_number=False))
        for line, row in zip(lines, rows, strict=True):
            line.insert(1, formats.campaign(row["campaign_id"], row["campaign_name"]))
    if reader.has_names:
        columns.insert(1, Column("First name", "first_name", is_number=False))
        for line, row in zip(lines, rows, strict=True):
            line.insert(1, formats.name(row["first_name"]))
    note = _cut(len(rows), rows[0]["all_count"], "referrers, by qualified referrals, then referrals, then downstream")
    lead = "Ids are those of core.users; the page has no names." if not reader.has_names else ""
    table = Table(columns, lines, note)
    return Figure("Top referrers", "marts.referrer_performance", table, lead=lead, is_wide=True, is_open=True)


def _referrer(reader: Reader, row: dict[str, Any]) -> tuple[str, ...]:
    return (
        str(row["user_id"]),
        formats.count(row["referrals_count"]),
        formats.count(row["qualified_count"]),
        formats.share(row["conversion_rate"]),
        formats.count(row["downstream_count"]),
        formats.count(row["owed_count"]),
        formats.count(row["issued_count"]),
        _in_unit(reader, row["earned_value"], row["reward_unit"]),
    )


def _cut(shown: int, total_count: int, what: str) -> str:
    return f"The first {shown:,} of {total_count:,} {what}." if total_count > shown else ""
