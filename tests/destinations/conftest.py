"""A database of PostgreSQL that is empty for each test here, and snapshots of five tables to deliver."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from referral_warehouse.settings import Settings
from referral_warehouse.settings.destinations import DestinationValues
from referral_warehouse.workspace.current_snapshot import folder_name
from tests.destinations.databases import NAME, datasets, deliver, execute, values_of
from tests.destinations.versions import TABLE, Loaded
from tests.dlt_source.postgres_server import PostgresServer
from tests.lake.lakes import altered
from tests.lake.three_publications import EMPTY
from tests.operate.deliveries import switch_to

ONCE = "delivered_once"
KEPT = {"core.users", "core.campaigns", "core.coupons", "core.rewards", "ops.runs"}


@pytest.fixture(scope="package")
def five_tables(publications: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Two snapshots: the second has one user more."""
    folder = tmp_path_factory.mktemp("five") / "data"
    shutil.copytree(publications.warehouse_dir, folder, symlinks=True, ignore=shutil.ignore_patterns("load.duckdb"))
    settings = replace(publications, warehouse_dir=folder)
    database = settings.snapshots_dir / folder_name(1) / "warehouse.duckdb"
    with duckdb.connect(str(database), read_only=True) as connection:
        tables = connection.execute("select schema_name || '.' || table_name from duckdb_tables()").fetchall()
    dropped = [f"drop table {name}" for (name,) in tables if name not in KEPT]
    emptied = [f"delete from {name}" for name in EMPTY if name in KEPT]
    altered(settings, 1, 9, *dropped, *emptied)
    for number in (1, 2, 3):
        shutil.rmtree(settings.snapshots_dir / folder_name(number))
    altered(settings, 9, 1)
    altered(settings, 9, 2, "insert into core.users by name select * replace (2 as user_id) from core.users")
    shutil.rmtree(settings.snapshots_dir / folder_name(9))
    return switch_to(settings, 1)


@pytest.fixture
def settings(five_tables: Settings, tmp_path: Path) -> Settings:
    """A warehouse with the snapshots 1 and 2, of which the first is the published one."""
    shutil.copytree(
        five_tables.warehouse_dir, tmp_path / "data", symlinks=True, ignore=shutil.ignore_patterns("snapshots"),
    )  # fmt: skip
    # nobody changes the files of a snapshot
    shutil.copytree(five_tables.snapshots_dir, tmp_path / "data" / "snapshots", copy_function=os.link)
    return replace(five_tables, warehouse_dir=tmp_path / "data")


@pytest.fixture
def address(postgres: PostgresServer) -> str:
    """The address of a database that is empty."""
    for dataset in datasets(postgres.url) - {ONCE}:
        execute(postgres.url, f"drop schema {dataset} cascade")
    return postgres.url


@pytest.fixture(scope="package")
def once(five_tables: Settings, postgres: PostgresServer) -> Settings:
    """The settings of a delivery of the first snapshot that tests only read, in a dataset of its own."""
    settings = replace(five_tables, dataset_name=ONCE)
    delivery = deliver(settings, values_of(environ_of(postgres.url)))
    assert (delivery.snapshot, delivery.sent, delivery.tables, delivery.is_new) == (1, 5, 5, True)
    return settings


@pytest.fixture
def values(address: str) -> DestinationValues:
    """A destination in that database."""
    return values_of(environ_of(address))


@pytest.fixture
def small_tables_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of a few rows are sent in part, too."""
    from referral_warehouse.destinations import steps

    monkeypatch.setattr(steps, "LEAST_ROWS", 0)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Loaded:
    """For each time that rows were loaded: how many rows ``versions.TABLE`` has in the dataset for new rows."""
    from referral_warehouse.destinations.steps import Steps

    found: Loaded = []
    original = Steps.refuse_incomplete

    def counted(self: Steps, client: Any) -> None:
        original(self, client)
        sql = client.sql_client
        there = [name for name, columns in client.get_storage_tables([TABLE, f"{TABLE}_removed"]) if columns]
        found.append({
            name: sql.execute_sql(f"select count(*) from {sql.make_qualified_table_name(name)}")[0][0] for name in there
        })  # fmt: skip

    monkeypatch.setattr(Steps, "refuse_incomplete", counted)
    return found


def environ_of(address: str) -> dict[str, str]:
    return {f"DESTINATION__{NAME}__CREDENTIALS": address, f"DESTINATION__{NAME}__DESTINATION_TYPE": "postgres"}
