"""The description as a data model of Cube: a cube per published table, with joins, dimensions and measures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from referral_warehouse.consume.description.metric_sql import expression
from referral_warehouse.consume.description.model import Column, Description, Metric, Table
from referral_warehouse.consume.description.yaml_text import yaml_text
from referral_warehouse.warehouse.models import ACCOUNT_COLUMN

TYPES = {"BOOLEAN": "boolean", "DATE": "time", "TIMESTAMP": "time"}


def cube_files(description: Description) -> dict[str, str]:
    """Path → text of ``model/cubes/<schema>_<table>.yml`` for each published table."""
    return {
        f"model/cubes/{_name(table.name)}.yml": yaml_text({"cubes": [_cube(table, description)]})
        for table in description.tables
    }


def _cube(table: Table, description: Description) -> dict[str, Any]:
    measures = [_measure(metric) for metric in description.metrics_of(table.name)]
    found: dict[str, Any] = {
        "name": _name(table.name),
        "sql_table": table.name,
        "title": table.bare_name.replace("_", " "),
        "description": table.description,
        "meta": {"grain": table.grain, "where_it_is_wrong": table.wrong},
        "dimensions": [*_dimensions(table)],
        "measures": measures or [{"name": "rows_count", "type": "count", "description": table.grain}],
    }
    joins: dict[str, dict[str, Any]] = {}
    for reference in table.references:
        target = _name(reference.to_table)
        if target in joins or reference.to_table == table.name:
            continue  # Cube joins a pair of cubes once: by the first column that refers
        sql = f"{{CUBE}}.{reference.column} = {{{target}}}.{reference.to_column}"
        key: tuple[str, ...] = (reference.column,)
        if table.has_account:
            sql += f" and {{CUBE}}.{ACCOUNT_COLUMN} = {{{target}}}.{ACCOUNT_COLUMN}"
            key = (ACCOUNT_COLUMN, *key)
        relationship = "one_to_one" if table.key == key else "many_to_one"
        joins[target] = {"name": target, "sql": sql, "relationship": relationship}
    if joins:
        found["joins"] = list(joins.values())
    return found


def _dimensions(table: Table) -> Iterator[dict[str, Any]]:
    """Columns that are no amounts; a key of several columns is one hidden dimension too, as Cube needs one."""
    if len(table.key) != 1:
        parts = ", ".join(f"{{CUBE}}.{name}" for name in table.key) or "row_number() over ()"
        yield {
            "name": "row_key",
            "sql": f"concat_ws('|', {parts})",
            "type": "string",
            "primary_key": True,
            "public": False,
        }
    measured = {column.name for column in table.columns if column.is_number} - {
        column.name for column in table.dimensions
    }
    for column in table.columns:
        if column.name not in measured:
            yield _dimension(column, table)


def _dimension(column: Column, table: Table) -> dict[str, Any]:
    kind = TYPES.get(column.type, "number" if column.is_number else "string")
    found: dict[str, Any] = {"name": column.name, "sql": column.name, "type": kind, "description": column.comment}
    if table.key == (column.name,):
        found |= {"primary_key": True, "public": True}
    if column.is_personal:
        found |= {"public": False, "meta": {"is_personal": True}}
    return found


def _measure(metric: Metric) -> dict[str, Any]:
    words = metric.definition
    if metric.unit_column:
        words += f" Values must not be added across units: group by {metric.unit_column}."
    # Cube aggregates type sum itself; an expression that has its own aggregate is of type number.
    if metric.kind == "sum" and not metric.only:
        return {"name": metric.name, "sql": metric.column, "type": "sum", "description": words}
    return {"name": metric.name, "sql": expression(metric), "type": "number", "description": words}


def _name(table: str) -> str:
    return table.replace(".", "_")
