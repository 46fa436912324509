"""Removes texts that are too old from the load file: the content of quarantined records, and error texts of runs.

Rows stay with their ids and times, so that no count changes. Knows rows, and no setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from referral_warehouse.load.records.coercion import NO_TEXT, Reject
from referral_warehouse.load.records.run_tables import RUNS
from referral_warehouse.load.records.schema import QUARANTINE, TableSchema
from referral_warehouse.load.storage.stored_rows import DATASET

OLD_RECORDS = f"""
select count(*) from {DATASET}.quarantine where coalesce(resolved_at, quarantined_at) <= ? and raw::varchar <> ?
"""
OLD_ERRORS = f"select count(*) from {DATASET}.runs where started_at <= ? and error is not null"


@dataclass(frozen=True, slots=True)
class AgeLimits:
    """Up to which times (naive UTC) texts are too old: of quarantined ``records``, and ``errors`` of runs.

    None: texts of this kind are kept.
    """

    records: datetime | None = None
    errors: datetime | None = None

    def as_json(self) -> dict[str, str]:
        """The times by name."""
        return {name: at.isoformat() for name, at in (("records", self.records), ("errors", self.errors)) if at}

    @classmethod
    def from_json(cls, found: Mapping[str, str]) -> AgeLimits:
        """What ``as_json`` wrote. Raises: ValueError."""
        return cls(**{name: datetime.fromisoformat(text) for name, text in found.items()})

    def counts(self, connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
        """How many texts of each kind are too old and still there."""
        found = {
            "records": (self.records, OLD_RECORDS, [self.records, NO_TEXT]),
            "errors": (self.errors, OLD_ERRORS, [self.errors]),
        }
        return {
            name: count
            for name, (until, sql, values) in found.items()
            if until is not None and (count := (connection.execute(sql, values).fetchone() or (0,))[0])
        }

    def rows(self, schema: TableSchema, rows: pa.Table) -> pa.Table:
        """Rows of a raw table without texts that are too old; with the columns that they have."""
        if schema.name == QUARANTINE.name and self.records is not None:
            return pa.Table.from_pylist([self._record(row, self.records) for row in rows.to_pylist()], rows.schema)
        if schema.name == RUNS.name and self.errors is not None:
            index = rows.column_names.index("error")
            column = rows.column(index)
            until = pa.scalar(self.errors, rows.schema.field("started_at").type)
            is_old = pc.less_equal(rows.column("started_at"), until)
            emptied = pc.if_else(is_old, pa.scalar(None, column.type), column)
            return rows.set_column(index, rows.schema.field(index), emptied)
        return rows

    def _record(self, row: dict[str, Any], until: datetime) -> dict[str, Any]:
        """A row of the quarantine without its content. Id, field and key stay: it is recognised and counted by them."""
        if (row["resolved_at"] or row["quarantined_at"]) > until:
            return row
        kept = Reject(row["record_id"] or "", row["reason"] or "", NO_TEXT).without_quotes()
        record_id = row["record_id"] if kept.known_id is not None else ""
        return {**row, "raw": NO_TEXT, "reason": kept.reason, "record_id": record_id}
