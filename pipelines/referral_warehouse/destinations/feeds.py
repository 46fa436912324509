"""Makes dlt resources of published feeds, with the types, keys and comments of the feed.

Knows Parquet files; of destinations it knows only which of dlt's file formats PostgreSQL reads without changing a text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from referral_warehouse.load.storage.dlt_configuration import dlt  # first: dlt must not be imported before it

# isort: split
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

COPY: Final = "csv"
INSERT: Final = "insert_values"
"""How rows are sent to PostgreSQL: ``COPY`` is five times faster, but turns an empty text into null."""


@dataclass(frozen=True, slots=True)
class FeedTable:
    """A table to deliver.

    Attributes:
        name: the name at the destination.
        path: the feed.
        key: the columns of its key.
        comment: the comment of the table.
        comments: comments by column.
    """

    name: str
    path: Path
    key: tuple[str, ...]
    comment: str | None
    comments: dict[str, str]

    @property
    def columns(self) -> dict[str, Any]:
        """dlt's hints by column: keys have a value in each row; lists become JSON."""
        found: dict[str, dict[str, Any]] = {name: {"description": text} for name, text in self.comments.items()}
        for name in self.key:
            found.setdefault(name, {}).update(nullable=False, primary_key=True)
        for field in pq.read_schema(self.path):
            if pa.types.is_list(field.type):
                found.setdefault(field.name, {})["data_type"] = "json"
        return found


def feed_table(name: str, path: Path, key: Sequence[str]) -> FeedTable:
    """The table of a feed; its comments are in the metadata of the file. Raises: OSError, pyarrow's errors."""
    schema = pq.read_schema(path)
    comments = {field.name: text for field in schema if (text := _text(field.metadata, b"comment")) is not None}
    return FeedTable(name, path, tuple(key), _text(schema.metadata, b"comment"), comments)


def feed_resource(table: FeedTable, *, into_postgres: bool) -> Any:
    """A dlt resource with all rows of a feed, in batches.

    Args:
        table: the feed.
        into_postgres: choose between ``COPY`` and ``INSERT`` by the feed's texts, instead of dlt's preferred format.
    """
    file_format: Literal["csv", "insert_values", "preferred"] = "preferred"
    if into_postgres:
        file_format = COPY if is_copied_exactly(table.path) else INSERT
    return dlt.resource(
        _batches(table.path), name=table.name, write_disposition="append", columns=table.columns,
        file_format=file_format,
    )  # fmt: skip


def rows_resource(name: str, rows: pa.Table, comments: dict[str, str], *, into_postgres: bool) -> Any:
    """A dlt resource with a few rows; ``comments`` by column."""
    return dlt.resource(
        [rows], name=name, write_disposition="append",
        columns={column: {"description": text} for column, text in comments.items()},
        file_format=INSERT if into_postgres else "preferred",
    )  # fmt: skip


def is_copied_exactly(path: Path) -> bool:
    r"""Whether COPY from CSV leaves every text of a feed unchanged: none is empty or contains ``\.`` (end of data)."""
    with pq.ParquetFile(path) as feed:
        texts = [field.name for field in feed.schema_arrow if pa.types.is_string(field.type)]
        for batch in feed.iter_batches(columns=texts):
            for column in batch.columns:
                wrong = pc.or_kleene(pc.equal(column, ""), pc.match_substring(column, "\\."))
                if pc.any(wrong).as_py():
                    return False
    return True


def _batches(path: Path) -> Iterator[pa.Table]:
    with pq.ParquetFile(path) as feed:
        if feed.metadata.num_rows == 0:
            yield _loadable(feed.schema_arrow.empty_table())
        for batch in feed.iter_batches():
            yield _loadable(pa.Table.from_batches([batch]))


def _loadable(rows: pa.Table) -> pa.Table:
    """Rows whose lists are JSON text, which is how every destination takes them."""
    for index, field in enumerate(rows.schema):
        if pa.types.is_list(field.type):
            texts = [None if value is None else json.dumps(value) for value in rows.column(index).to_pylist()]
            rows = rows.set_column(index, pa.field(field.name, pa.string()), pa.array(texts, pa.string()))
    return rows


def _text(metadata: dict[bytes, bytes] | None, key: bytes) -> str | None:
    found = (metadata or {}).get(key)
    return None if found is None else found.decode()
