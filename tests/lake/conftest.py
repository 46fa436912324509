"""Three small publications, lakes for them, and a server of PostgreSQL; all is skipped without the extra ``lake``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import duckdb
import pytest

from referral_warehouse.cli.publication import publish_draft
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import build
from referral_warehouse.workspace.current_snapshot import folder_name
from tests.conftest import using_models
from tests.dlt_source.postgres_server import PostgresServer, running_server
from tests.lake.lakes import altered, with_lake
from tests.lake.packages import HAS_LAKE, NO_LAKE
from tests.operate.deliveries import switch_to
from tests.warehouse.planting import plant

NUMBERS = count(1)
KEPT = {
    "core.users", "core.campaigns", "core.rewards", "core.rewards_due", "core.rewards_issued", "core.coupons",
    "ops.runs", "ops.checks", "ops.run_streams", "marts.reward_ledger",
}  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents and not HAS_LAKE:
            item.add_marker(pytest.mark.skip(reason=NO_LAKE))


@pytest.fixture(scope="session")
def publications(tmp_path_factory: pytest.TempPathFactory, few_models_folder: Path) -> Settings:
    """Three snapshots of ten tables: the second has one user more, and the third other statuses."""
    with using_models(few_models_folder):
        settings = plant(
            tmp_path_factory.mktemp("published") / "data", {"users": [{"id": 1, "campaign_id": 5}]},
            syncs=["2026-01-01 08:00:00"],
        )  # fmt: skip
        publish_draft(settings, build(settings))
    whole = settings.snapshots_dir / folder_name(1)
    with duckdb.connect(str(whole / "warehouse.duckdb"), read_only=True) as connection:
        tables = connection.execute("select schema_name || '.' || table_name from duckdb_tables()").fetchall()
    altered(settings, 1, 9, *(f"drop table {name}" for (name,) in tables if name not in KEPT))
    shutil.rmtree(whole)
    altered(settings, 9, 1)
    altered(settings, 9, 2, "insert into core.users by name select * replace (2 as user_id) from core.users")
    altered(settings, 2, 3, "update core.users set code = 'third'")
    shutil.rmtree(settings.snapshots_dir / folder_name(9))
    return switch_to(settings, 1)


@pytest.fixture
def published(publications: Settings, tmp_path: Path) -> Settings:
    """A warehouse with the snapshots 1 to 3, of which the first is the published one, and no lake."""
    shutil.copytree(publications.warehouse_dir, tmp_path / "data", symlinks=True)
    return switch_to(replace(publications, warehouse_dir=tmp_path / "data"), 1)


@pytest.fixture(params=["sqlite", "duckdb"])
def settings(request: pytest.FixtureRequest, published: Settings, tmp_path: Path) -> Settings:
    """The same with a lake whose catalog is a file."""
    return with_lake(published, tmp_path / f"lake.{request.param}", tmp_path / "lake")


@pytest.fixture
def in_sqlite(published: Settings, tmp_path: Path) -> Settings:
    return with_lake(published, tmp_path / "lake.sqlite", tmp_path / "lake")


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_server() as server:
        yield server


@pytest.fixture
def address(postgres: PostgresServer) -> str:
    """The address of an empty database."""
    return postgres.new_database(f"lake_{next(NUMBERS)}")


@pytest.fixture
def in_postgres(published: Settings, address: str, tmp_path: Path) -> Settings:
    return with_lake(published, address, tmp_path / "lake")
