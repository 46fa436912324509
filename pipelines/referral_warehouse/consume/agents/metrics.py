"""The answers of the tools about tables, metrics and queries. Knows no protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from referral_warehouse.consume.agents.rows import table_of
from referral_warehouse.consume.agents.source import Reading, with_facts
from referral_warehouse.consume.campaign_names import find_campaign
from referral_warehouse.consume.description.metric_sql import GRAINS, metric_query
from referral_warehouse.consume.description.model import Description, Metric, Table
from referral_warehouse.consume.query.statements import tables_named
from referral_warehouse.display_text import display_text
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.sql_quoting import identifier

CAMPAIGNS = "select campaign_id, name from core.campaigns order by campaign_id"
CAMPAIGN = "campaign_id"
SUGGESTIONS = 3
NAME_COLUMNS = 80
COMPARED_VALUES = 1_000
NOT_STATED = "not stated"


def list_metrics(reading: Reading) -> dict[str, Any]:
    """Every metric: what it is, its unit, and by what it can be grouped and filtered."""
    return with_facts(
        reading,
        definition="Each metric has its own definition. ask_metric answers with its values.",
        unit="Each metric has its own unit.",
        wrong="`describe` with the name of a metric says where that metric is wrong.",
        metrics=[_metric(metric, reading.description) for metric in reading.description.metrics],
    )


def describe(reading: Reading, name: str | None = None) -> dict[str, Any]:
    """A table or a metric; without a name, the list of tables. Raises: ConfigurationError for an unknown name."""
    description = reading.description
    if name is None:
        return with_facts(
            reading,
            definition="The published tables. `describe` with the name of one has its columns.",
            unit="Each table says in `money` what its values are counted in.",
            wrong="`describe` with the name of a table says where that table is wrong.",
            tables=[{"name": table.name, "description": table.description} for table in description.tables],
        )
    metric = next((found for found in description.metrics if found.name == name), None)
    if metric is not None:
        table = description.table(metric.table)
        return with_facts(
            reading, definition=metric.definition, unit=unit_of(metric), wrong=table.wrong or NOT_STATED,
            metric=_metric(metric, description),
        )  # fmt: skip
    table = _table(description, name)
    return with_facts(
        reading,
        definition=table.description,
        unit=table.money or NOT_STATED,
        wrong=table.wrong or NOT_STATED,
        table=_described(table, description, shows_personal=reading.shows_personal),
    )


def ask_metric(
    reading: Reading,
    metric: str,
    by: Sequence[str] = (),
    grain: str | None = None,
    filters: Mapping[str, Any] | None = None,
    campaign: str | None = None,
) -> dict[str, Any]:
    """The values of a metric, one row for each group. Raises: ConfigurationError for a name that is not known."""
    filters = dict(filters or {})
    if campaign is not None:
        if CAMPAIGN in filters:
            raise ConfigurationError("campaign and the filter campaign_id exclude each other.", "Give one of them.")
        filters[CAMPAIGN] = campaign_number(reading, campaign)
    sql, parameters = metric_query(reading.description, metric, by, grain, filters)
    chosen = next(found for found in reading.description.metrics if found.name == metric)
    result = table_of(reading, sql, parameters)
    return with_facts(
        reading,
        definition=chosen.definition,
        unit=unit_of(chosen),
        wrong=reading.description.table(chosen.table).wrong or NOT_STATED,
        result=result,
        notes=_notes_on_filters(reading, chosen.table, filters),
        metric=metric,
        source=chosen.table,
        sql=sql,
        filters=filters,
    )


def _notes_on_filters(reading: Reading, table: str, filters: Mapping[str, Any]) -> list[str]:
    """A sentence for each filter that no row of the table meets, so that an empty result is not taken for zero."""
    notes = []
    for column, value in filters.items():
        name = identifier(column)
        [found] = reading.rows(f"select count(*) as rows_count from {table} where {name} = ?", value)
        if not found["rows_count"]:
            known = [
                str(row["value"])
                for row in reading.rows(
                    f"select distinct cast({name} as varchar) as value from {table} where {name} is not null "
                    f"order by value limit {COMPARED_VALUES}"
                )
            ]
            nearest = get_close_matches(str(value)[:NAME_COLUMNS], known, n=SUGGESTIONS) or known[:SUGGESTIONS]
            shown = ", ".join(repr(display_text(text, NAME_COLUMNS)) for text in nearest)
            notes.append(
                f"No row of {table} has {column} {display_text(str(value), NAME_COLUMNS)!r}"
                f"{f'; it has {shown}' if shown else ''}."
            )
    return notes


def query(reading: Reading, sql: str, max_rows: int) -> dict[str, Any]:
    """The result of one SELECT, with the definitions of the tables that it names. Raises: ReferralsError."""
    result = table_of(reading, sql, (), max_rows)
    named = tables_named(sql)
    tables = [table for table in reading.description.tables if table.name in named]
    return with_facts(
        reading,
        definition={table.name: f"{table.description} One row is: {table.grain}." for table in tables},
        unit="; ".join(f"{table.name}: {table.money}" for table in tables if table.money) or NOT_STATED,
        wrong="; ".join(f"{table.name}: {table.wrong}" for table in tables if table.wrong) or NOT_STATED,
        result=result,
    )


def campaign_number(reading: Reading, campaign: str) -> int:
    """The number of a campaign that is named by number or name. Raises: ConfigurationError with the nearest names."""
    names = {row["campaign_id"]: row["name"] for row in reading.rows(CAMPAIGNS)}
    return find_campaign(campaign, {0: None, **names}, "The table core.campaigns lists all of them.")


def unit_of(metric: Metric) -> str:
    """The unit of a metric in words."""
    if metric.unit_column:
        return f"value, counted in what {metric.unit_column} says; values of different units must not be added"
    return metric.unit


def _metric(metric: Metric, description: Description) -> dict[str, Any]:
    table = description.table(metric.table)
    return {
        "name": metric.name,
        "definition": metric.definition,
        "unit": unit_of(metric),
        "source": metric.table,
        "dimensions": [column.name for column in table.dimensions],
        "grains": list(GRAINS) if table.time_column else [],
        "must_be_grouped_or_filtered_by": metric.unit_column or None,
        "counts_only_rows_where": metric.only or None,
    }


def _described(table: Table, description: Description, *, shows_personal: bool) -> dict[str, Any]:
    return {
        "name": table.name,
        "one_row_is": table.grain,
        "time": table.time,
        "answers": list(table.questions),
        "key": list(table.key),
        "references": [f"{found.column} is {found.to_table}.{found.to_column}" for found in table.references],
        "columns": [
            {"name": column.name, "type": column.type, "meaning": column.comment}
            for column in table.columns
            if shows_personal or not column.is_personal
        ],
        "hidden_personal_columns": [c.name for c in table.columns if c.is_personal and not shows_personal],
        "metrics": [metric.name for metric in description.metrics_of(table.name)],
    }


def _table(description: Description, name: str) -> Table:
    try:
        return description.table(name)
    except KeyError:
        bare = {table.bare_name: table.name for table in description.tables}
        if name in bare:
            return description.table(bare[name])
        known = [*(table.name for table in description.tables), *(metric.name for metric in description.metrics)]
        nearest = get_close_matches(name[:NAME_COLUMNS], [*known, *bare], n=SUGGESTIONS)
        raise ConfigurationError(
            f"There is no table or metric {display_text(name, NAME_COLUMNS)!r}.",
            f"Did you mean {' or '.join(nearest)}?" if nearest else "`describe` without a name lists the tables.",
        ) from None
