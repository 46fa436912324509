"""An empty load file, made once (the first half second of a first run), and a stage for processes that end early."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.load.loadfile import LoadFile
from pipelines.load.pipeline import LoadPipeline
from pipelines.settings import Settings, Token
from tests.end_to_end.day_by_day import DayByDay, day_by_day
from tests.kills.stage import Stage, staged


@pytest.fixture(scope="session")
def empty_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse directory whose load file has all raw tables and no rows."""
    settings = Settings(warehouse_dir=tmp_path_factory.mktemp("empty") / "data")
    with LoadFile(settings.load_path) as load_file:
        LoadPipeline(load_file, settings.state_dir).drain()
    return settings.warehouse_dir


@pytest.fixture
def empty(empty_warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a test's own copy of it, and a ledger of calls of its own; the server is still to be named."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "machine"))
    shutil.copytree(empty_warehouse, tmp_path / "data")
    return Settings(
        api_token=Token("sandbox-token"), calls_per_minute=0, timeout_s=5.0, warehouse_dir=tmp_path / "data"
    )


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """300 users in two slices and three days, served by a process of its own."""
    with staged(tmp_path_factory.mktemp("stage"), users=300, days=3, slice_rows=250) as stage:
        yield stage


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DayByDay]:
    """60 users over four days, of which the first two are in a warehouse directory."""
    with day_by_day(tmp_path_factory.mktemp("days")) as account:
        yield account
