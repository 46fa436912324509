"""Random histories through the real sync, to the cent: ledger, roll-forward and liability against the event log."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from tests.end_to_end import reward_histories
from tests.end_to_end.corrected_histories import SETTINGS_OF_UNITS, take_random_correction
from tests.end_to_end.histories_checked import check_corrected_history, check_history
from tests.sampling import sampled


@pytest.mark.parametrize("seed", sampled(range(8), 1))
def test_ledger_and_liabilities_equal_the_event_log(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "machine"))
    check_history(seed, tmp_path / "data")


@pytest.mark.parametrize("seed", sampled(range(20), 1))
def test_corrected_histories_equal_the_event_log(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With payouts that are amended, cancelled or fail, and rewards that are renamed, moved or repriced."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "machine"))
    check_corrected_history(seed, tmp_path / "data")


def test_histories_have_every_kind_of_correction_between_two_syncs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kinds of events after the first sync, told without loading anything."""
    monkeypatch.setattr(reward_histories, "load", lambda *_, **__: None)
    found: Counter[str] = Counter()
    for seed in range(20):
        history = reward_histories.simulate_history(seed, tmp_path, (), take_random_correction, SETTINGS_OF_UNITS)
        owed = {event["reward_id"] for event in history.events if event["kind"] == "accrued"}
        for event in history.events[history.syncs[0][0] :]:
            is_place = event["kind"] in ("reward_moved", "reward_type_renamed")
            found[event["kind"]] += not is_place or event["reward_id"] in owed
            value = Decimal(event["value"] or 0)
            found["three decimals"] += event["kind"] in ("repriced", "accrued") and value != round(value, 2)
        found["unit changed"] += len(set(history.units)) > 1
    wanted = {
        "accrued", "reversed", "issued", "in_process", "completed", "repriced", "payout_amended", "payout_cancelled",
        "payout_failed", "reward_moved", "reward_type_renamed", "three decimals", "unit changed",
    }  # fmt: skip
    assert {kind: found[kind] for kind in wanted if found[kind] < 3} == {}
