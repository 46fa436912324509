"""Lakes for three small publications; all is skipped without the extra ``lake``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import pytest

from referral_warehouse.settings import Settings
from tests.dlt_source.postgres_server import PostgresServer
from tests.lake.lakes import with_lake
from tests.lake.packages import HAS_LAKE, NO_LAKE
from tests.operate.deliveries import switch_to

NUMBERS = count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents and not HAS_LAKE:
            item.add_marker(pytest.mark.skip(reason=NO_LAKE))


@pytest.fixture(scope="module", autouse=True)
def extensions_without_signatures() -> Iterator[None]:
    """In this process, the extensions are loaded without a check of their signatures.

    DuckDB computes one over 70 MB each time a lake is opened, which takes longer than all that a test does with it.
    Programs that tests start load them as everybody does.
    """
    original = duckdb.connect

    def connect(database: str | Path = ":memory:", read_only: bool = False, config: Any = None) -> Any:
        if config is not None and "autoload_known_extensions" in config:
            config = {**config, "allow_unsigned_extensions": "true"}
        return original(database, read_only, config or {})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duckdb, "connect", connect)
        yield


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


@pytest.fixture
def address(postgres: PostgresServer) -> str:
    """The address of an empty database."""
    return postgres.new_database(f"lake_{next(NUMBERS)}")


@pytest.fixture
def in_postgres(published: Settings, address: str, tmp_path: Path) -> Settings:
    return with_lake(published, address, tmp_path / "lake")
