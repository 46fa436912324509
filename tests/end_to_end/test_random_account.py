"""Thousands of random changes, also during syncs: every snapshot is correct, and equal once changes stop."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.random_account import KINDS, simulate
from tests.sampling import sampled

pytestmark = pytest.mark.usefixtures("few_models_in_module")  # core is compared, and no mart


@pytest.mark.parametrize("seed", sampled(range(1, 6), 1))
def test_whatever_happens_the_warehouse_equals_the_account(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "machine"))
    assert simulate(seed, tmp_path, actions=300, syncs=2) > 100


def test_everything_that_can_happen_does() -> None:
    assert len(KINDS) >= 20
