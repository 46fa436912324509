"""The figure about closed days whose counts changed, by scope."""

from __future__ import annotations

from typing import Any

from referral_warehouse.consume.report import formats
from referral_warehouse.consume.report.document import Column, Figure, Table
from referral_warehouse.consume.report.reading import Reader

CHANGES = 15

CHANGED_DAYS = f"""
select scope, changes.*, campaigns.campaign_name, count(*) over (partition by scope) as all_count
from marts.period_changes as changes
join scopes using (campaign_id)
left join marts.campaign_performance as campaigns on changes.campaign_id = campaigns.campaign_id
qualify row_number() over (
    partition by scope order by changed_at desc, day_on desc, changes.campaign_id, measure, reason
) <= {CHANGES}
order by scope, changed_at desc, day_on desc, changes.campaign_id, measure, reason
"""


def changed_days(reader: Reader) -> dict[str, list[Figure]]:
    """The first published and the present counts of closed days."""
    return {scope: [_changes(rows)] for scope, rows in reader.by_scope(CHANGED_DAYS).items()}


def _changes(rows: list[dict[str, Any]]) -> Figure:
    total_count = rows[0]["all_count"]
    table = Table(
        (
            Column("Day", "day_on", is_number=False), Column("Campaign", "campaign_id", is_number=False),
            Column("Count of", "measure", is_number=False), Column("Published first", "first_published_count"),
            Column("Change", "change_count"), Column("Now", "current_count"),
            Column("Reason", "reason", is_number=False), Column("Seen at", "changed_at", is_number=False),
        ),
        [
            (
                formats.day(row["day_on"]), formats.campaign(row["campaign_id"], row["campaign_name"]),
                _measure(row["measure"]), formats.count(row["first_published_count"]), f"{row['change_count']:+,}",
                formats.count(row["current_count"]), formats.name(row["reason"]), formats.time(row["changed_at"]),
            )
            for row in rows
        ],
        f"The latest {len(rows)} of {total_count:,} changes." if total_count > len(rows) else "",
    )  # fmt: skip
    lead = "Days that were over when they were published, and whose counts of people have changed since."
    return Figure(
        "Closed days that changed", "marts.period_changes", table, lead=lead, is_wide=True, is_open=True
    )  # fmt: skip


def _measure(measure: str) -> str:
    """A column of the daily funnel in words."""
    return measure.removesuffix("_count").replace("_", " ").capitalize()
