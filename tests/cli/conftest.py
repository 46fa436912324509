"""A sandbox for the commands, an environment of a test's own, and a way to run them as real processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from referral_warehouse.sandbox import Sandbox
from tests.cli.processes import PREFIX, Referrals
from tests.kills.forks import run_referrals

READ_AT_START = ("PYTHON", "TZ", "LANG", "LC_", "OPENSSL_")
"""Beginnings of variables that only a new interpreter reads."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(users=80, seed=4, calls_per_minute=0) as running:
        yield running


def environ_of(sandbox: Sandbox, folder: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SOURCES__", "WAREHOUSE__"))}
    return kept | {
        f"{PREFIX}BASE_URL": sandbox.base_url,
        f"{PREFIX}API_TOKEN": sandbox.token,
        f"{PREFIX}CALLS_PER_MINUTE": "0",
        f"{PREFIX}SIMULATED_TIME": "true",
        "WAREHOUSE__DIR": str(folder / "data"),
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder / "xdg"),
    }


@pytest.fixture
def environ(sandbox: Sandbox, tmp_path: Path, few_models_package: str) -> dict[str, str]:
    """Also a new interpreter has few models, unless it is the launcher: that reads no variables of Python."""
    return environ_of(sandbox, tmp_path) | {"PYTHONPATH": few_models_package}


@dataclass(frozen=True)
class FirstSync:
    """A warehouse directory that was synced once, and what that command printed."""

    directory: Path
    stdout: str
    stderr: str


@pytest.fixture(scope="session")
def first_sync(tmp_path_factory: pytest.TempPathFactory, few_models_folder: Path) -> FirstSync:
    """``referrals --log-format json sync --json`` of an account like the one of ``sandbox``."""
    folder = tmp_path_factory.mktemp("synced")
    with Sandbox(users=80, seed=4, calls_per_minute=0) as running:
        arguments = ["--log-format", "json", "sync", "--json"]
        done = run_referrals(arguments, environ_of(running, folder), folder, few_models_folder)
    assert done.returncode == 0, done.stderr
    return FirstSync(folder / "data", done.stdout, done.stderr)


@pytest.fixture
def synced(first_sync: FirstSync, tmp_path: Path) -> None:
    """The directory of a test's commands is a copy of one that was synced once."""
    shutil.copytree(first_sync.directory, tmp_path / "data", symlinks=True)


@pytest.fixture
def referrals(environ: dict[str, str], tmp_path: Path, few_models_folder: Path) -> Referrals:
    """Run a command as a process; builds have the tables of core and ops, and few marts."""

    def run(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        if any(name.startswith(READ_AT_START) for name in changes):
            return subprocess.run(
                [sys.executable, "-m", "referral_warehouse", *arguments], env=environ | changes, cwd=tmp_path,
                text=True, capture_output=True, timeout=120, check=False,
            )  # fmt: skip
        return run_referrals(arguments, environ | changes, tmp_path, few_models_folder)

    return run
