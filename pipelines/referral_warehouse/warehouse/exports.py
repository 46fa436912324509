"""Feeds: every published table as one Parquet file.

Times are written as instants in UTC, and each column has its comment, so that a feed has its own documentation. Knows a
DuckDB file that is complete; knows nothing of how it was built or which snapshot is current.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from referral_warehouse.sql_quoting import identifier, literal
from referral_warehouse.workspace.durable_files import file_sha256

if TYPE_CHECKING:
    import duckdb

ARROW_SCHEMA = "ARROW:schema"
"""Key of Parquet's metadata under which Arrow keeps a file's schema, with the metadata of each field."""

Columns = list[tuple[str, str, str | None]]
"""Name, type and comment of each column."""


@dataclass(frozen=True, slots=True)
class Feed:
    """One Parquet file: its table, rows and the SHA-256 of its bytes."""

    table: str
    rows: int
    sha256: str

    @property
    def file_name(self) -> str:
        return f"{self.table}.parquet"


def described_columns(
    connection: duckdb.DuckDBPyConnection, catalog: str
) -> tuple[dict[str, Columns], dict[str, str | None]]:
    """The columns of each table of a catalog in their order, and the comment of each table, by schema and name."""
    found: dict[str, Columns] = {}
    for name, *column in connection.execute(
        "select schema_name || '.' || table_name, column_name, data_type, comment from duckdb_columns() "
        f"where database_name = {literal(catalog)} order by schema_name, table_name, column_index"
    ).fetchall():
        found.setdefault(name, []).append((column[0], column[1], column[2]))
    comments = connection.execute(
        "select schema_name || '.' || table_name, comment from duckdb_tables() "
        f"where database_name = {literal(catalog)}"
    ).fetchall()
    return found, dict(comments)


def write_feeds(
    connection: duckdb.DuckDBPyConnection,
    catalog: str,
    folder: Path,
    hidden: Mapping[str, Collection[str]] = MappingProxyType({}),
    *,
    only: Collection[str] | None = None,
) -> list[Feed]:
    """Write one file per table of a catalog into an empty folder; readable by the owner alone.

    ``hidden`` has, for each table, the columns that get no values, as ``warehouse.personal`` chooses them; ``only``
    has the tables, without it all are written. The connection's time zone becomes UTC, which is then the zone of the
    instants.
    """
    from referral_warehouse.warehouse.models import PUBLISHED_LAYERS

    connection.execute("set timezone = 'UTC'")
    columns, comments = described_columns(connection, catalog)
    return [
        _write_feed(
            connection,
            f"{catalog}.{name}",
            folder / f"{name}.parquet",
            comments.get(name),
            [
                (_exported(column, kind, is_hidden=column in hidden.get(name, ())), column, text)
                for column, kind, text in found
            ],
        )
        for name, found in columns.items()
        if name.partition(".")[0] in PUBLISHED_LAYERS and (only is None or name in only)
    ]


def _write_feed(
    connection: duckdb.DuckDBPyConnection, source: str, path: Path, comment: str | None,
    columns: list[tuple[str, str, str | None]],
) -> Feed:  # fmt: skip
    """Write a feed; ``columns`` has an expression, the name and the comment of each."""
    query = f"select {', '.join(expression for expression, *_ in columns)} from {source}"
    metadata = _metadata(connection, query, comment, {column: text for _, column, text in columns if text})
    row = connection.execute(
        f"copy ({query}) to {literal(path)} (format parquet, kv_metadata {{{metadata}}})"
    ).fetchone()
    path.chmod(0o600)
    return Feed(path.stem, int(row[0]) if row else 0, file_sha256(path))


def _exported(column: str, kind: str, *, is_hidden: bool) -> str:
    """A column as it is exported.

    A time in UTC without a zone becomes an instant, which no reader can take for local time ("adjusted to UTC" in the
    logical types of the Parquet format). JSON becomes text, which some readers otherwise take for bytes.
    """
    name = identifier(column)
    if is_hidden:
        return f"cast(null as {'varchar' if kind == 'JSON' else kind}) as {name}"
    if kind == "TIMESTAMP":
        return f"{name} at time zone 'UTC' as {name}"
    return f"cast({name} as varchar) as {name}" if kind == "JSON" else name


def _metadata(
    connection: duckdb.DuckDBPyConnection, query: str, table_comment: str | None, comments: dict[str, str]
) -> str:
    """The file's metadata, as the entries of a struct in SQL: the table's comment, and those of its columns.

    Those of columns are ``comment`` in the metadata of the fields of Arrow's schema, where pyarrow and what is built
    upon it find them.
    """
    import pyarrow as pa

    schema = connection.execute(f"{query} limit 0").to_arrow_reader().schema
    table = {"comment": table_comment} if table_comment else {}
    fields = [
        field.with_metadata({**(field.metadata or {}), "comment": comments[field.name]})
        if field.name in comments
        else field
        for field in schema
    ]
    described = pa.schema(fields, metadata=table)
    encoded = base64.b64encode(described.serialize().to_pybytes()).decode("ascii")
    return ", ".join(f"{literal(key)}: {literal(text)}" for key, text in {**table, ARROW_SCHEMA: encoded}.items())
