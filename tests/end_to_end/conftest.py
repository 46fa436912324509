"""Settings of a first run, and the setup of tests that kill processes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from referral_warehouse.settings import Settings, Token
from tests.end_to_end.day_by_day import DayByDay, day_by_day
from tests.end_to_end.small_api import Row, SmallApi
from tests.end_to_end.small_api import account as small_account
from tests.end_to_end.small_warehouse import SmallWarehouse
from tests.kills.forks import Forks, forks_with
from tests.kills.stage import Stage, staged


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a first run, with a call store of its own; the test has to set the server."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "machine"))
    return Settings(
        api_token=Token("sandbox-token"), calls_per_minute=0, simulated_time=True, timeout_s=5.0,
        warehouse_dir=tmp_path / "data",
    )  # fmt: skip


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory, few_models_folder: Path) -> Iterator[Stage]:
    """300 users in two slices and three days, served by a process of its own; ``make soak`` kills with all models."""
    folder = tmp_path_factory.mktemp("stage")
    with staged(folder, users=300, days=3, slice_rows=250, models=few_models_folder) as stage:
        yield stage


@pytest.fixture(scope="session")
def forks(few_models_folder: Path) -> Forks:
    """Commands as processes of their own that start at once, with the models that they need."""
    return forks_with(few_models_folder)


@pytest.fixture(scope="session")
def small_template(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a small account (see ``small_api.account``) that was synced once."""
    folder = tmp_path_factory.mktemp("small")
    with SmallApi(small_account()) as api:
        ended = SmallWarehouse(forks, api, folder).sync()
    assert ended.returncode == 0, ended.stderr
    return folder / "data"


@pytest.fixture
def small(forks: Forks, tmp_path: Path) -> Iterator[Callable[[dict[str, list[Row]]], SmallWarehouse]]:
    """``small(lists)``: an empty directory and a server for these lists."""
    with ExitStack() as stack:
        yield lambda lists: SmallWarehouse(forks, stack.enter_context(SmallApi(lists)), tmp_path)


@pytest.fixture
def ours(
    small: Callable[[dict[str, list[Row]]], SmallWarehouse], small_template: Path, tmp_path: Path
) -> SmallWarehouse:
    """The small account and a test's own copy of its directory, synced once."""
    shutil.copytree(small_template, tmp_path / "data", symlinks=True)
    return small(small_account())


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory, few_models_folder: Path) -> Iterator[DayByDay]:
    """60 users over three days, of which the first is in a warehouse directory."""
    with day_by_day(tmp_path_factory.mktemp("days"), few_models_folder) as account:
        yield account
