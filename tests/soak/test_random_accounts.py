"""Five hundred lives by chance, each longer than those of the tests; a failure names the seed that brings it again.

An hour or two on two quiet cores; ``make soak ARGS='-k "lives and 1007"'`` plays one of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.random_account import play


@pytest.mark.parametrize("seed", range(1000, 1500))
def test_lives_by_chance(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "machine"))
    assert play(seed, tmp_path, acts=800, syncs=5) > 200
