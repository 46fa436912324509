"""The figures about people: key numbers, both funnels, weeks and cohorts, by scope."""

from __future__ import annotations

from typing import Any

from referral_warehouse.consume.report import formats
from referral_warehouse.consume.report.document import Chart, Column, Figure, Table, Tile
from referral_warehouse.consume.report.reading import Reader

WEEKS = 12
COHORT_MONTHS = 12

TOTALS = """
select scope, sum(users_count) as users_count, sum(referrers_count) as referrers_count,
    sum(referrals_count) as referrals_count, sum(qualified_count) as qualified_count,
    sum(qualified_count) / nullif(sum(referrals_count), 0) as conversion_rate,
    sum(new_users_28d_count) as new_users_28d_count,
    sum(new_users_previous_28d_count) as new_users_previous_28d_count,
    sum(new_referrals_28d_count) as new_referrals_28d_count,
    sum(new_referrals_previous_28d_count) as new_referrals_previous_28d_count,
    sum(qualified_28d_count) as qualified_28d_count,
    sum(qualified_previous_28d_count) as qualified_previous_28d_count
from marts.campaign_performance join scopes using (campaign_id)
group by scope
"""
FUNNEL = """
select scope, journey, stage, stage_order, sum(stage_count) as stage_count,
    sum(stage_count) / nullif(sum(previous_count), 0) as share_of_previous,
    sum(stage_count) / nullif(sum(first_count), 0) as share_of_first
from marts.referral_funnel join scopes using (campaign_id)
group by scope, journey, stage, stage_order
order by scope, stage_order
"""
WEEKLY = f"""
with days as (
    select scope, day_on, sum(new_users_count) as new_users_count, sum(new_referrals_count) as new_referrals_count,
        sum(qualified_count) as qualified_count
    from marts.referral_funnel_daily join scopes using (campaign_id)
    group by scope, day_on
),

clock as (
    select max(day_on) as last_on from marts.referral_funnel_daily
)

select scope, (last_on - day_on - 1) // 7 as weeks_ago,
    last_on - cast(1 + 7 * ((last_on - day_on - 1) // 7) as integer) as until_on,
    sum(new_users_count) as new_users_count, sum(new_referrals_count) as new_referrals_count,
    sum(qualified_count) as qualified_count
from days cross join clock
where day_on < last_on and day_on >= last_on - {2 * WEEKS * 7}
group by all
order by scope, weeks_ago desc
"""
COHORTS = f"""
with clock as (
    select max(joined_month_on) as last_on from marts.referral_cohorts
)

select scope, joined_month_on, months_since, sum(referrals_count) as referrals_count,
    sum(qualified_count) as qualified_count, sum(qualified_count) / nullif(sum(referrals_count), 0) as conversion_rate,
    bool_or(is_censored) as is_censored
from marts.referral_cohorts join scopes using (campaign_id) cross join clock
where joined_month_on > last_on - interval {COHORT_MONTHS} month and months_since < {COHORT_MONTHS}
group by scope, joined_month_on, months_since
order by scope, joined_month_on, months_since
"""
MEASURES = (
    ("new_users_count", "New users"),
    ("new_referrals_count", "New referrals"),
    ("qualified_count", "Qualified referrals"),
)
JOURNEYS = {
    "advocates": ("Advocates", "People who refer: where they are lost on the way to a reward."),
    "friends": ("Friends", "People who are invited: where they are lost on the way to a reward."),
}
OTHER_STAGES = "Reach and rewards"


def key_numbers(reader: Reader) -> dict[str, list[Tile]]:
    """The numbers in large print."""
    return {scope: _tiles(rows[0]) for scope, rows in reader.by_scope(TOTALS).items()}


def _tiles(row: dict[str, Any]) -> list[Tile]:
    def recent(name: str) -> str:
        now, before = row[f"{name}_28d_count"], row[f"{name}_previous_28d_count"]
        return f"{formats.count(now)} in 28 days, {formats.change(now, before)}"

    return [
        Tile("Users", formats.count(row["users_count"]), recent("new_users")),
        Tile("Referrals", formats.count(row["referrals_count"]), recent("new_referrals")),
        Tile("Qualified", formats.count(row["qualified_count"]), recent("qualified")),
        Tile("Conversion", formats.share(row["conversion_rate"]), "qualified of all referrals"),
    ]


def funnels(reader: Reader) -> dict[str, list[Figure]]:
    """Both journeys of people, each with its chart, and the stages that are not people."""
    found = {}
    for scope, rows in reader.by_scope(FUNNEL).items():
        if not any(row["stage_count"] for row in rows):
            continue
        figures = [
            _journey([row for row in rows if row["journey"] == journey], title, lead)
            for journey, (title, lead) in JOURNEYS.items()
        ]
        others = [row for row in rows if row["journey"] not in JOURNEYS]
        table = Table(
            (Column("Stage", "stage", is_number=False), Column("Count", "stage_count")),
            [(row["stage"].capitalize(), formats.count(row["stage_count"])) for row in others],
        )
        lead = "Views of pages and links, and rewards by their state; these are not people and have no shares."
        found[scope] = [*figures, Figure(OTHER_STAGES, "marts.referral_funnel", table, lead=lead, is_open=True)]
    return found


def _journey(rows: list[dict[str, Any]], title: str, lead: str) -> Figure:
    table = Table(
        (
            Column("Stage", "stage", is_number=False), Column("People", "stage_count"),
            Column("Of the stage before", "share_of_previous"), Column("Of the first stage", "share_of_first"),
        ),
        [
            (
                row["stage"].capitalize(), formats.count(row["stage_count"]),
                formats.share(row["share_of_previous"]), formats.share(row["share_of_first"]),
            )
            for row in rows
        ],
    )  # fmt: skip
    values = [
        {
            "stage": row["stage"].capitalize(), "order": row["stage_order"], "count": int(row["stage_count"]),
            "label": formats.count(row["stage_count"])
            + (f" · {formats.share(row['share_of_previous'])}" if row["share_of_previous"] is not None else ""),
        }
        for row in rows
    ]  # fmt: skip
    words = ", ".join(f"{row[0].lower()} {row[1]}" for row in table.rows)
    return Figure(title, "marts.referral_funnel", table, [Chart("funnel", f"{title}: {words}", values)], lead)


def trends(reader: Reader) -> dict[str, list[Figure]]:
    """The last weeks beside as many before them, one figure per measure."""
    found = {}
    for scope, rows in reader.by_scope(WEEKLY).items():
        weeks = {row["weeks_ago"]: row for row in rows}
        if any(row[name] for row in rows for name, _ in MEASURES):
            found[scope] = [_trend(weeks, name, title) for name, title in MEASURES]
    return found


def _trend(weeks: dict[int, dict[str, Any]], name: str, title: str) -> Figure:
    lines, values = [], []
    for number in range(1, WEEKS + 1):
        now, before = weeks.get(WEEKS - number), weeks.get(2 * WEEKS - number)
        lines.append(
            (
                *_week(now, name),
                *_week(before, name),
            )
        )  # fmt: skip
        for period, week in ((f"last {WEEKS} weeks", now), (f"{WEEKS} weeks before", before)):
            if week is not None:
                values.append(
                    {
                        "week": number, "until": formats.day(week["until_on"]), "period": period,
                        "count": int(week[name]),
                    }
                )  # fmt: skip
    table = Table(
        (
            Column("Week to", "day_on", is_number=False), Column(title, name),
            Column("Week to (before)", "day_on", is_number=False), Column("Period before", name),
        ),
        lines, "Weeks of seven whole days, UTC; the day of the build is left out, because it is not over.",
    )  # fmt: skip
    recent = sum(int(weeks[ago][name]) for ago in range(WEEKS) if ago in weeks)
    earlier = sum(int(weeks[ago][name]) for ago in range(WEEKS, 2 * WEEKS) if ago in weeks)
    lead = f"{formats.count(recent)} in {WEEKS} weeks, {formats.change(recent, earlier)} ({formats.count(earlier)})."
    label = f"{title} per week: {lead}"
    return Figure(title, "marts.referral_funnel_daily", table, [Chart("trend", label, values)], lead)


def _week(week: dict[str, Any] | None, name: str) -> tuple[str, str]:
    return (formats.NONE, formats.NONE) if week is None else (formats.day(week["until_on"]), formats.count(week[name]))


def cohorts(reader: Reader) -> dict[str, list[Figure]]:
    """The heat map of cohorts."""
    return {scope: [_cohorts(rows)] for scope, rows in reader.by_scope(COHORTS).items()}


def _cohorts(rows: list[dict[str, Any]]) -> Figure:
    months = sorted({row["joined_month_on"] for row in rows}, reverse=True)
    steps = range(max(row["months_since"] for row in rows) + 1)
    cells = {(row["joined_month_on"], row["months_since"]): row for row in rows}
    lines = [
        (
            formats.month(month), formats.count(cells[month, 0]["referrals_count"]),
            *(_cell(cells[month, step]) if (month, step) in cells else "" for step in steps),
        )
        for month in months
    ]  # fmt: skip
    values = [
        {
            "month": formats.month(row["joined_month_on"]), "order": f"{row['joined_month_on']:%Y-%m}",
            "since": row["months_since"], "rate": round(row["conversion_rate"], 4), "label": _cell(row),
            "growing": row["is_censored"], "referrals": int(row["referrals_count"]),
            "qualified": int(row["qualified_count"]),
        }
        for row in rows
    ]  # fmt: skip
    heads = [Column(f"Month {step}", "conversion_rate") for step in steps]
    table = Table(
        (
            Column("Joined in", "joined_month_on", is_number=False),
            Column("Referrals", "referrals_count"),
            *heads,
        ),
        lines,
        "Share of the cohort that had qualified by then. + means that some have not had that time yet.",
    )
    return Figure(
        "Conversion by month of joining", "marts.referral_cohorts", table,
        [Chart("cohorts", f"Conversion of {len(months)} monthly cohorts by months since joining", values)],
        "Rows are months of joining, columns whole months since. A cell with + can still grow.", is_wide=True,
    )  # fmt: skip


def _cell(row: dict[str, Any]) -> str:
    rate = row["conversion_rate"]
    return formats.NONE if rate is None else f"{rate:.0%}{'+' if row['is_censored'] else ''}"
