"""Writes the description as one JSON document, ``schema.json``, for programs and agents."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from referral_warehouse.consume.description.describe import describe_database
from referral_warehouse.consume.description.metric_sql import expression
from referral_warehouse.consume.description.model import Description, Metric, Table
from referral_warehouse.display_text import json_text
from referral_warehouse.warehouse.manifest import write_manifest

if TYPE_CHECKING:
    import duckdb

    from referral_warehouse.workspace.access import Access


def write_schema(path: Path, connection: duckdb.DuckDBPyConnection, catalog: str, access: Access) -> Description:
    """Write ``schema.json`` of a database, so that a reader sees the old one or the new one, never half.

    Args:
        path: The file.
        connection: Has the database attached: a draft or a snapshot.
        catalog: What it is attached as.
        access: Who may read the file; nobody changes it.

    Returns: the description that was written.
    """
    description = describe_database(connection, catalog)
    write_manifest(path, schema_document(description), access, is_frozen=True)
    return description


def schema_text(description: Description) -> str:
    """The document as text."""
    return json_text(schema_document(description), indent=True) + "\n"


def schema_document(description: Description) -> dict[str, Any]:
    """The document: ``tables`` by name, and ``metrics`` by name."""
    return {
        "schema_version": description.schema_version,
        "time_zone": "UTC",
        "tables": {table.name: _table(table) for table in description.tables},
        "metrics": {metric.name: _metric(metric) for metric in description.metrics},
    }


def _table(table: Table) -> dict[str, Any]:
    found = asdict(table)
    found.pop("name")
    found["columns"] = {
        column.name: {
            "type": column.type,
            "comment": column.comment,
            "is_personal": column.is_personal,
            **({"personal_kind": column.personal_kind} if column.is_personal else {}),
        }
        for column in table.columns
    }
    return found


def _metric(metric: Metric) -> dict[str, Any]:
    found = {name: value for name, value in asdict(metric).items() if value and name != "name"}
    return {**found, "sql": expression(metric)}
