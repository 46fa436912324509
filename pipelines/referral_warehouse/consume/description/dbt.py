"""The description as a dbt project: sources, a view per mart, and MetricFlow's semantic models and metrics.

The project reads the published warehouse as an attached database, read-only, and writes its views into a file of its
own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from referral_warehouse.consume.description.model import Column, Description, Metric, Table
from referral_warehouse.consume.description.yaml_text import yaml_text
from referral_warehouse.warehouse.models import ACCOUNT_COLUMN

DATABASE = "referral_warehouse"
PROJECT = "referrals"
AS_OF = "as_of_on"
"""The day column that is added to the view of a table without a day: the day of the snapshot's data."""

PROJECT_FILE = {
    "name": PROJECT,
    "version": "1.0.0",
    "config-version": 2,
    "profile": PROJECT,
    "model-paths": ["models"],
    "flags": {"send_anonymous_usage_stats": False},
    "models": {PROJECT: {"+materialized": "view"}},
}
PROFILES = f"""# Set WAREHOUSE_FILE to data/warehouse.duckdb of the warehouse directory.
{PROJECT}:
  target: local
  outputs:
    local:
      type: duckdb
      path: "{{{{ env_var('ANALYTICS_FILE', 'analytics.duckdb') }}}}"
      settings:
        TimeZone: UTC
      attach:
        - path: "{{{{ env_var('WAREHOUSE_FILE', 'data/warehouse.duckdb') }}}}"
          alias: {DATABASE}
          read_only: true
"""
TIME_SPINE = """select cast(range as date) as date_day
from range(timestamp '2015-01-01', timestamp '2036-01-01', interval 1 day)
"""


def dbt_files(description: Description) -> dict[str, str]:
    """Path → text of every file of the project."""
    marts = [table for table in description.tables if description.metrics_of(table.name)]
    files = {
        "dbt_project.yml": yaml_text(PROJECT_FILE),
        "profiles.yml": PROFILES,
        "models/sources.yml": yaml_text({"version": 2, "sources": [*_sources(description)]}),
        "models/time_spine.sql": TIME_SPINE,
        "models/time_spine.yml": yaml_text(_time_spine()),
        "models/models.yml": yaml_text({"version": 2, "models": [_model(table) for table in marts]}),
        "models/semantic_models.yml": yaml_text({
            "semantic_models": [_semantic_model(table, description.metrics_of(table.name)) for table in marts],
            "metrics": [entry for metric in description.metrics for entry in _metrics(metric)],
        }),
    }  # fmt: skip
    return files | {f"models/{table.bare_name}.sql": _view(table) for table in marts}


def _sources(description: Description) -> Iterator[dict[str, Any]]:
    layers = list(dict.fromkeys(table.layer for table in description.tables))
    for layer in layers:
        tables = [table for table in description.tables if table.layer == layer]
        yield {
            "name": layer,
            "database": DATABASE,
            "schema": layer,
            "tables": [_source_table(table) for table in tables],
        }


def _source_table(table: Table) -> dict[str, Any]:
    found: dict[str, Any] = {"name": table.bare_name, "description": _words(table), "columns": []}
    for column in table.columns:
        entry: dict[str, Any] = {"name": column.name, "data_type": column.type, "description": column.comment}
        if column.is_personal:
            entry["config"] = {"meta": {"is_personal": True}}
        if (column.name,) == table.key:
            entry["data_tests"] = ["unique", "not_null"]
        found["columns"].append(entry)
    return found


def _words(table: Table) -> str:
    parts = [table.description, f"Grain: {table.grain}."]
    return " ".join([*parts, *([f"Where it is wrong: {table.wrong}"] if table.wrong else [])])


def _view(table: Table) -> str:
    source = f"{{{{ source('{table.layer}', '{table.bare_name}') }}}}"
    if table.time_column:
        return f"select * from {source}\n"
    as_of = "(select max(observed_at) from {{ source('ops', 'runs') }} where status = 'done')"
    return f"select\n    *,\n    cast({as_of} as date) as {AS_OF}\nfrom {source}\n"


def _model(table: Table) -> dict[str, Any]:
    columns = [{"name": column.name, "description": column.comment} for column in table.columns]
    if not table.time_column:
        columns.append({"name": AS_OF, "description": "day of the snapshot's data, UTC"})
    return {"name": table.bare_name, "description": _words(table), "columns": columns}


def _time_spine() -> dict[str, Any]:
    column = {"name": "date_day", "granularity": "day"}
    model = {"name": "time_spine", "time_spine": {"standard_granularity_column": "date_day"}, "columns": [column]}
    return {"version": 2, "models": [{"description": "One row per day, for MetricFlow.", **model}]}


def _semantic_model(table: Table, metrics: tuple[Metric, ...]) -> dict[str, Any]:
    day = table.time_column or AS_OF
    references = [found.column for found in table.references]
    entities = [{"name": f"{table.bare_name}_row", "type": "primary", "expr": _row_key(table)}]
    entities += [
        {"name": column.removesuffix("_id"), "type": "foreign", "expr": _reference(table, column)}
        for column in references
        if column.endswith("_id")
    ]
    taken = {entity["name"] for entity in entities} | {entity["expr"] for entity in entities} | {*references}
    grain = "month" if day.endswith("month_on") else "day"
    dimensions: list[dict[str, Any]] = [{"name": day, "type": "time", "type_params": {"time_granularity": grain}}]
    dimensions += [
        _dimension(column)
        for column in table.dimensions
        if column.name not in taken | {day} and column.type != "TIMESTAMP"
    ]
    measures = {measure["name"]: measure for metric in metrics for measure in _measures(metric)}
    return {
        "name": table.bare_name,
        "description": table.description,
        "model": f"ref('{table.bare_name}')",
        "defaults": {"agg_time_dimension": day},
        "entities": entities,
        "dimensions": dimensions,
        "measures": list(measures.values()),
    }


def _reference(table: Table, column: str) -> str:
    """The expression by which MetricFlow joins a reference: ids of several accounts need the account."""
    return f"concat_ws('|', {ACCOUNT_COLUMN}, {column})" if table.has_account else column


def _row_key(table: Table) -> str:
    return table.key[0] if len(table.key) == 1 else f"concat_ws('|', {', '.join(table.key)})"


def _dimension(column: Column) -> dict[str, Any]:
    found: dict[str, Any] = {"name": column.name, "type": "categorical", "description": column.comment}
    return found


def _measures(metric: Metric) -> Iterator[dict[str, Any]]:
    columns = [metric.numerator, metric.denominator] if metric.kind == "ratio" else [metric.column or "rows"]
    for column in columns:
        value = "1" if metric.kind == "count" else column
        found = {
            "name": _measure_name(metric, column),
            "agg": "sum",
            "expr": f"case when {metric.only} then {value} end" if metric.only else value,
        }
        if metric.kind == "last":
            found["non_additive_dimension"] = {"name": metric.last_of, "window_choice": "max"}  # type: ignore[assignment]
        yield found


def _measure_name(metric: Metric, column: str) -> str:
    return f"{metric.table.partition('.')[2]}_{column}"


def _metrics(metric: Metric) -> Iterator[dict[str, Any]]:
    """The metric, and for a ratio its two sides before it, which MetricFlow wants as metrics of their own."""
    described = metric.definition + (
        f" Values must not be added across units: group by {metric.unit_column}." if metric.unit_column else ""
    )
    found: dict[str, Any] = {"name": metric.name, "label": metric.name.replace("_", " "), "description": described}
    if metric.kind != "ratio":
        measure = _measure_name(metric, metric.column or "rows")
        yield {**found, "type": "simple", "type_params": {"measure": measure}}
        return
    sides = {}
    for side, column in (("numerator", metric.numerator), ("denominator", metric.denominator)):
        name = sides[side] = f"{metric.name}_{side}"
        params = {"measure": _measure_name(metric, column)}
        label = f"{metric.name.replace('_', ' ')}: {side}"
        words = f"{column}, the {side} of {metric.name}"
        yield {"name": name, "label": label, "description": words, "type": "simple", "type_params": params}
    yield {**found, "type": "ratio", "type_params": sides}
