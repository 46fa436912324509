"""The figures about what is owed: roll-forward, months and age, one set per unit, because units are never added up."""

from __future__ import annotations

from typing import Any

from referral_warehouse.consume.report import formats
from referral_warehouse.consume.report.document import Chart, Column, Figure, Table, Tile
from referral_warehouse.consume.report.reading import Reader

MONTHS = 12
UNITS = 6
"""Units of one scope that are shown, those with most owed rewards first."""

ALWAYS = ("opening", "accrued", "issued", "reversed", "closing")
"""Movements that are shown also where there were none."""

OWED = """
select scope, unit, sum(owed_count) as owed_count, sum(owed_value) as owed_value, max(age_days_count) as oldest_days
from marts.reward_liability join scopes using (campaign_id)
group by scope, unit
order by scope, owed_count desc, unit
"""
MONTHLY = """
select scope, unit, month_on, {movements}
from marts.campaign_costs_monthly join scopes using (campaign_id)
group by scope, unit, month_on
order by scope, unit, month_on
"""
AGES = """
select scope, unit, age_bucket, age_bucket_order, sum(owed_count) as owed_count, sum(owed_value) as owed_value,
    sum(due_count) as due_count, sum(in_process_count) as in_process_count,
    coalesce(sum(owed_count) filter (where is_opening_balance), 0) as opening_count,
    coalesce(sum(owed_value) filter (where is_opening_balance), 0) as opening_value
from marts.reward_liability join scopes using (campaign_id)
group by scope, unit, age_bucket, age_bucket_order
order by scope, unit, age_bucket_order
"""
# Movement → how it is called, and whether it adds (1) to what is owed or takes away (-1); 0 are balances.
STEPS = (
    ("opening", "Opening", 0),
    ("accrued", "Accrued", 1),
    ("reclassified_in", "Reclassified in", 1),
    ("issued", "Issued", -1),
    ("reversed", "Reversed", -1),
    ("reclassified_out", "Reclassified out", -1),
    ("closing", "Closing", 0),
)


def owed_tiles(reader: Reader) -> dict[str, list[Tile]]:
    """What is owed now, one tile per unit."""
    found = {}
    for scope, rows in reader.by_scope(OWED).items():
        tiles = []
        for row in rows[:UNITS]:
            of_value = reader.is_amount(row["unit"])
            value = reader.amount(row["owed_value"], row["unit"]) if of_value else formats.count(row["owed_count"])
            detail = f"{formats.count(row['owed_count'])} rewards, the oldest {formats.count(row['oldest_days'])} days"
            if (reader.units.get(row["unit"]) or {}).get("settles_on") == "use":
                detail += "; unused rewards are owed too, see there"
            tiles.append(Tile(f"Owed in {formats.unit_name(row['unit'])}", value, detail))
        found[scope] = tiles
    return found


def roll_forwards(reader: Reader) -> tuple[dict[str, list[Figure]], bool]:
    """Roll-forward, months and age for each unit, and whether units were cut."""
    movements = ", ".join(f"sum({step}_{kind}) as {step}_{kind}" for step, _, _ in STEPS for kind in ("count", "value"))
    monthly = reader.by_scope(MONTHLY.format(movements=movements))
    ages = reader.by_scope(AGES)
    found, is_cut = {}, False
    for scope, rows in monthly.items():
        by_unit: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            by_unit.setdefault(row["unit"], []).append(row)
        used = {
            unit: rows for unit, rows in by_unit.items()
            if any(row[f"{step}_{kind}"] for row in rows for step, _, _ in STEPS for kind in ("count", "value"))
        }  # fmt: skip
        order = sorted(used, key=lambda unit: (-used[unit][-1]["closing_count"], unit))
        is_cut |= len(order) > UNITS
        figures: list[Figure] = []
        for unit in order[:UNITS]:
            figures.append(_roll_forward(reader, unit, used[unit][-MONTHS:]))
            buckets = [row for row in ages.get(scope, []) if row["unit"] == unit]
            if buckets:
                figures.append(_ageing(reader, unit, buckets))
        if figures:
            found[scope] = figures
    return found, is_cut


def _measure(reader: Reader, unit: str) -> tuple[str, str]:
    """What a unit is shown in: values, or counts where values cannot be added up; and its words."""
    if reader.is_amount(unit):
        return "value", formats.unit_name(unit)
    return "count", f"number of rewards in {formats.unit_name(unit)}, whose values cannot be added up"


def _shown(reader: Reader, unit: str, kind: str, value: Any) -> str:
    return reader.amount(value, unit) if kind == "value" else formats.count(value)


def _roll_forward(reader: Reader, unit: str, months: list[dict[str, Any]]) -> Figure:
    kind, words = _measure(reader, unit)
    first, last = months[0], months[-1]
    steps = [
        step for step in STEPS
        if step[0] in ALWAYS or any(row[f"{step[0]}_{kind}"] for row in months)
    ]  # fmt: skip
    columns = [Column("Month", "month_on", is_number=False), Column("Rewards at the end", "closing_count")]
    columns += [Column(title, f"{step}_{kind}") for step, title, _ in steps]
    lines = [
        (
            formats.month(row["month_on"]), formats.count(row["closing_count"]),
            *(_shown(reader, unit, kind, row[f"{step}_{kind}"]) for step, _, _ in steps),
        )
        for row in months
    ]  # fmt: skip
    totals = {step: sum(row[f"{step}_{kind}"] for row in months) for step, _, sign in steps if sign}
    totals |= {"opening": first[f"opening_{kind}"], "closing": last[f"closing_{kind}"]}
    if len(months) > 1:
        lines.append(
            (
                "All months", formats.count(last["closing_count"]),
                *(_shown(reader, unit, kind, totals[step]) for step, _, _ in steps),
            )
        )  # fmt: skip
    values, level = [], 0.0
    for order, (step, title, sign) in enumerate(steps):
        change = float(totals[step])
        start = 0.0 if sign == 0 else level
        level = change if sign == 0 else level + sign * change
        values.append(
            {
                "step": title, "order": order, "from": start, "to": level, "top": max(start, level),
                "kind": "balance" if sign == 0 else "up" if level >= start else "down",
                "label": ("−" if sign < 0 and change > 0 else "+" if sign > 0 and change > 0 else "")
                + _shown(reader, unit, kind, totals[step]),
            }
        )  # fmt: skip
    since = formats.month(first["month_on"])
    period = f"in {since}" if len(months) == 1 else f"{since} to {formats.month(last['month_on'])}"
    steps_in_words = ", ".join(f"{value['step']} {value['label']}" for value in values)
    label = f"Roll-forward of what is owed in {words}: {steps_in_words}"
    table = Table(columns, lines, "The first month with data begins with the first sync; months are UTC.")
    return Figure(
        f"Roll-forward in {formats.unit_name(unit)}", "marts.campaign_costs_monthly", table,
        [Chart("waterfall", label, values)], f"{period[0].upper()}{period[1:]}, {words}.", is_open=True,
    )  # fmt: skip


def _ageing(reader: Reader, unit: str, buckets: list[dict[str, Any]]) -> Figure:
    kind, words = _measure(reader, unit)
    table = Table(
        (
            Column("Age in days", "age_bucket", is_number=False), Column("Rewards", "owed_count"),
            Column("Due", "due_count"), Column("In process", "in_process_count"), Column("Owed", f"owed_{kind}"),
            Column("Of these, age is a lower bound", "is_opening_balance"),
        ),
        [
            (
                row["age_bucket"], formats.count(row["owed_count"]), formats.count(row["due_count"]),
                formats.count(row["in_process_count"]), _shown(reader, unit, kind, row[f"owed_{kind}"]),
                _shown(reader, unit, kind, row[f"opening_{kind}"]),
            )
            for row in buckets
        ],
    )  # fmt: skip
    values = [
        {"bucket": row["age_bucket"], "order": row["age_bucket_order"], "known": known, "value": float(value),
         "label": _shown(reader, unit, kind, value)}
        for row in buckets
        for known, value in (
            ("known age", row[f"owed_{kind}"] - row[f"opening_{kind}"]),
            ("at least this old", row[f"opening_{kind}"]),
        )
        if value
    ]  # fmt: skip
    label = f"Age of what is owed in {words}: " + ", ".join(f"{row[0]} days {row[4]}" for row in table.rows)
    return Figure(
        f"Age in {formats.unit_name(unit)}", "marts.reward_liability", table, [Chart("ageing", label, values)],
        f"What is owed now by its age in days, {words}. What the first sync found is at least this old.", is_open=True,
    )  # fmt: skip
