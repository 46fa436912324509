"""The two control tables, which say which snapshot a destination holds: ``ops_published`` and ``ops_published_tables``.

They are delivered like the other tables, in the same transaction. Knows no file, and opens no connection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from dlt.destinations.sql_client import SqlClientBase

PUBLISHED = "ops_published"
PUBLISHED_TABLES = "ops_published_tables"
_UTC = pa.timestamp("us", tz="UTC")
_SCHEMAS: dict[str, list[tuple[str, pa.DataType, str]]] = {
    PUBLISHED: [
        ("snapshot", pa.int64(), "number of the snapshot that all tables here are of"),
        ("manifest_sha256", pa.string(), "SHA-256 of the snapshot's manifest.json"),
        ("synced_at", _UTC, "the server's time of the last observation, UTC"),
        ("built_at", _UTC, "when the tables were built, UTC"),
        ("delivered_at", _UTC, "when the delivery was made, by the clock of the machine that delivers, UTC"),
        (
            "schema_version",
            pa.int64(),
            "increases when a published column is removed, or its name, type or meaning changes",
        ),
        (
            "dataset_name",
            pa.string(),
            "the dataset that has the rows; where tables are views, readers may use it instead",
        ),
        ("publisher", pa.string(), "random name of the warehouse directory that delivers here"),
    ],
    PUBLISHED_TABLES: [
        ("table_name", pa.string(), "name of the table in this dataset"),
        ("rows_count", pa.int64(), "rows of the table"),
        ("checksum", pa.string(), "checksum of the table's feed in the manifest; where it is equal, nothing was sent"),
        ("key_columns", pa.string(), "the columns that identify a row, separated by commas"),
        (
            "snapshot",
            pa.int64(),
            "number of the snapshot with which rows were last sent; none has changed since",
        ),
    ],
}
COMMENTS = {
    PUBLISHED: "The snapshot that all tables here are of. grain: one row. key: snapshot.",
    PUBLISHED_TABLES: "The tables of that snapshot. grain: one row per table. key: table_name.",
}
KEYS = {PUBLISHED: ("snapshot",), PUBLISHED_TABLES: ("table_name",)}


@dataclass(frozen=True, slots=True)
class SentTable:
    """A table at a destination: the checksum of its feed, its rows and key, and the snapshot with which it was sent."""

    checksum: str
    rows: int
    key: tuple[str, ...]
    snapshot: int


@dataclass(frozen=True, slots=True)
class DestinationState:
    """What a destination holds. ``tables`` by their names there."""

    snapshot: int
    manifest_sha256: str
    publisher: str
    dataset: str
    tables: Mapping[str, SentTable] = field(default_factory=dict)


def read_state(client: SqlClientBase[Any]) -> DestinationState | None:
    """Read the control tables in the dataset of a connection.

    Returns: None when nothing was delivered there. Raises: dlt's errors.
    """
    from dlt.destinations.exceptions import DatabaseUndefinedRelation

    name = client.make_qualified_table_name
    try:
        rows = client.execute_sql(f"select snapshot, manifest_sha256, publisher, dataset_name from {name(PUBLISHED)}")
        found = client.execute_sql(
            f"select table_name, checksum, rows_count, key_columns, snapshot from {name(PUBLISHED_TABLES)}"
        )
    except DatabaseUndefinedRelation:
        return None
    if not rows:
        return None
    tables = {
        table: SentTable(checksum, int(count), tuple(filter(None, (key or "").split(","))), int(snapshot))
        for table, checksum, count, key, snapshot in found or ()
    }
    return DestinationState(int(rows[0][0]), rows[0][1], rows[0][2], rows[0][3], tables)


def columns_of(table: str) -> set[str]:
    """The columns of a control table."""
    return {name for name, _, _ in _SCHEMAS[table]}


def comments_of(table: str) -> dict[str, str]:
    """The comments of the columns of a control table."""
    return {name: comment for name, _, comment in _SCHEMAS[table]}


def published_rows(
    manifest: Mapping[str, Any], sha256: str, publisher: str, delivered_at: datetime, dataset: str
) -> pa.Table:
    """The row of ``ops_published``."""
    return _rows(PUBLISHED, [
        {
            "snapshot": manifest["snapshot"], "manifest_sha256": sha256, "synced_at": _time(manifest["synced_at"]),
            "built_at": _time(manifest["built_at"]), "delivered_at": delivered_at,
            "schema_version": manifest["schema_version"], "publisher": publisher, "dataset_name": dataset,
        },
    ])  # fmt: skip


def table_rows(tables: Mapping[str, SentTable]) -> pa.Table:
    """The rows of ``ops_published_tables``."""
    return _rows(PUBLISHED_TABLES, [
        {
            "table_name": name, "rows_count": table.rows, "checksum": table.checksum,
            "key_columns": ",".join(table.key), "snapshot": table.snapshot,
        }
        for name, table in tables.items()
    ])  # fmt: skip


def _rows(table: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    fields = [pa.field(name, kind, nullable=name not in KEYS[table]) for name, kind, _ in _SCHEMAS[table]]
    return pa.Table.from_pylist(list(rows), schema=pa.schema(fields))


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
