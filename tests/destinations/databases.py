"""Databases that tables were delivered to: what they hold, compared with the feeds that it comes from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq

from referral_warehouse.settings import Settings
from referral_warehouse.settings.destinations import DestinationValues, load_destination
from referral_warehouse.warehouse.manifest import read_manifest
from referral_warehouse.workspace.current_snapshot import folder_name
from tests.operate.deliveries import switch_to

PROJECT = Path(__file__).parents[2]
NAME = "ANALYTICS"
NOWHERE = Path("/nowhere")
Row = tuple[Any, ...]
CONNECTIONS: dict[str, Any] = {}


def values_of(environ: Mapping[str, str], name: str = NAME.lower()) -> DestinationValues:
    """The values of a destination in an environment of its own."""
    return load_destination(name, environ, NOWHERE, NOWHERE)


def deliver(settings: Settings, values: DestinationValues, number: int | None = None, **options: Any) -> Any:
    """Deliver the published snapshot, or another one that becomes it first."""
    from referral_warehouse.destinations.delivery import deliver_tables

    return deliver_tables(settings if number is None else switch_to(settings, number), values, **options)


def query(address: str, text: str) -> list[Row]:
    """The rows of a query in PostgreSQL; times are in UTC."""
    with _connection(address).cursor() as cursor:
        cursor.execute(text)
        return cursor.fetchall()


def execute(address: str, text: str) -> None:
    with _connection(address).cursor() as cursor:
        cursor.execute(text)


def _connection(address: str) -> Any:
    """The connection of this process, which it keeps: a new one costs more than most queries."""
    found = CONNECTIONS.get(address)
    try:
        if found is not None:
            found.cursor().execute("select 1")
    except psycopg2.Error:  # the server was stopped meanwhile
        found = None
    if found is None:
        found = CONNECTIONS[address] = psycopg2.connect(address, options="-c timezone=UTC")
        found.autocommit = True
    return found


def feeds_of(settings: Settings, number: int) -> dict[str, pa.Table]:
    """The feeds of a snapshot by the names that their tables have at a destination."""
    manifest = read_manifest(settings.snapshots_dir / folder_name(number) / "manifest.json")
    assert manifest is not None
    return {
        name.replace(".", "_"): pq.read_table(settings.published_dir / table["feed"])
        for name, table in manifest["tables"].items()
    }


def differences(address: str, settings: Settings, number: int, dataset: str = "referrals") -> list[str]:
    """In which tables a database differs from the feeds of a snapshot; nothing where all rows are the same."""
    feeds = feeds_of(settings, number)
    assert len(feeds) >= 5
    found = []
    for name, feed in feeds.items():
        columns = ", ".join(f'"{column}"' for column in feed.column_names)
        if digest(query(address, f'select {columns} from {dataset}."{name}"')) != digest(rows_of(feed)):
            found.append(name)
    there = {row[0] for row in query(address, tables_in(dataset))} - {"ops_published", "ops_published_tables"}
    return found + sorted(there ^ set(feeds))


def rows_of(table: pa.Table) -> list[Row]:
    """The rows of a feed, with lists as JSON has them."""
    return list(zip(*(table.column(index).to_pylist() for index in range(table.num_columns)), strict=True))


def digest(rows: Iterable[Row]) -> str:
    """A checksum of rows in any order, of their exact values and types."""
    texts = sorted(json.dumps(row, default=lambda value: f"{type(value).__name__} {_exact(value)}") for row in rows)
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def tables_in(dataset: str) -> str:
    return f"select table_name from information_schema.tables where table_schema = '{dataset}'"


def datasets(address: str) -> set[str]:
    """The schemas of a database that are not PostgreSQL's own."""
    rows = query(
        address, "select nspname from pg_namespace where nspname !~ '^pg_' and nspname != 'information_schema'"
    )
    return {row[0] for row in rows} - {"public"}


def _exact(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
