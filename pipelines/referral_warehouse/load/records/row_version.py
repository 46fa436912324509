"""Row versions: two rows of a history with the same version are equal.

Pure. A row version is the hash of the canonical tracked values (50, 50.0 and "50" have become one DECIMAL before), so
that another notation of a value is no change.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from referral_warehouse.load.records.schema import FETCHED_AT, ROW_VERSION, TableSchema

ROWS_AT_ONCE = 5_000
"""Values as objects of Python take ten times the memory of a column."""


def with_row_versions(schema: TableSchema, rows: pa.Table) -> pa.Table:
    """The table with one more column: the version of each row. Keeps the last row of each id."""
    rows = last_of_each_id(rows)
    return rows.append_column(ROW_VERSION, row_versions(schema, rows))


def row_versions(schema: TableSchema, rows: pa.Table) -> pa.Array:
    """The version of each row of ``schema.arrow``."""
    left_out = schema.untracked | {FETCHED_AT}
    rows = rows.select([name for name in rows.column_names if name not in left_out])
    found: list[str] = []
    for start in range(0, rows.num_rows, ROWS_AT_ONCE):
        tracked = [column.to_pylist() for column in rows.slice(start, ROWS_AT_ONCE).columns]
        found += [_version(values) for values in zip(*tracked, strict=True)]
    return pa.array(found, pa.string())


def with_current_versions(schema: TableSchema, rows: pa.Table) -> pa.Table:
    """Stored rows with the versions of what they hold now, so that the next list of equal rows begins no new ones.

    Rows that lack a column, as those of earlier versions of this software, and tables without versions stay the same.
    """
    if not {ROW_VERSION, *schema.arrow.names} <= set(rows.column_names):
        return rows
    index = rows.column_names.index(ROW_VERSION)
    return rows.set_column(index, rows.schema.field(index), row_versions(schema, rows.select(schema.arrow.names)))


def last_of_each_id(rows: pa.Table, name: str = "id") -> pa.Table:
    """Of rows that share an id (or the value of column ``name``), the last one."""
    if _is_ascending(rows.column(name).combine_chunks()):
        return rows
    ids = rows.column(name).to_pylist()
    last = {identifier: index for index, identifier in enumerate(ids)}
    if len(last) == len(ids):
        return rows
    return rows.take(pa.array(sorted(last.values()), pa.int64()))


def _is_ascending(ids: pa.Array) -> bool:
    """Whether each id is larger than the one before, as in a list ordered by id: then no id repeats."""
    return not len(ids) or bool(pc.all(pc.greater(ids.slice(1), ids.slice(0, len(ids) - 1)), skip_nulls=False).as_py())


def _version(values: tuple[Any, ...]) -> str:
    canonical = [
        _amount(v) if isinstance(v, Decimal) else v.isoformat() if isinstance(v, datetime) else v for v in values
    ]
    return hashlib.blake2b(orjson.dumps(canonical), digest_size=16).hexdigest()


def _amount(value: Decimal) -> str:
    """Two decimal places, and more only where they are not zero: stored versions date from when there were two."""
    text = f"{value:.6f}"
    return text[:-4] if text.endswith("0000") else text
