"""An empty load file, made once: what the first half second of every first run makes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipelines.load.loadfile import LoadFile
from pipelines.load.pipeline import LoadPipeline
from pipelines.settings import Settings, Token


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
