"""Whether two tables have the same rows, each as often."""

from __future__ import annotations

from typing import Any

import duckdb


def difference(connection: duckdb.DuckDBPyConnection, one: str, other: str) -> tuple[Any, ...]:
    """How many rows of the one the other lacks, and the rows of each: where none is lacking and both are as many, none
    is left over in the other.
    """
    [counts] = connection.execute(
        f"select (select count(*) from (from {one} except all from {other})), "
        f"(select count(*) from {one}), (select count(*) from {other})"
    ).fetchall()
    return tuple(counts)
