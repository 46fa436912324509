"""Five hundred random accounts, each longer than those of the tests; a failure names its seed.

An hour or two on two quiet cores; ``make soak ARGS='-k "random_account and 1007"'`` simulates one of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.random_account import simulate


@pytest.mark.parametrize("seed", range(1000, 1500))
def test_a_random_account(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "machine"))
    assert simulate(seed, tmp_path, actions=800, syncs=5) > 200
