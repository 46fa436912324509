"""A 429 that was recorded under a clock years ahead does not stop all calls for years."""

from __future__ import annotations

from pathlib import Path

import pytest

from referral_warehouse.api.rate_limit.host import HostClock
from referral_warehouse.api.rate_limit.store import CallStore

DAY_S = 86_400.0
RIGHT_S = 1_800_000_000.0


def open_call_store(path: Path, wall_s: float) -> CallStore:
    return CallStore(
        path, window_s=60.0, violations_that_stop=2, clock=HostClock(lambda: 1000.0, lambda: wall_s, "first")
    )


@pytest.mark.parametrize("days_ahead", [1, 30, 3000])
def test_it_counts_a_week_from_when_it_is_found(tmp_path: Path, days_ahead: int) -> None:
    path = tmp_path / "calls.sqlite3"
    ahead = open_call_store(path, RIGHT_S + days_ahead * DAY_S)
    assert len(ahead.record_violation(["429", "429"], 0.0)) == 2
    ahead.close()
    found = open_call_store(path, RIGHT_S)
    assert [violation.at.timestamp() for violation in found.violations()] == [RIGHT_S, RIGHT_S]
    found.close()
    later = open_call_store(path, RIGHT_S + 7 * DAY_S + 1)
    assert later.violations() == ()
    later.close()
