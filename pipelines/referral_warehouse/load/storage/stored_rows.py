"""Queries on the raw tables: stored rows, live rows, rows with a tombstone, rows in quarantine.

Knows the layout of the raw tables; opens no file and knows neither dlt nor HTTP. Raw tables have the names of their
streams. Statements that need more use ``connection``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from referral_warehouse.load.records.schema import FETCHED_AT, ROW_VERSION
from referral_warehouse.sql_quoting import identifier

DATASET = "raw"
# As in the models: at equal times, reappearing wins.
IS_GONE = (
    "max(observed_at) filter (where what = 'vanished') "
    "> coalesce(max(observed_at) filter (where what = 'reappeared'), timestamp '0001-01-01')"
)
QUARANTINED = f"{DATASET}.quarantine"
_INSERTED = "_inserted_rows"


class StoredRows:
    """The raw tables behind a DuckDB connection. Times are naive UTC."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def tables(self) -> set[str]:
        """The names of the raw tables that exist."""
        found = self.connection.execute(
            "select table_name from information_schema.tables where table_schema = ?", [DATASET]
        ).fetchall()
        return {name for (name,) in found}

    def has_rows(self, table: str) -> bool:
        """Whether a raw table holds any row."""
        return self.connection.execute(f"select 1 from {DATASET}.{table} limit 1").fetchone() is not None

    def row_count(self, table: str) -> int:
        """How many rows a raw table holds."""
        row = self.connection.execute(f"select count(*) from {DATASET}.{table}").fetchone()
        return int(row[0]) if row else 0

    def without_unchanged(self, table: str, rows: pa.Table) -> pa.Table:
        """The rows that are new, or differ from the stored ones in any column except the time of fetching."""
        if rows.num_rows == 0:
            return rows
        span = pc.min_max(rows.column("id"))
        within = f"id between {span['min'].as_py()} and {span['max'].as_py()}"
        # most batches of a first load hold new ids only; the minima and maxima of DuckDB's blocks answer that at once
        if self.connection.execute(f"select 1 from {DATASET}.{table} where {within} limit 1").fetchone() is None:
            return rows
        compared = [identifier(name) for name in rows.column_names if name not in ("id", FETCHED_AT)]
        differs = " or ".join(f"batch.{c}::varchar is distinct from stored.{c}::varchar" for c in compared)
        self.connection.register("batch", rows)
        try:
            changed = self.connection.execute(
                f"select batch.id from batch left join (from {DATASET}.{table} where {within}) as stored "
                f"on batch.id = stored.id where stored.id is null or {differs}"
            ).to_arrow_table()
        finally:
            self.connection.unregister("batch")
        return rows.filter(pc.is_in(rows.column("id"), changed.column("id").combine_chunks()))

    def active_versions(self, table: str) -> dict[int, str]:
        """id → row version of the current rows of a history table."""
        found = self.connection.execute(
            f"select id, {ROW_VERSION} from {DATASET}.{table} where _dlt_valid_to is null"
        ).fetchall()
        return dict(found)

    def last_boundary(self, table: str) -> datetime | None:
        """The newest validity time of a history table (naive UTC)."""
        row = self.connection.execute(
            f"select greatest(max(_dlt_valid_from), max(_dlt_valid_to)) at time zone 'UTC' from {DATASET}.{table}"
        ).fetchone()
        return row[0] if row else None

    def vanished_ids(self, stream: str) -> set[int]:
        """The ids of a stream that have a tombstone: their latest observation is that they vanished."""
        found = self.connection.execute(
            f"select id from {DATASET}.observations where stream = ? group by id having {IS_GONE}",
            [stream],
        ).fetchall()
        return {identifier for (identifier,) in found}

    def live_ids_missing_from(self, table: str, seen: Sequence[pa.Array], gone: Iterable[int]) -> list[int]:
        """The ids of a current table that are neither among ``seen`` nor deleted."""
        self.connection.register("seen", pa.table({"id": pa.chunked_array(seen, pa.int64())}))
        self.connection.register("gone", pa.table({"id": pa.array(list(gone), pa.int64())}))
        try:
            found = self.connection.execute(
                f"select id from {DATASET}.{table} where id not in (from seen) and id not in (from gone) order by id"
            ).fetchall()
        finally:
            self.connection.unregister("seen")
            self.connection.unregister("gone")
        return [identifier for (identifier,) in found]

    def open_quarantine(self) -> list[tuple[str, str, str]]:
        """Stream, record id and key of the rows in quarantine that are not resolved."""
        names = {
            column
            for (column,) in self.connection.execute(f"select column_name from (describe {QUARANTINED})").fetchall()
        }
        unread = "where resolved_at is null" if "resolved_at" in names else ""  # older files lack the column
        return self.connection.execute(f"select stream, record_id, key from {QUARANTINED} {unread}").fetchall()

    def quarantined(self, key: str) -> dict[str, Any]:
        """All columns of a row in quarantine."""
        found = self.connection.execute(f"from {QUARANTINED} where key = ?", [key])
        names = [column[0] for column in found.description or []]
        return dict(zip(names, found.fetchone() or (), strict=True))

    def live_count(self, stream: str, condition: str = "true") -> int:
        """The number of rows of a current table that meet a condition, without deleted ones."""
        row = self.connection.execute(
            f"with gone as (select id from {DATASET}.observations where stream = ? group by id having {IS_GONE}) "
            f"select count(*) from {DATASET}.{stream} where ({condition}) and id not in (from gone)",
            [stream],
        ).fetchone()
        return int(row[0]) if row else 0

    def live_ids(self, stream: str, condition: str) -> list[int]:
        """The ids of the rows that ``live_count`` counts; the condition may go on with an order and a limit."""
        found = self.connection.execute(
            f"with gone as (select id from {DATASET}.observations where stream = ? group by id having {IS_GONE}) "
            f"select id from {DATASET}.{stream} where id not in (from gone) and {condition}",
            [stream],
        ).fetchall()
        return [identifier for (identifier,) in found]

    def stored_among(self, table: str, ids: Iterable[int]) -> set[int]:
        """Those of some ids that a raw table holds."""
        self.connection.register("wanted", pa.table({"id": pa.array(list(ids), pa.int64())}))
        try:
            found = self.connection.execute(f"select id from {DATASET}.{table} semi join wanted using (id)").fetchall()
        finally:
            self.connection.unregister("wanted")
        return {identifier for (identifier,) in found}

    def values_of(self, table: str, ids: Sequence[int], columns: Sequence[str]) -> dict[int, tuple[Any, ...]]:
        """id → values of some columns, of those of some ids that a table of current rows holds."""
        names = ", ".join(identifier(name) for name in columns)
        self.connection.register("wanted", pa.table({"id": pa.array(ids, pa.int64())}))
        try:
            found = self.connection.execute(
                f"select id, {names} from {DATASET}.{table} semi join wanted using (id) where id between ? and ?",
                [min(ids), max(ids)],
            ).fetchall()
        finally:
            self.connection.unregister("wanted")
        return {row[0]: row[1:] for row in found}

    def last_observed_at(self, stream: str) -> datetime | None:
        """When a run that has ended observed a stream last."""
        row = self.connection.execute(
            f"select max(observed_at) from {DATASET}.run_streams where stream = ?", [stream]
        ).fetchone()
        return row[0] if row else None

    def column(self, sql: str, parameters: Sequence[object] = ()) -> list[object]:
        """The first column of a query on the raw tables."""
        return [row[0] for row in self.connection.execute(sql, parameters).fetchall()]

    def largest_id(self, table: str) -> int | None:
        """The largest id of a raw table; None where it holds none."""
        found = self.column(f"select max(id) from {DATASET}.{table}")[0]
        return found if isinstance(found, int) else None

    def largest_known_id(self, table: str) -> int | None:
        """The largest id that was ever read, stored or in quarantine."""
        found = self.column(
            f"select greatest((select max(id) from {DATASET}.{table}), (select max(try_cast(record_id as bigint)) "
            f"from {QUARANTINED} where stream = ?))",
            [table],
        )[0]
        return found if isinstance(found, int) else None


def insert_rows(
    connection: duckdb.DuckDBPyConnection, table: str, rows: list[list[Any]], names: Sequence[str] = ()
) -> None:
    """Insert rows with one statement; their values are in the order of ``names``, or of the table's columns.

    They are no parameters: for each of those DuckDB tries to import pandas, 0.1 ms where it is not installed.
    """
    if not rows:
        return
    target = f"{DATASET}.{table} ({', '.join(names)})" if names else f"{DATASET}.{table}"
    columns = [pa.array(values) for values in zip(*rows, strict=True)]
    connection.register(_INSERTED, pa.table(columns, names=[str(number) for number in range(len(columns))]))
    try:
        connection.execute(f"insert into {target} select * from {_INSERTED}")
    finally:
        connection.unregister(_INSERTED)
