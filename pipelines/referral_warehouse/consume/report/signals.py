"""The figures about coupons and about people to review before a reward is paid, by scope."""

from __future__ import annotations

from typing import Any

from referral_warehouse.consume.report import formats
from referral_warehouse.consume.report.document import Chart, Column, Figure, Table
from referral_warehouse.consume.report.reading import Reader

MONTHS = 12
BATCHES = 10
PEOPLE = 15
RELATED_IDS = 5

COUPON_MONTHS = f"""
with clock as (
    select max(month_on) as last_on from marts.coupon_usage
)

select scope, month_on, sum(issued_count) as issued_count, sum(used_count) as used_count,
    sum(outstanding_count) as outstanding_count, sum(deleted_count) as deleted_count,
    sum(used_count) / nullif(sum(issued_count), 0) as use_rate
from marts.coupon_usage join scopes using (campaign_id) cross join clock
where month_on > last_on - interval {MONTHS} month
group by scope, month_on
order by scope, month_on
"""
COUPON_BATCHES = f"""
select scope, batch_id, any_value(batch_name) as batch_name, sum(issued_count) as issued_count,
    sum(used_count) as used_count, sum(outstanding_count) as outstanding_count, sum(deleted_count) as deleted_count,
    sum(used_count) / nullif(sum(issued_count), 0) as use_rate, count(*) over (partition by scope) as all_count
from marts.coupon_usage join scopes using (campaign_id)
group by scope, batch_id
qualify row_number() over (partition by scope order by sum(issued_count) desc, batch_id) <= {BATCHES}
order by scope, issued_count desc, batch_id
"""
RULES = """
select scope, rule, count(distinct user_id) as people_count
from marts.fraud_signals join scopes using (campaign_id)
group by scope, rule
order by scope, people_count desc, rule
"""
REVIEW = f"""
select scope, user_id, rule, related_count, related_user_ids, all_count
from (
    select scopes.scope, signals.*, count(*) over (partition by scope) as all_count
    from marts.fraud_signals as signals join scopes using (campaign_id)
    qualify row_number() over (partition by scope order by related_count desc nulls last, user_id, rule) <= {PEOPLE}
) as top
order by scope, related_count desc nulls last, user_id, rule
"""
STATES = (("used", "used"), ("outstanding", "outstanding"), ("deleted", "deleted unused"))
COUNTS = (
    Column("Issued", "issued_count"), Column("Used", "used_count"), Column("Outstanding", "outstanding_count"),
    Column("Deleted unused", "deleted_count"), Column("Used so far", "use_rate"),
)  # fmt: skip


def coupons(reader: Reader) -> dict[str, list[Figure]]:
    """Coupons by month of issue, and by batch."""
    batches = reader.by_scope(COUPON_BATCHES)
    found = {}
    for scope, rows in reader.by_scope(COUPON_MONTHS).items():
        found[scope] = [_months(rows), _batches(batches[scope])]
    return found


def _counts(row: dict[str, Any]) -> tuple[str, ...]:
    counts = (formats.count(row[column.name]) for column in COUNTS[:-1])
    return (*counts, formats.share(row["use_rate"]))


def _months(rows: list[dict[str, Any]]) -> Figure:
    table = Table(
        (Column("Issued in", "month_on", is_number=False), *COUNTS),
        [(formats.month(row["month_on"]), *_counts(row)) for row in rows],
    )
    values = [
        {
            "month": formats.month(row["month_on"]), "order": f"{row['month_on']:%Y-%m}", "state": words,
            "state_order": number, "count": int(row[f"{state}_count"]),
        }
        for row in rows
        for number, (state, words) in enumerate(STATES)
    ]  # fmt: skip
    issued, used = (sum(int(row[key]) for row in rows) for key in ("issued_count", "used_count"))
    lead = f"{used:,} of {issued:,} coupons of these months are used. Recent ones had less time."
    return Figure(
        "Coupons by month of issue", "marts.coupon_usage", table,
        [Chart("coupons", f"Coupons by month of issue and state: {lead}", values)], lead,
    )  # fmt: skip


def _batches(rows: list[dict[str, Any]]) -> Figure:
    def batch(row: dict[str, Any]) -> str:
        if row["batch_name"]:
            return formats.name(row["batch_name"])
        return f"Batch {row['batch_id']}" if row["batch_id"] else "No batch"

    total_count = rows[0]["all_count"]
    table = Table(
        (Column("Batch", "batch_name", is_number=False), *COUNTS),
        [(batch(row), *_counts(row)) for row in rows],
        f"The first {len(rows)} of {total_count:,} batches, by coupons issued." if total_count > len(rows) else "",
    )
    return Figure("Coupons by batch", "marts.coupon_usage", table, lead="Of all months.", is_open=True)


def fraud(reader: Reader) -> dict[str, list[Figure]]:
    """People to review by rule, and the signals with most related people."""
    review = reader.by_scope(REVIEW)
    return {scope: [_rules(rows), _people(review[scope])] for scope, rows in reader.by_scope(RULES).items()}


def _rule(rule: str) -> str:
    return rule.replace("_", " ").capitalize()


def _rules(rows: list[dict[str, Any]]) -> Figure:
    table = Table(
        (Column("Rule", "rule", is_number=False), Column("People", "user_id")),
        [(_rule(row["rule"]), formats.count(row["people_count"])) for row in rows],
    )
    values = [
        {
            "rule": _rule(row["rule"]), "order": order, "count": row["people_count"],
            "label": formats.count(row["people_count"]),
        }
        for order, row in enumerate(rows)
    ]  # fmt: skip
    label = "People to review by rule: " + ", ".join(f"{line[0].lower()} {line[1]}" for line in table.rows)
    lead = "A signal is a reason to look, no proof. A person can be found by several rules."
    return Figure("People to review", "marts.fraud_signals", table, [Chart("rules", label, values)], lead)


def _people(rows: list[dict[str, Any]]) -> Figure:
    def related(row: dict[str, Any]) -> str:
        ids = row["related_user_ids"] or []
        return ", ".join(map(str, ids[:RELATED_IDS])) + (" …" if len(ids) > RELATED_IDS else "") or formats.NONE

    total_count = rows[0]["all_count"]
    table = Table(
        (
            Column("User", "user_id", is_number=False), Column("Rule", "rule", is_number=False),
            Column("Other people", "related_count"), Column("Their ids", "related_user_ids", is_number=False),
        ),
        [(str(row["user_id"]), _rule(row["rule"]), formats.count(row["related_count"]), related(row)) for row in rows],
        f"The first {len(rows)} of {total_count:,} signals, by number of people." if total_count > len(rows) else "",
    )  # fmt: skip
    lead = "Ids are those of core.users."
    return Figure("Signals with most people", "marts.fraud_signals", table, lead=lead, is_open=True)
