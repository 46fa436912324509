"""Random histories through the real sync, to the cent: ledger, roll-forward and liability against the event log."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.histories_checked import check_corrected_history, check_history
from tests.sampling import sampled


@pytest.mark.parametrize("seed", sampled(range(8), 1))
def test_ledger_and_liabilities_equal_the_event_log(
    seed: int, empty_warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "machine"))
    check_history(seed, empty_warehouse, tmp_path / "data")


@pytest.mark.parametrize("seed", sampled(range(20), 1))
def test_corrected_histories_equal_the_event_log(
    seed: int, empty_warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With payouts that are amended, cancelled or fail, and rewards that are renamed, moved or repriced."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "machine"))
    check_corrected_history(seed, empty_warehouse, tmp_path / "data")
