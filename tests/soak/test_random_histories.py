"""Twice a thousand random reward histories through the real sync, each exact to the cent (ARGS='-n 2 -k histories')."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.histories_checked import check_corrected_history, check_history

REWARD_STREAMS = ("rewards", "rewards_due", "rewards_issued")


@pytest.mark.parametrize("seed", range(1000, 2000))
def test_ledger_and_liabilities_equal_the_event_log(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "machine"))
    check_history(seed, tmp_path / "data", REWARD_STREAMS)


@pytest.mark.parametrize("seed", range(1000, 2000))
def test_corrected_histories_equal_the_event_log(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "machine"))
    check_corrected_history(seed, tmp_path / "data", REWARD_STREAMS)
