"""Finds the rows of a feed that differ from those of an earlier feed of the same table, and proves that they suffice.

A destination that has the rows of the earlier feed needs only these, and the keys of the rows that are gone. Knows
feeds, and compares them with DuckDB in memory; knows no destination.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from referral_warehouse.destinations.feeds import FeedTable
from referral_warehouse.sql_quoting import WILDCARDS, identifier, literal, parquet_rows
from referral_warehouse.warehouse.connection import connect_scratch
from referral_warehouse.warehouse.published_snapshot import published_snapshot
from referral_warehouse.workspace.durable_files import file_sha256

if TYPE_CHECKING:
    import duckdb

    from referral_warehouse.destinations.control import DestinationState
    from referral_warehouse.settings import Settings

LEAST_ROWS = 5_000
"""A table of fewer rows is sent as a whole: that takes no longer than the comparison."""
REMOVED = "_removed"
"""The suffix of the table that has the keys of removed rows, in the dataset for new rows."""


@dataclass(frozen=True, slots=True)
class ChangedRows:
    """What is sent of a table whose other rows are at the destination.

    Attributes:
        table: the table, whose file has only the rows that are new or have changed.
        rows: how many these are.
        removed: the keys that are gone, as a table of their own; None where none is.
        removed_rows: how many these are.
        total: the rows of the whole table afterwards.
    """

    table: FeedTable
    rows: int
    removed: FeedTable | None
    removed_rows: int
    total: int

    @property
    def files(self) -> list[FeedTable]:
        """What is loaded, each into a table of its own."""
        return [self.table] if self.removed is None else [self.table, self.removed]


def feed_at_destination(settings: Settings, name: str, state: DestinationState) -> Path | None:
    """The feed with the rows that a table at a destination has.

    A table that has not changed for long is also in snapshots after the one that it was sent with, which may be gone.

    Args: ``name`` is the table's name there, and ``state`` what the control tables say.
    Returns: None where the directory does not have that feed any more, or not as it was sent.
    """
    there = state.tables[name]
    for number in dict.fromkeys((there.snapshot, state.snapshot)):
        snapshot = published_snapshot(settings, number)
        for known, table in {} if snapshot is None else snapshot.manifest["tables"].items():
            if known.replace(".", "_") == name and table["checksum"] == there.checksum:
                path: Path = settings.published_dir / table["feed"]
                if path.is_file() and f"sha256:{file_sha256(path)}" == there.checksum:
                    return path
    return None


@contextmanager
def comparison(settings: Settings, folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection for ``changed_rows`` with the memory limit of a build, which spills into a folder."""
    with connect_scratch(settings) as connection:
        connection.execute(f"set temp_directory = {literal(folder / 'tmp')}")
        yield connection


def changed_rows(
    connection: duckdb.DuckDBPyConnection, table: FeedTable, total: int, before: Path, folder: Path
) -> ChangedRows | None:
    """Compare a feed with an earlier one, and write the rows to send into files.

    Args:
        connection: that of ``comparison``.
        table: the table with its new feed.
        total: the rows of that feed.
        before: the earlier feed; the destination has its rows.
        folder: for the files.

    Returns: None where the whole table must be sent, or is cheaper: columns differ, most rows changed, or the earlier
        rows with these changes would not be those of the feed, for example where a key is not unique.
    Raises: OSError; DuckDB's and pyarrow's errors.
    """
    schema = pq.read_schema(table.path)
    if not _is_comparable(table.key, schema) or not schema.equals(pq.read_schema(before)):
        return None
    if any(WILDCARDS & set(str(path)) for path in (before, table.path, folder)):
        return None
    files = {"feed_before": before, "feed_after": table.path}
    for name, path in files.items():
        connection.execute(f"create or replace temp view {name} as from {parquet_rows(literal(path))}")
    most = (total + 1) // 2
    changed = _save(
        connection, "changed", _unmatched(schema.names, "feed_after", "feed_before", _all_equal(schema.names)), most
    )
    keys = ", ".join(map(identifier, table.key))
    removed = _save(connection, "removed", _unmatched(table.key, "feed_before", "feed_after", _equal(table.key)), most)
    if changed + removed >= most:
        return None
    rows_path, removed_path = folder / f"{table.name}.parquet", folder / f"{table.name}{REMOVED}.parquet"
    _write(connection, "from changed", schema, rows_path)
    _write(
        connection, f"select {keys} from removed", pa.schema([schema.field(name) for name in table.key]), removed_path
    )
    for name, path in (("changed", rows_path), ("removed", removed_path)):
        connection.execute(f"drop table {name}")
        connection.execute(f"create or replace temp view sent_{name} as from {parquet_rows(literal(path))}")
    if not _is_sufficient(connection, table.key, schema.names, total):
        return None
    gone = FeedTable(f"{table.name}{REMOVED}", removed_path, (), None, {}) if removed else None
    return ChangedRows(replace(table, path=rows_path), changed, gone, removed, total)


def _is_comparable(key: Collection[str], schema: pa.Schema) -> bool:
    """Whether a table has a key whose values every destination compares alike."""
    return bool(key) and all(
        name in schema.names
        and not pa.types.is_nested(schema.field(name).type)
        and not pa.types.is_floating(schema.field(name).type)
        for name in key
    )


def _save(connection: duckdb.DuckDBPyConnection, name: str, query: str, most: int) -> int:
    """Keep the rows of a query, not more than are of use. Returns: how many there are."""
    connection.execute(f"create or replace temp table {name} as {query} limit {most}")
    row = connection.execute(f"select count(*) from {name}").fetchone()
    return int(row[0]) if row else 0


def _unmatched(columns: Collection[str], source: str, other: str, condition: str) -> str:
    """The query of the rows of a table that have no equal row in another one."""
    chosen = ", ".join(map(identifier, columns))
    return f"select {chosen} from {source} as this where not exists (select 1 from {other} as that where {condition})"


def _equal(key: Collection[str]) -> str:
    """As destinations compare keys when they delete rows: null is equal to nothing."""
    return " and ".join(f"this.{identifier(name)} = that.{identifier(name)}" for name in key)


def _all_equal(columns: Collection[str]) -> str:
    """The values of all columns are the same ones."""
    return " and ".join(f"this.{identifier(name)} is not distinct from that.{identifier(name)}" for name in columns)


def _write(connection: duckdb.DuckDBPyConnection, query: str, schema: pa.Schema, path: Path) -> None:
    """Write the rows of a query with the types and comments of a feed; readable by the owner alone."""
    with pq.ParquetWriter(path, schema) as writer:
        path.chmod(0o600)
        for batch in connection.execute(query).to_arrow_reader():
            writer.write_table(pa.Table.from_batches([batch]).cast(schema))


def _is_sufficient(
    connection: duckdb.DuckDBPyConnection, key: Collection[str], names: Collection[str], total: int
) -> bool:
    """Do with the earlier rows what a destination will do, and compare the result with the feed."""
    columns = ", ".join(map(identifier, names))
    kept = " and ".join(
        f"not exists (select 1 from {sent} as that where {_equal(key)})" for sent in ("sent_changed", "sent_removed")
    )
    result = (
        f"(select {columns} from feed_before as this where {kept} union all by name select {columns} from sent_changed)"
    )
    found, wanted = (
        connection.execute(f"select count(*), sum(hash({columns})) from {source}").fetchone()
        for source in (result, "feed_after")
    )
    return wanted is not None and found == wanted and wanted[0] == total
