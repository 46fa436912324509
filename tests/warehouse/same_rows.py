"""Whether two tables have the same rows, each as often."""

from __future__ import annotations

from typing import Any

import duckdb


def difference(connection: duckdb.DuckDBPyConnection, one: str, other: str) -> tuple[Any, ...]:
    """How many rows of ``one`` are not in ``other``, and how many rows each has.

    The rows are the same where the first number is 0 and the others are equal.
    """
    [counts] = connection.execute(
        f"select (select count(*) from (from {one} except all from {other})), "
        f"(select count(*) from {one}), (select count(*) from {other})"
    ).fetchall()
    return tuple(counts)
