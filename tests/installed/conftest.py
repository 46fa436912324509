"""The wheel, built once, and an environment that it is installed in as an operator would; no other test needs them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from referral_warehouse.sandbox import Sandbox
from tests.documentation import PROJECT
from tests.installed.environment import Installed, build

STRAY = (
    "pipelines/referral_warehouse/api/transport.py~",
    "pipelines/referral_warehouse/__pycache__/transport.cpython-311.pyc",
    "sql/core/notes.txt",
    "pipelines/referral_warehouse/key.pem",
)
ANOTHER = os.environ.get("WHEEL_PYTHON") or None
"""Another Python to install the wheel for, as `make wheel` sets it: its packages are downloaded."""


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with what an editor or a run may leave beside the sources."""
    folder = tmp_path_factory.mktemp("build") / "a check out"
    folder.mkdir()
    for name in ("pipelines", "sql", "tests"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", ".gitignore"):
        shutil.copy(PROJECT / name, folder / name)
    for name in STRAY:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("stray")
    return folder


@pytest.fixture(scope="session")
def wheel(checkout: Path) -> Path:
    return build(checkout, "wheel", checkout / "wheel")


@pytest.fixture(scope="session")
def on_disk() -> Iterator[Path]:
    """A folder on the disk: /dev, where the files of other tests may be, is another one in a container."""
    with tempfile.TemporaryDirectory(prefix="installed-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def tmp_path(on_disk: Path) -> Iterator[Path]:
    """A test's own folder there."""
    with tempfile.TemporaryDirectory(dir=on_disk) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def installed(wheel: Path, on_disk: Path) -> Installed:
    """The wheel in an environment of its own.

    The packages it needs are those of the tests, which are not downloaded again, or those of deploy/runtime.lock.
    """
    folder = on_disk / "server" / "referrals"
    folder.parent.mkdir()
    subprocess.run([ANOTHER or sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "-q"]
    if ANOTHER is None:
        site = sysconfig.get_path("purelib", "venv", {"base": str(folder)})
        (Path(site) / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    else:
        subprocess.run([*pip, "--require-hashes", "-r", PROJECT / "deploy" / "runtime.lock"], check=True)
    subprocess.run([*pip, "--no-deps", "--no-index", wheel], check=True, capture_output=True)
    return Installed(folder)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(users=20, seed=4, calls_per_minute=0) as running:
        yield running
