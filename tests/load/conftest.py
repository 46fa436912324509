"""Accounts on real sockets: one that was loaded once and is copied for each test, and ones that were never loaded."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from referral_warehouse.sandbox import Sandbox
from referral_warehouse.sql_folder import sql_dir
from tests.conftest import using_models
from tests.load.accounts import WORLD, Account, reopened
from tests.warehouse.few_models import needed_models


@pytest.fixture(scope="session", autouse=True)
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("machine")))
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
            patch.delenv(name, raising=False)
            patch.delenv(name.lower(), raising=False)
        yield


def _loaded(folder: Path, users: int) -> Path:
    with Sandbox(folder / WORLD, users=users, seed=3, calls_per_minute=0) as world:
        Account(world, folder).load()
    return folder


@pytest.fixture(scope="session")
def loaded_once(tmp_path_factory: pytest.TempPathFactory, clean_environment: None) -> Path:
    return _loaded(tmp_path_factory.mktemp("loaded"), users=120)


@pytest.fixture
def account(loaded_once: Path, tmp_path: Path) -> Iterator[Account]:
    """120 users, loaded once."""
    with reopened(loaded_once, tmp_path) as copy:
        yield copy


@pytest.fixture(scope="session")
def larger_once(tmp_path_factory: pytest.TempPathFactory, clean_environment: None) -> Path:
    return _loaded(tmp_path_factory.mktemp("larger"), users=1_500)


@pytest.fixture
def larger(larger_once: Path, tmp_path: Path) -> Iterator[Account]:
    """1,500 users, loaded once: six full pages, which are more than what is always read again."""
    with reopened(larger_once, tmp_path) as copy:
        yield copy


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Callable[..., Account]]:
    """``fresh(users=60)``: an account that was never loaded."""
    with ExitStack() as stack:

        def open_account(users: int = 60, seed: int = 5, **options: Any) -> Account:
            world = stack.enter_context(Sandbox(users=users, seed=seed, calls_per_minute=0, **options))
            account = Account(world, tmp_path)
            stack.callback(account.close)
            return account

        yield open_account


@pytest.fixture
def models_of(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """``models_of("ops.runs")``: builds of this test make these tables, what they read, and nothing else."""
    with ExitStack() as stack:

        def choose(*names: str) -> None:
            folder = tmp_path / "sql"
            for model in needed_models([*names, "intermediate.int_build_clock", "intermediate.int_reward_changes"]):
                (folder / model.layer).mkdir(parents=True, exist_ok=True)
                shutil.copy(model.path, folder / model.layer)
            shutil.copy(sql_dir() / "raw.sql", folder)
            stack.enter_context(using_models(folder))

        yield choose
