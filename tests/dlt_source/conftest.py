"""Accounts on real sockets for pipelines of other programs, which have settings and folders of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from referral_warehouse.sandbox import Sandbox
from tests.dlt_source.foreign_pipeline import ForeignPipeline


@pytest.fixture(scope="session", autouse=True)
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("machine")))
        patch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
        yield


@pytest.fixture
def open_pipeline(tmp_path: Path) -> Iterator[Callable[..., ForeignPipeline]]:
    """``open_pipeline(destination, users=60)``: an account and an empty pipeline for it."""
    with ExitStack() as stack:

        def start(destination: Any = None, users: int = 60, **options: Any) -> ForeignPipeline:
            world = stack.enter_context(Sandbox(users=users, seed=5, calls_per_minute=0, **options))
            return ForeignPipeline(world, tmp_path, destination)

        yield start
