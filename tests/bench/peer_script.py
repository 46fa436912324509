"""A peer: the script that one writes by hand for speed: httpx, pages fetched ahead, Arrow tables, upserts into DuckDB.

No retries, no rate limit, no history, no comparison of counts. ``python -m tests.bench.peer_script URL FILE`` prints
the rows per list as JSON.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import httpx
import orjson
import pyarrow as pa

from tests.bench.floor import COLUMNS

IN_FLIGHT = 8
PAGES_A_BATCH = 40
READ_AS = {"bigint": pa.int64(), "boolean": pa.bool_()}


def page_of(client: httpx.Client, path: str, page: int) -> dict[str, Any]:
    """One page of a list, decoded."""
    params: dict[str, str | int] = {"order[field]": "id", "per_page": 250, "page": page}
    if path == "users":
        params["with[]"] = "coupon"
    found: dict[str, Any] = orjson.loads(client.get(path, params=params).raise_for_status().content)
    return found


def pages_of(client: httpx.Client, pool: ThreadPoolExecutor, path: str) -> Iterator[list[dict[str, Any]]]:
    """The rows of each page, in order."""
    first = page_of(client, path, 1)
    yield first["data"]
    last_page = first["meta"]["last_page"]
    for begin in range(2, last_page + 1, PAGES_A_BATCH):
        numbers = range(begin, min(begin + PAGES_A_BATCH, last_page + 1))
        for found in pool.map(partial(page_of, client, path), numbers):
            yield found["data"]


def arrow_table(rows: list[dict[str, Any]], columns: dict[str, str]) -> pa.Table:
    """Rows as Arrow: texts for what DuckDB is to cast."""

    def column(name: str, kind: str) -> pa.Array:
        values = [row.get(name) for row in rows]
        if kind in READ_AS:
            return pa.array(values, READ_AS[kind])
        if kind == "json":
            return pa.array([None if value is None else orjson.dumps(value).decode() for value in values], pa.string())
        return pa.array([None if value is None else str(value) for value in values], pa.string())

    return pa.table({name: column(name, kind) for name, kind in columns.items()})


def run(base_url: str, file: Path) -> dict[str, int]:
    """Upsert every list into its table; rows per list."""
    counts = {}
    headers = {"Authorization": "Bearer bench"}
    with (
        httpx.Client(base_url=base_url, headers=headers, trust_env=False, timeout=60) as client,
        ThreadPoolExecutor(IN_FLIGHT) as pool, duckdb.connect(file, config={"threads": 2}) as database,
    ):  # fmt: skip
        for path, declared in COLUMNS.items():
            table = path.replace("/", "_")
            columns = dict(re.findall(r"(\w+) (\w+(?:\(.+?\))?)", declared))
            database.execute(f"create table {table} ({declared}, primary key (id))")
            pages = pages_of(client, pool, path)
            while batch := list(islice(pages, PAGES_A_BATCH)):
                database.register("arrived", arrow_table([row for page in batch for row in page], columns))
                casts = ", ".join(f"{name}::{kind}" for name, kind in columns.items())
                database.execute(f"insert or replace into {table} select {casts} from arrived")
            counts[path] = database.execute(f"select count(*) from {table}").fetchall()[0][0]
    return counts


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(sys.argv[1], Path(sys.argv[2]))) + "\n")
