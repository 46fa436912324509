"""Twice a thousand random reward histories through the real sync, each exact to the cent (ARGS='-n 2 -k histories')."""

from __future__ import annotations

from pathlib import Path

import pytest

from referral_warehouse.load.registry import TABLES
from referral_warehouse.load.storage.load_file import LoadFile
from referral_warehouse.load.storage.load_pipeline import LoadPipeline
from referral_warehouse.settings import Settings
from tests.end_to_end.histories_checked import check_corrected_history, check_history

REWARD_STREAMS = ("rewards", "rewards_due", "rewards_issued")


@pytest.fixture(scope="session")
def empty_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse directory whose load file has all raw tables and no rows."""
    settings = Settings(warehouse_dir=tmp_path_factory.mktemp("empty") / "data")
    with LoadFile(settings.load_path) as load_file:
        LoadPipeline(load_file, settings.state_dir, TABLES).drain()
    return settings.warehouse_dir


@pytest.mark.parametrize("seed", range(1000, 2000))
def test_ledger_and_liabilities_equal_the_event_log(
    seed: int, empty_warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "machine"))
    check_history(seed, empty_warehouse, tmp_path / "data", REWARD_STREAMS)


@pytest.mark.parametrize("seed", range(1000, 2000))
def test_corrected_histories_equal_the_event_log(
    seed: int, empty_warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "machine"))
    check_corrected_history(seed, empty_warehouse, tmp_path / "data", REWARD_STREAMS)
