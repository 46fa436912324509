"""Quotes texts and names for SQL statements that cannot take parameters, such as ``attach`` and ``copy``.

DuckDB and SQLite read both alike. Knows no statement and no connection.
"""

from __future__ import annotations

from pathlib import Path


def literal(text: str | Path) -> str:
    """A text or path as a SQL string literal: ``o'brien`` becomes ``'o''brien'``."""
    return "'" + str(text).replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name of a column, table or schema in quotes: ``a"b`` becomes ``"a""b"``."""
    return '"' + name.replace('"', '""') + '"'
