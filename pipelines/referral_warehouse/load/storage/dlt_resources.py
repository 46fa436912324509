"""The dlt source: what one slice brings becomes resources, one per raw table, with their keys, types and strategy.

The only room that says how dlt merges. A slice was fetched and coerced before dlt is asked, so that no answer of the
API can leave a package half extracted. Cursors live in dlt's state of the ``users`` and ``rewards_issued`` resources
and are saved in the same package as the rows they stand for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from referral_warehouse.load.storage.dlt_configuration import dlt  # first: dlt must not be imported before it

# isort: split
import pyarrow as pa
from dlt.extract import DltResource

from referral_warehouse.load.records.row_version import last_of_each_id
from referral_warehouse.load.records.schema import FETCHED_AT, ROW_VERSION, arrow_schema, json_columns
from referral_warehouse.load.registry import STREAMS
from referral_warehouse.load.storage.load_db import DATASET

SOURCE_NAME = "referral_factory"
PLAIN_TABLES = ("coupon_batches", "campaign_reach", "observations", "quarantine")
KEYS: dict[str, list[str]] = {
    "observations": ["stream", "id", "what", "observed_at"],
    "quarantine": ["key"],
}
TYPES = {"int64": "bigint", "string": "text", "bool": "bool"}


@dataclass(slots=True)
class LoadBatch:
    """What one package carries: Arrow tables by raw table, cursors by stream, and the boundary of new versions."""

    tables: dict[str, list[pa.Table]] = field(default_factory=dict)
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    boundary: datetime | None = None

    def add(self, table: str, rows: pa.Table) -> None:
        """Put rows aside for a raw table (nothing where there are none)."""
        if rows.num_rows:
            self.tables.setdefault(table, []).append(rows)

    def merge(self, other: LoadBatch) -> None:
        """Take over what another slice brings, which is empty afterwards; its rows count as the later ones."""
        for table, rows in other.tables.items():
            self.tables.setdefault(table, []).extend(rows)
        other.tables.clear()
        self.states.update(other.states)

    def settle(self) -> None:
        """One row per id in tables that hold the current row: within a package dlt knows no order."""
        for table, rows in self.tables.items():
            if table == "quarantine":
                self.tables[table] = [last_of_each_id(pa.concat_tables(rows).combine_chunks(), "key")]
            elif loading(table) == "current" and "id" in rows[0].column_names and table not in KEYS:
                self.tables[table] = [last_of_each_id(pa.concat_tables(rows).combine_chunks())]

    @property
    def row_count(self) -> int:
        return sum(rows.num_rows for tables in self.tables.values() for rows in tables)

    @property
    def is_empty(self) -> bool:
        return not self.tables and not self.states


def loading(table: str) -> str:
    """How a raw table is loaded: ``history``, ``issued`` or ``current``."""
    kind = STREAMS[table].loading if table in STREAMS else "current"
    return "current" if kind == "riding" else kind


def column_hints(table: str) -> dict[str, dict[str, Any]]:
    """dlt's column hints for a raw table, complete, so that nothing is inferred from data."""
    json_text = json_columns(table)
    hints: dict[str, dict[str, Any]] = {}
    for column in table_schema(table):
        if pa.types.is_timestamp(column.type):
            hint: dict[str, Any] = {"data_type": "timestamp", "timezone": False, "precision": 6}
        elif pa.types.is_decimal(column.type):
            hint = {"data_type": "decimal", "precision": column.type.precision, "scale": column.type.scale}
        else:
            hint = {"data_type": "json" if column.name in json_text else TYPES[str(column.type)]}
        hints[column.name] = {"name": column.name, "nullable": True, **hint}
    if loading(table) == "current" and FETCHED_AT in hints:
        hints[FETCHED_AT]["dedup_sort"] = "desc"
    return hints


def table_schema(table: str) -> pa.Schema:
    """The Arrow schema that a raw table is loaded with."""
    schema = arrow_schema(table)
    return schema.append(pa.field(ROW_VERSION, pa.string())) if loading(table) != "current" else schema


@dlt.source(name=SOURCE_NAME, max_table_nesting=0)
def referral_factory(part: LoadBatch) -> Iterator[DltResource]:
    """One dlt resource per raw table that the slice brings, or whose cursors it moves."""
    for table in dict.fromkeys([*part.tables, *part.states]):
        yield _resource(table, part)


def _resource(table: str, part: LoadBatch) -> DltResource:
    def rows() -> Iterator[Any]:
        yield from part.tables.get(table, [])
        if table in part.states:
            state = dlt.current.resource_state()
            state.clear()
            state.update(part.states[table])

    kind = loading(table)
    keys: dict[str, Any] = {}
    if kind == "current":
        disposition: dict[str, Any] = {"disposition": "merge", "strategy": "delete-insert"}
        keys["primary_key"] = KEYS.get(table, ["id"])
    else:
        disposition = {
            "disposition": "merge",
            "strategy": "scd2",
            "row_version_column_name": ROW_VERSION,
            # a package that is loaded twice after a kill has staged its rows twice: the last of each id counts
            "source_filter": f"rowid in (select max(rowid) from {DATASET}_staging.{table} group by id)",
        }
        if part.boundary is not None:
            disposition["boundary_timestamp"] = part.boundary.replace(tzinfo=UTC).isoformat()
        if kind == "issued":
            keys["merge_key"] = "id"
    resource: Any = dlt.resource(
        rows,
        name=table,
        write_disposition=cast(Any, disposition),
        columns=cast(Any, column_hints(table)),
        file_format="parquet",
        **keys,
    )
    return cast(DltResource, resource())
