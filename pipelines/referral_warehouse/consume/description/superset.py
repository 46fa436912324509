"""The description as an import bundle of Superset: the database, a dataset per table, charts and a dashboard."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from referral_warehouse.consume.description.metric_sql import expression
from referral_warehouse.consume.description.model import Column, Description, Metric, Table
from referral_warehouse.consume.description.yaml_text import yaml_text

DATABASE = "Referral warehouse"
FOLDER = "referral_warehouse"
NAMES = uuid.uuid5(uuid.NAMESPACE_URL, "referral-warehouse")
"""Ids are made of names, so that a later import replaces what an earlier one made."""

URI = "duckdb:////data/warehouse.duckdb?access_mode=read_only"
"""Where Superset finds the file: change it in databases/ to the path that Superset sees."""

CHARTS: tuple[tuple[str, str, str, str], ...] = (
    ("Users by campaign", "users_count", "campaign_name", ""),
    ("Conversion rate by campaign", "conversion_rate", "campaign_name", ""),
    ("New users by month", "new_users_count", "", "P1M"),
    ("Owed now by unit", "owed_value", "unit", ""),
    ("Owed by month", "liability_value", "unit", "P1M"),
    ("Coupons used by month of issue", "used_coupons_count", "", "P1M"),
)
"""Title, metric, dimension and time grain (ISO 8601; empty for a bar per value of the dimension) of each chart."""

WIDTH, ROW_CHARTS = 6, 2
"""Of twelve columns; charts in a row of the dashboard."""

TITLE_MARGIN, SHARE, NUMBER = 50, ",.0%", "SMART_NUMBER"
"""Pixels between the title of an axis and its numbers, which it hides otherwise; formats of these numbers."""


def superset_files(description: Description) -> dict[str, str]:
    """Path → text of the bundle; zip the folder and import it as a dashboard."""
    files = {
        "metadata.yaml": {"version": "1.0.0", "type": "Dashboard", "timestamp": "2026-01-01T00:00:00+00:00"},
        f"databases/{FOLDER}.yaml": _database(),
    }
    for table in description.tables:
        files[f"datasets/{FOLDER}/{table.layer}_{table.bare_name}.yaml"] = _dataset(table, description)
    charts = [_chart(description, *chart) for chart in CHARTS]
    for number, chart in enumerate(charts, start=1):
        files[f"charts/chart_{number}.yaml"] = chart
    files["dashboards/referrals.yaml"] = _dashboard(charts)
    return {f"{FOLDER}/{path}": yaml_text(document) for path, document in files.items()}


def _id(kind: str, name: str) -> str:
    return str(uuid.uuid5(NAMES, f"{kind} {name}"))


def _database() -> dict[str, Any]:
    return {
        "database_name": DATABASE, "sqlalchemy_uri": URI, "cache_timeout": None, "expose_in_sqllab": True,
        "allow_run_async": False, "allow_ctas": False, "allow_cvas": False, "allow_dml": False,
        "extra": {"engine_params": {"connect_args": {"read_only": True}}},
        "uuid": _id("database", DATABASE), "version": "1.0.0",
    }  # fmt: skip


def _dataset(table: Table, description: Description) -> dict[str, Any]:
    metrics = description.metrics_of(table.name)
    return {
        "table_name": table.bare_name, "main_dttm_col": table.time_column, "description": table.description,
        "default_endpoint": None, "offset": 0, "cache_timeout": None, "catalog": None, "schema": table.layer,
        "sql": None, "params": None, "template_params": None, "filter_select_enabled": True,
        "fetch_values_predicate": None,
        "extra": None, "uuid": _id("dataset", table.name),
        "metrics": [_metric(metric) for metric in metrics] or [_row_count(table)],
        "columns": [_column(column) for column in table.columns],
        "version": "1.0.0", "database_uuid": _id("database", DATABASE),
    }  # fmt: skip


def _metric(metric: Metric) -> dict[str, Any]:
    warning = f"Values must not be added across units: group by {metric.unit_column}." if metric.unit_column else None
    return {
        "metric_name": metric.name, "verbose_name": metric.name.replace("_", " "), "metric_type": None,
        "expression": expression(metric), "description": metric.definition, "d3format": None, "currency": None,
        "extra": {}, "warning_text": warning,
    }  # fmt: skip


def _row_count(table: Table) -> dict[str, Any]:
    return {
        "metric_name": "count", "verbose_name": "rows", "metric_type": "count", "expression": "count(*)",
        "description": table.grain, "d3format": None, "currency": None, "extra": {}, "warning_text": None,
    }  # fmt: skip


def _column(column: Column) -> dict[str, Any]:
    return {
        "column_name": column.name, "verbose_name": None, "is_dttm": column.is_time, "is_active": True,
        "type": column.type, "advanced_data_type": None, "groupby": True, "filterable": True, "expression": None,
        "description": column.comment, "python_date_format": None, "extra": {},
    }  # fmt: skip


def _chart(description: Description, title: str, name: str, dimension: str, grain: str) -> dict[str, Any]:
    metric = next(found for found in description.metrics if found.name == name)
    table = description.table(metric.table)
    day = table.time_column
    kind = "echarts_timeseries_line" if grain else "echarts_timeseries_bar"
    params: dict[str, Any] = {
        "viz_type": kind, "metrics": [metric.name], "groupby": [dimension] if grain and dimension else [],
        "x_axis": day if grain else dimension, "time_grain_sqla": grain or None, "adhoc_filters": [], "row_limit": 1000,
        "show_legend": bool(grain and dimension), "x_axis_title": "", "y_axis_title": metric.name.replace("_", " "),
        "y_axis_title_margin": TITLE_MARGIN, "y_axis_format": SHARE if metric.name.endswith("_rate") else NUMBER,
        "rich_tooltip": True, "truncate_metric": True,
    }  # fmt: skip
    return {
        "slice_name": title, "description": metric.definition, "certified_by": None, "certification_details": None,
        "viz_type": kind, "params": params, "query_context": None, "cache_timeout": None, "uuid": _id("chart", title),
        "version": "1.0.0", "dataset_uuid": _id("dataset", metric.table),
    }  # fmt: skip


def _dashboard(charts: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "dashboard_title": "Referrals", "description": None, "css": "", "slug": "referrals", "certified_by": None,
        "certification_details": None, "published": True, "uuid": _id("dashboard", "referrals"),
        "position": dict(_position(charts)), "metadata": {}, "version": "1.0.0",
    }  # fmt: skip


def _position(charts: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    rows = [charts[start : start + ROW_CHARTS] for start in range(0, len(charts), ROW_CHARTS)]
    names = [f"ROW-{number}" for number, _ in enumerate(rows, start=1)]
    yield "DASHBOARD_VERSION_KEY", "v2"
    yield "ROOT_ID", {"type": "ROOT", "id": "ROOT_ID", "children": ["GRID_ID"]}
    yield "HEADER_ID", {"type": "HEADER", "id": "HEADER_ID", "meta": {"text": "Referrals"}}
    yield "GRID_ID", {"type": "GRID", "id": "GRID_ID", "children": names, "parents": ["ROOT_ID"]}
    for name, row in zip(names, rows, strict=True):
        ids = [f"CHART-{chart['uuid']}" for chart in row]
        parents = ["ROOT_ID", "GRID_ID"]
        meta = {"background": "BACKGROUND_TRANSPARENT"}
        yield name, {"type": "ROW", "id": name, "children": ids, "parents": parents, "meta": meta}
        for key, chart in zip(ids, row, strict=True):
            chart_meta = {
                "uuid": chart["uuid"], "chartId": charts.index(chart) + 1, "sliceName": chart["slice_name"],
                "width": WIDTH, "height": 50,
            }  # fmt: skip
            yield key, {"type": "CHART", "id": key, "children": [], "parents": [*parents, name], "meta": chart_meta}
