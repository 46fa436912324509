"""A child process for the tests: reads what is published repeatedly until it is stopped, and reports what it read.

Usage: python reading.py READER PUBLISHED_DIRECTORY STOP_FILE, where READER is one of READERS; those over HTTP have the
server's address and token in SERVED_AT and SERVE_TOKEN. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb

COUNT = "select count(*) from {}"

Read = Callable[[Path], tuple[int, int]]
"""Reads the numbers of campaigns and users, which the tests keep equal: they differ where two snapshots were mixed."""


def feeds_of(published: Path) -> tuple[str, str]:
    """The feeds that the manifest names."""
    tables = json.loads((published / "manifest.json").read_text("utf-8"))["tables"]
    return str(published / tables["core.campaigns"]["feed"]), str(published / tables["core.users"]["feed"])


def from_duckdb(connection: duckdb.DuckDBPyConnection, campaigns: str, users: str) -> tuple[int, int]:
    [(first,)], [(second,)] = (connection.execute(COUNT.format(name)).fetchall() for name in (campaigns, users))
    return int(first), int(second)


def database(published: Path) -> tuple[int, int]:
    with duckdb.connect(str(published / "warehouse.duckdb"), read_only=True) as connection:
        return from_duckdb(connection, "core.campaigns", "core.users")


def duckdb_cold(published: Path) -> tuple[int, int]:
    with duckdb.connect() as connection:
        return from_duckdb(connection, *(f"'{path}'" for path in feeds_of(published)))


def duckdb_warm() -> Read:
    connection = duckdb.connect()
    return lambda published: from_duckdb(connection, *(f"'{path}'" for path in feeds_of(published)))


def from_pandas(published: Path) -> tuple[int, int]:
    import pandas as pd

    campaigns, users = (pd.read_parquet(path) for path in feeds_of(published))
    return len(campaigns), len(users)


def from_polars(published: Path) -> tuple[int, int]:
    import polars as pl

    campaigns, users = (pl.read_parquet(path) for path in feeds_of(published))
    return len(campaigns), len(users)


def from_pyarrow(published: Path) -> tuple[int, int]:
    import pyarrow.parquet as pq

    campaigns, users = (pq.read_table(path) for path in feeds_of(published))
    return campaigns.num_rows, users.num_rows


def served_by_snapshot() -> Read:
    """Both feeds of the snapshot that the server names first."""
    connection, url = _connect_served()

    def read(_: Path) -> tuple[int, int]:
        connection.execute(f"set variable feeds = (select '{url}' || feeds from read_json('{url}/'))")
        names = (f"read_parquet(getvariable('feeds') || '{name}.parquet')" for name in ("core.campaigns", "core.users"))
        return from_duckdb(connection, *names)

    return read


def served_by_name() -> Read:
    """One feed by the name that always means the published one; its users are numbered without a gap."""
    connection, url = _connect_served()

    def read(_: Path) -> tuple[int, int]:
        query = f"select count(*), max(user_id) from '{url}/feeds/core.users.parquet' where first_name is null"
        [(count, last)] = connection.execute(query).fetchall()
        return int(count), int(last)

    return read


def _connect_served() -> tuple[duckdb.DuckDBPyConnection, str]:
    from tests.httpfs import connect_httpfs

    url = os.environ["SERVED_AT"]
    return connect_httpfs(url, os.environ["SERVE_TOKEN"]), url


READERS: dict[str, Callable[[], Read]] = {
    "database": lambda: database,
    "duckdb cold": lambda: duckdb_cold,
    "duckdb warm": duckdb_warm,
    "duckdb over http, by snapshot": served_by_snapshot,
    "duckdb over http, by name": served_by_name,
    "pyarrow": lambda: from_pyarrow,
    "pandas": lambda: from_pandas,
    "polars": lambda: from_polars,
}


def main() -> None:
    read, published, stop = READERS[sys.argv[1]](), Path(sys.argv[2]), Path(sys.argv[3])
    reads, errors, torn, seen = 0, [], 0, set()
    while True:
        is_last = stop.exists()
        try:
            first, second = read(published)
            reads += 1
            torn += first != second
            seen.add(second)
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}")
        if reads + len(errors) == 1:
            print("reading", flush=True)  # noqa: T201
        if is_last:
            break
    print(json.dumps({"reads": reads, "errors": errors[:3], "torn": torn, "seen": len(seen)}))  # noqa: T201


if __name__ == "__main__":
    main()
