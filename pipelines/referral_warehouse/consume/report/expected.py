"""The figures about what is expected: contingent rewards beside their back-test, and rewards that are unused."""

from __future__ import annotations

from typing import Any

from referral_warehouse.consume.report import formats
from referral_warehouse.consume.report.document import Chart, Column, Figure, Table
from referral_warehouse.consume.report.reading import Reader

ROWS = 10
"""Campaigns of one unit in one chart, those with the largest values first."""

CONTINGENT = """
select scope, contingent.*
from marts.contingent_liability as contingent join scopes using (campaign_id)
where expected_value is not null and most_value > 0
order by scope, unit, expected_value desc, campaign_id
"""
BACKTEST = """
select scope, backtest.*
from marts.contingent_backtest as backtest join scopes using (campaign_id)
where predicted_value is not null
order by scope, unit, predicted_value desc, campaign_id
"""
UNUSED = """
select scope, unused.*
from marts.unused_rewards as unused join scopes using (campaign_id)
order by scope, unit, unused_value desc, campaign_id
"""
UNUSED_BACKTEST = """
select scope, backtest.*
from marts.unused_rewards_backtest as backtest join scopes using (campaign_id)
where predicted_value is not null
order by scope, unit, predicted_value desc, campaign_id
"""
PARTS = (("used", "Used"), ("expired", "Expired"), ("withdrawn", "Withdrawn"), ("unused", "Unused, owed"))
Rows = list[dict[str, Any]]


def contingent(reader: Reader) -> dict[str, list[Figure]]:
    """For each unit what may become due, and the prediction of four weeks ago beside what happened."""
    return _paired(reader, CONTINGENT, BACKTEST, _contingent, "marts.contingent_backtest")


def unused(reader: Reader) -> dict[str, list[Figure]]:
    """For each unit that is settled on use what became of the rewards, and the back-test of its expectation."""
    return _paired(reader, UNUSED, UNUSED_BACKTEST, _unused, "marts.unused_rewards_backtest")


def _paired(reader: Reader, sql: str, backtest_sql: str, figure: Any, source: str) -> dict[str, list[Figure]]:
    current, tested = reader.by_scope(sql), reader.by_scope(backtest_sql)
    found = {}
    for scope in dict.fromkeys([*current, *tested]):
        now, past = (_by_unit(reader, rows.get(scope, [])) for rows in (current, tested))
        # Pairs first, so that bars without a counterpart do not separate them.
        units = sorted(dict.fromkeys([*now, *past]), key=lambda unit: unit not in now or unit not in past)
        figures = []
        for unit in units:
            if unit in now:
                figures.append(figure(reader, unit, now[unit]))
            if unit in past:
                figures.append(_backtest(reader, unit, past[unit], source))
        if figures:
            found[scope] = figures
    return found


def _by_unit(reader: Reader, rows: Rows) -> dict[str, Rows]:
    found: dict[str, Rows] = {}
    for row in rows:
        if reader.is_amount(row["unit"]):
            found.setdefault(row["unit"], []).append(row)
    return found


def _campaign(row: dict[str, Any]) -> str:
    return formats.campaign(row["campaign_id"], row["campaign_name"])


def _labels(rows: Rows) -> list[str]:
    """The names of campaigns, with their numbers where two have the same."""
    names = [_campaign(row) for row in rows]
    return [
        name if names.count(name) == 1 else f"{name} ({row['campaign_id']})"
        for name, row in zip(names, rows, strict=True)
    ]


def _note(rows: Rows) -> str:
    return f"The first {ROWS} of {len(rows):,} campaigns, by value." if len(rows) > ROWS else ""


def _intervals(rows: Rows, point: str, unit: str, reader: Reader) -> Rows:
    return [
        {
            "campaign": label, "order": order, "low": float(row["low_value"]), "high": float(row["high_value"]),
            "point": float(row[point]), "label": reader.amount(row[point], unit),
            "within": "outside" if row.get("is_within_interval") is False else "within",
        }
        for order, (label, row) in enumerate(zip(_labels(rows), rows, strict=True))
        if row["low_value"] is not None and row["high_value"] is not None and row[point] is not None
    ]  # fmt: skip


def _contingent(reader: Reader, unit: str, rows: Rows) -> Figure:
    shown, name = rows[:ROWS], formats.unit_name(unit)
    columns = (
        Column("Campaign", "campaign_name", is_number=False), Column("Open referrals", "open_referrals_count"),
        Column("Expected to qualify", "expected_qualified"), Column("Expected", "expected_value"),
        Column("Low", "low_value"), Column("High", "high_value"), Column("Within 28 days", "expected_28d_value"),
        Column("At most", "most_value"), Column("Pooled curve", "is_pooled", is_number=False),
    )  # fmt: skip
    lines = [
        (
            _campaign(row), formats.count(row["open_referrals_count"]),
            formats.decimal_count(row["expected_qualified"]),
            *(reader.amount(row[key], unit) for key in
              ("expected_value", "low_value", "high_value", "expected_28d_value", "most_value")),
            formats.yes_no(row["is_pooled"]),
        )
        for row in shown
    ]  # fmt: skip
    chart = Chart(
        "interval", f"Expected to become due in {name}, with the interval that holds 80 of 100 outcomes, by campaign",
        _intervals(shown, "expected_value", unit, reader),
    )  # fmt: skip
    lead = "The dot is expected, the line holds 80 of 100 outcomes. None of this is owed."
    return Figure(
        f"May become due in {name}", "marts.contingent_liability", Table(columns, lines, _note(rows)), [chart], lead
    )


def _backtest(reader: Reader, unit: str, rows: Rows, source: str) -> Figure:
    shown, name = rows[:ROWS], formats.unit_name(unit)
    columns = (
        Column("Campaign", "campaign_name", is_number=False), Column("Predicted", "predicted_value"),
        Column("Low", "low_value"), Column("High", "high_value"), Column("Actual", "actual_value"),
        Column("Within the interval", "is_within_interval", is_number=False),
    )  # fmt: skip
    lines = [
        (
            _campaign(row),
            *(reader.amount(row[key], unit) for key in ("predicted_value", "low_value", "high_value", "actual_value")),
            formats.yes_no(row["is_within_interval"]),
        )
        for row in shown
    ]  # fmt: skip
    judged = [row["is_within_interval"] for row in rows if row["is_within_interval"] is not None]
    within = f"{sum(judged)} of {len(judged)} within"
    lead = f"The line is the prediction of 28 days ago, the dot what happened since: {within}."
    chart = Chart(
        "interval", f"Back-test in {name}: {within} the interval",
        _intervals(shown, "actual_value", unit, reader),
    )  # fmt: skip
    return Figure(f"Back-test in {name}", source, Table(columns, lines, _note(rows)), [chart], lead)


def _unused(reader: Reader, unit: str, rows: Rows) -> Figure:
    shown, name = rows[:ROWS], formats.unit_name(unit)
    columns = (
        Column("Campaign", "campaign_name", is_number=False), Column("Issued", "issued_value"),
        *(Column(title, f"{part}_value") for part, title in PARTS),
        Column("Expected to be used", "expected_used_value"), Column("Low", "low_value"), Column("High", "high_value"),
        Column("Expected breakage", "expected_breakage_value"),
    )  # fmt: skip
    keys = ("issued_value", *(f"{part}_value" for part, _ in PARTS), "expected_used_value", "low_value", "high_value")
    lines = [
        (_campaign(row), *(reader.amount(row[key], unit) for key in (*keys, "expected_breakage_value")))
        for row in shown
    ]
    values = [
        {
            "campaign": label, "order": order, "part": title, "part_order": number,
            "value": float(row[f"{part}_value"]), "label": reader.amount(row[f"{part}_value"], unit),
        }
        for order, (label, row) in enumerate(zip(_labels(shown), shown, strict=True))
        for number, (part, title) in enumerate(PARTS)
    ]  # fmt: skip
    chart = Chart("parts", f"What became of rewards issued in {name}, by campaign", values)
    lead = "Rewards that were issued and are owed until they are used."
    return Figure(
        f"Issued in {name}",
        "marts.unused_rewards",
        Table(columns, lines, _note(rows)),
        [chart],
        lead,
        is_wide=True,
        is_open=True,
    )
