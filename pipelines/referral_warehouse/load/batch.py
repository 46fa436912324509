"""Rows of raw tables and cursors that are committed together.

Knows no dlt and no database: streams yield batches, ``storage`` commits them, the public dlt source passes them on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from referral_warehouse.load.records.observations import date_tombstones
from referral_warehouse.load.records.row_version import last_of_each_id
from referral_warehouse.load.records.schema import OBSERVATIONS, LoadStrategy, TableSchema


@dataclass(slots=True)
class LoadBatch:
    """Rows and cursors that become visible together.

    Args:
        tables: Arrow tables by the name of the raw table.
        states: saved cursors by stream.
        boundary: when new versions begin (naive UTC).
        is_list: whether the batch holds a complete list, which is committed with the other lists of the run.
    """

    tables: dict[str, list[pa.Table]] = field(default_factory=dict)
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    boundary: datetime | None = None
    is_list: bool = False
    schemas: dict[str, TableSchema] = field(default_factory=dict)

    def add(self, schema: TableSchema, rows: pa.Table) -> None:
        """Add rows of a raw table (nothing where there are none)."""
        if rows.num_rows:
            self.tables.setdefault(schema.name, []).append(rows)
            self.schemas[schema.name] = schema

    def replace_rows(self, schema: TableSchema, rows: pa.Table) -> None:
        """Replace the rows of a raw table; a list without rows ends all its versions."""
        self.tables[schema.name] = [rows]
        self.schemas[schema.name] = schema

    def take(self, schema: TableSchema) -> list[pa.Table]:
        """Remove the rows of a raw table from the batch, and return them."""
        return self.tables.pop(schema.name, [])

    def rows(self, schema: TableSchema) -> pa.Table:
        """The rows of a raw table as one Arrow table (empty where there are none)."""
        return pa.concat_tables([schema.stored.empty_table(), *self.tables.get(schema.name, [])])

    def merge(self, other: LoadBatch) -> None:
        """Take over the rows and cursors of another batch, which is empty afterwards; its rows are the later ones."""
        for table, rows in other.tables.items():
            self.tables.setdefault(table, []).extend(rows)
        self.schemas.update(other.schemas)
        self.states.update(other.states)
        other.tables.clear()

    def deduplicate(self) -> None:
        """Keep the last row of each key in tables of current rows: dlt does not keep the order within a package."""
        for table, rows in self.tables.items():
            schema = self.schemas[table]
            if not schema.is_history and len(schema.key) == 1:
                self.tables[table] = [last_of_each_id(pa.concat_tables(rows).combine_chunks(), schema.key[0])]

    def begin_versions(self, boundary: datetime) -> None:
        """Let the new versions begin at ``boundary`` (naive UTC), and no tombstone of a row's history before it."""
        self.boundary = boundary
        observed = self.tables.get(OBSERVATIONS.name)
        for schema in self.schemas.values():
            if observed and schema.strategy is LoadStrategy.ROW_HISTORY:
                observed = date_tombstones(observed, schema.name, boundary)
        if observed:
            self.tables[OBSERVATIONS.name] = observed

    @property
    def row_count(self) -> int:
        return sum(rows.num_rows for tables in self.tables.values() for rows in tables)

    @property
    def is_empty(self) -> bool:
        return not self.tables and not self.states
