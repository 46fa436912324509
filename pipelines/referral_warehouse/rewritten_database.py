"""Copies a DuckDB file into a new one with other rows in some tables, so that no free block keeps an old value.

Knows tables and rows in Arrow; knows neither what they mean nor when the new file takes the place of the old one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from referral_warehouse.sql_quoting import literal

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

ROWS_AT_ONCE = 50_000


@contextmanager
def empty_copy(old: Path, new: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with a file attached as ``old`` (read-only), and a new one as ``new`` with its tables, empty.

    Nothing is spilled to disk. Raises: duckdb.Error.
    """
    import duckdb

    with duckdb.connect(":memory:", config={"threads": 1, "memory_limit": "1GB"}) as connection:
        connection.execute("set temp_directory = ''; set timezone = 'UTC'")
        connection.execute(f"attach {literal(old)} as old (read_only)")
        connection.execute(f"attach {literal(new)} as new")
        connection.execute("copy from database old to new (schema)")
        yield connection


def copy_rows(connection: duckdb.DuckDBPyConnection, place: str) -> None:
    """Copy all rows of a table as they are; ``place`` is its quoted schema and name."""
    connection.execute(f"insert into new.{place} from old.{place}")


def copy_changed_rows(
    connection: duckdb.DuckDBPyConnection, place: str, change: Callable[[pa.Table], pa.Table]
) -> None:
    """Copy the rows of a table as ``change`` makes them; it gets some at a time."""
    import pyarrow as pa

    reading = connection.cursor()
    reading.execute("set timezone = 'UTC'")
    for batch in reading.execute(f"from old.{place}").to_arrow_reader(ROWS_AT_ONCE):
        connection.register("changed_rows", change(pa.Table.from_batches([batch])))
        connection.execute(f"insert into new.{place} by name from changed_rows")
        connection.unregister("changed_rows")
