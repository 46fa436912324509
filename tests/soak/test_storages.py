"""All tests that publish, with a lake for every directory: what each publication shows there is what the files show.

make soak ARGS='-k storages'                  # some hours
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lake.packages import HAS_LAKE, NO_LAKE

PROJECT = Path(__file__).parents[2]


@pytest.mark.skipif(not HAS_LAKE, reason=NO_LAKE)
@pytest.mark.parametrize("storage", ["ducklake", "ducklake-duckdb", "ducklake-postgres"])
def test_every_test_that_publishes_also_passes_with_a_lake(storage: str) -> None:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "2", "--dist", "worksteal", "--storage", storage],
        cwd=PROJECT, env=ours, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout[-20_000:]
    assert "'differs': 0" in ended.stdout
