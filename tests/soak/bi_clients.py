"""Runs inside an environment with clients: reads one amount and one time of the published file and of a feed with each.

Usage: python bi_clients.py DATABASE FEED. Prints a JSON object: client → [amount, time], as texts.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

QUERY = "select due_value, first_seen_at from core.rewards_due"
COLUMNS = ["due_value", "first_seen_at"]


def main() -> None:
    database, feed = sys.argv[1:]
    clients: dict[str, Callable[[str, str], list[object]]] = {
        "duckdb-engine": _sqlalchemy, "pandas": _pandas, "pandas feed": _pandas_feed, "polars": _polars,
        "polars feed": _polars_feed, "ibis": _ibis,
    }  # fmt: skip
    sys.stdout.write(json.dumps({name: [str(v) for v in run(database, feed)] for name, run in clients.items()}) + "\n")


def _sqlalchemy(database: str, _feed: str) -> list[object]:
    import sqlalchemy as sa

    engine = sa.create_engine(f"duckdb:///{database}", connect_args={"read_only": True})
    table = sa.Table("rewards_due", sa.MetaData(), schema="core", autoload_with=engine)
    assert table.c.due_value.comment
    with engine.connect() as connection:
        [row] = connection.execute(sa.select(table.c.due_value, table.c.first_seen_at)).all()
    engine.dispose()
    return [*row]


def _pandas(database: str, _feed: str) -> list[object]:
    import duckdb
    import pandas as pd

    with duckdb.connect(database, read_only=True) as connection:
        arrow = connection.sql(QUERY).to_arrow_table()
    return [*arrow.to_pandas(types_mapper=pd.ArrowDtype).iloc[0]]


def _pandas_feed(_database: str, feed: str) -> list[object]:
    import pandas as pd

    return [*pd.read_parquet(feed, columns=COLUMNS, dtype_backend="pyarrow").iloc[0]]


def _polars(database: str, _feed: str) -> list[object]:
    import duckdb

    with duckdb.connect(database, read_only=True) as connection:
        return [*connection.sql(QUERY).pl().row(0)]


def _polars_feed(_database: str, feed: str) -> list[object]:
    import polars as pl

    return [*pl.scan_parquet(feed).select(COLUMNS).collect().row(0)]


def _ibis(database: str, _feed: str) -> list[object]:
    import ibis

    connection = ibis.duckdb.connect(database, read_only=True)
    found = connection.table("rewards_due", database="core").select(COLUMNS).to_pyarrow().to_pylist()[0]
    connection.disconnect()
    return [*found.values()]


main()
