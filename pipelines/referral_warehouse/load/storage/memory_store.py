"""The store of programs that keep the rows elsewhere: empty raw tables in memory, and a saved state.

Knows no dlt. Streams read as in our own load; of the stored rows, only the largest id and the rewards in process are
known, from the saved state.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.records.observations import VANISHED
from referral_warehouse.load.records.schema import OBSERVATIONS, LoadStrategy, TableSchema
from referral_warehouse.load.records.table_sql import create_table
from referral_warehouse.load.storage.stored_rows import DATASET, StoredRows, insert_rows

CURSORS, LARGEST_ID, IN_PROCESS = "cursors", "largest_id", "in_process"


class MemoryStore:
    """A ``LoadStore`` whose rows are not kept. Use it as a context manager.

    Args:
        schemas: the raw tables, by name.
        saved: for each stream what ``saved`` returned after the run before; empty before the first run.
    """

    keeps_rows = False

    def __init__(self, schemas: Mapping[str, TableSchema], saved: Mapping[str, Mapping[str, Any]]) -> None:
        self._schemas = schemas
        self._saved: dict[str, dict[str, Any]] = {stream: dict(known) for stream, known in saved.items()}
        self._connection = duckdb.connect(":memory:", config={"threads": 1})
        self._connection.execute("set TimeZone = 'UTC'")
        self._connection.execute(f"create schema {DATASET}")
        for schema in schemas.values():
            self._create(schema)
        self.rows = StoredRows(self._connection)

    def __enter__(self) -> MemoryStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def state(self, stream: str) -> dict[str, Any]:
        """The saved cursors of a stream (a copy; empty before its first run)."""
        return dict(self._saved.get(stream, {}).get(CURSORS, {}))

    def add(self, batch: LoadBatch) -> None:
        """Rows are passed on by the reader of the stream: nothing is stored."""

    def flush(self) -> None:
        """Nothing is stored."""

    def saved(self, batch: LoadBatch) -> dict[str, dict[str, Any]]:
        """The state to save once the rows of a batch were passed on, for each stream."""
        for stream, cursors in batch.states.items():
            self._of(stream)[CURSORS] = cursors
        for table in batch.tables:
            schema = self._schemas[table]
            if schema.is_stream and schema.strategy is not LoadStrategy.LIST_HISTORY:
                self._remember(schema, batch.rows(schema))
        gone = {row["id"] for row in batch.rows(OBSERVATIONS).to_pylist() if row["what"] == VANISHED}
        for known in self._saved.values():
            if IN_PROCESS in known:
                known[IN_PROCESS] = [row for row in known[IN_PROCESS] if row[0] not in gone]
        return self._saved

    def _of(self, stream: str) -> dict[str, Any]:
        return self._saved.setdefault(stream, {})

    def _remember(self, schema: TableSchema, rows: pa.Table) -> None:
        known = self._of(schema.name)
        known[LARGEST_ID] = max(pc.max(rows.column("id")).as_py(), known.get(LARGEST_ID) or 0)
        if schema.strategy is LoadStrategy.ROW_HISTORY:
            in_process = dict(known.get(IN_PROCESS, []))
            for row in rows.select(["id", "status", "issued_at"]).to_pylist():
                in_process.pop(row["id"], None)
                if row["issued_at"] is None:
                    in_process[row["id"]] = row["status"]
            known[IN_PROCESS] = [list(row) for row in sorted(in_process.items())]

    def _create(self, schema: TableSchema) -> None:
        self._connection.execute(create_table(schema, DATASET))
        known = self._saved.get(schema.name, {})
        in_process: list[Any] = known.get(IN_PROCESS, [])
        insert_rows(self._connection, schema.name, [list(row) for row in in_process], ("id", "status"))
        largest = known.get(LARGEST_ID)
        if largest is not None and largest not in dict(in_process):
            self._connection.execute(f"insert into {DATASET}.{schema.name} (id) values (?)", [largest])
            if schema.strategy is LoadStrategy.ROW_HISTORY:  # it is no reward in process
                self._connection.execute(
                    f"update {DATASET}.{schema.name} set issued_at = 'epoch' where id = ?", [largest]
                )
