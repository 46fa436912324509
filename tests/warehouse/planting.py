"""Plants a load file: rows of raw tables as plain dictionaries, with short forms for what every history needs.

Knows the load file only by the schemas of its tables. ``seen: [from, to]`` stands for dlt's two validity columns;
``syncs`` for runs that saw every stream; ``partial_syncs`` for runs that saw the streams named.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from referral_warehouse.settings import Settings
from tests.schema_files import load_file_sql

STREAMS = ("campaigns", "users", "rewards", "rewards_due", "rewards_issued", "coupons")
Rows = Sequence[Mapping[str, Any]]

ROWS_AT_ONCE = 100
"""One statement for each row would take most of the time of planting."""


def plant(
    folder: Path,
    tables: Mapping[str, Rows] | None = None,
    syncs: Iterable[Any] = (),
    partial_syncs: Rows = (),
) -> Settings:
    """Write ``folder/load.duckdb`` and return settings whose warehouse directory is ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(warehouse_dir=folder)
    settings.load_path.write_bytes(_without_rows())
    with duckdb.connect(str(settings.load_path)) as connection:
        fill(connection, tables, syncs, partial_syncs)
    return settings


def fill(
    connection: duckdb.DuckDBPyConnection,
    tables: Mapping[str, Rows] | None = None,
    syncs: Iterable[Any] = (),
    partial_syncs: Rows = (),
) -> None:
    """Insert rows and runs into raw tables that are empty."""
    connection.execute("set timezone = 'UTC'")
    connection.execute("begin")
    for table, rows in (tables or {}).items():
        insert(connection, table, rows)
    whole = [{"at": moment, "streams": STREAMS} for moment in syncs]
    for number, run in enumerate([*whole, *partial_syncs], start=1):
        add_run(connection, f"r{number}", run["at"], run["streams"])
    connection.execute("commit")


@cache
def _without_rows() -> bytes:
    """A load file that has all raw tables and no rows."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "load.duckdb"
        with duckdb.connect(str(path)) as connection:
            connection.execute("set timezone = 'UTC'")
            connection.execute(load_file_sql())
        return path.read_bytes()


def insert(connection: duckdb.DuckDBPyConnection, table: str, rows: Rows) -> None:
    """Insert rows into a raw table; columns left out are null."""
    flat = [_columns(row) for row in rows]
    names = list(dict.fromkeys(name for row in flat for name in row))
    columns, marks = ", ".join(f'"{name}"' for name in names), ", ".join("?" for _ in names)
    for start in range(0, len(flat), ROWS_AT_ONCE):
        some = flat[start : start + ROWS_AT_ONCE]
        values = [row.get(name) for row in some for name in names]
        connection.execute(
            f"insert into raw.{table} ({columns}) values {', '.join([f'({marks})'] * len(some))}", values
        )


def _columns(row: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(row)
    if "seen" in values:
        values["_dlt_valid_from"], values["_dlt_valid_to"] = (_zoned(moment) for moment in values.pop("seen"))
    return values


def add_run(connection: duckdb.DuckDBPyConnection, run_id: str, moment: Any, streams: Iterable[str]) -> None:
    """A finished run that observed the streams at one time, all of them completely."""
    insert(connection, "runs", [{"run_id": run_id, "command": "sync", "observed_at": moment, "status": "done"}])
    seen = [{"run_id": run_id, "stream": s, "observed_at": moment, "is_complete": True} for s in streams]
    insert(connection, "run_streams", seen)


def _zoned(moment: Any) -> str | None:
    return None if moment is None else f"{moment}+00:00"
