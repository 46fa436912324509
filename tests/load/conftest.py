"""Accounts on real sockets: one that was loaded once and is copied for each test, and ones that were never loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from referral_warehouse.sandbox import Sandbox
from tests.load.accounts import WORLD, Account, reopened


@pytest.fixture(scope="session", autouse=True)
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("machine")))
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
            patch.delenv(name, raising=False)
            patch.delenv(name.lower(), raising=False)
        yield


@pytest.fixture(scope="session")
def loaded_once(tmp_path_factory: pytest.TempPathFactory, clean_environment: None) -> Path:
    folder = tmp_path_factory.mktemp("loaded")
    with Sandbox(folder / WORLD, users=120, seed=3, calls_per_minute=0) as world:
        Account(world, folder).load()
    return folder


@pytest.fixture
def account(loaded_once: Path, tmp_path: Path) -> Iterator[Account]:
    """120 users, loaded once."""
    with reopened(loaded_once, tmp_path) as copy:
        yield copy


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Callable[..., Account]]:
    """``fresh(users=60)``: an account that was never loaded."""
    with ExitStack() as stack:

        def open_account(users: int = 60, seed: int = 5, **options: Any) -> Account:
            world = stack.enter_context(Sandbox(users=users, seed=seed, calls_per_minute=0, **options))
            return Account(world, tmp_path)

        yield open_account
