"""Quotes texts and names for SQL statements that cannot take parameters, such as ``attach`` and ``copy``.

DuckDB and SQLite read both alike. Also names a Parquet file for DuckDB. Knows no statement and no connection.
"""

from __future__ import annotations

from pathlib import Path

WILDCARDS = frozenset("*?[")
"""In a path with one of these DuckDB searches for matching files, and not every name can be escaped."""


def literal(text: str | Path) -> str:
    """A text or path as a SQL string literal: ``o'brien`` becomes ``'o''brien'``."""
    return "'" + str(text).replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name of a column, table or schema in quotes: ``a"b`` becomes ``"a""b"``."""
    return '"' + name.replace('"', '""') + '"'


def parquet_rows(path: str) -> str:
    """The rows of one Parquet file for DuckDB, which infers nothing from the names of its folders.

    Args: ``path`` is a literal, or the mark of a parameter. A path with ``WILDCARDS`` may be read as several files.
    """
    return f"read_parquet({path}, hive_partitioning = false, union_by_name = false, filename = false)"
