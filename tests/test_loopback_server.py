"""The time of the tests' servers: one day for a whole run, and accepted by the loader."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.load.clock.observation_clock import TOLERANCE
from tests.loopback_server import AGREE_S, DAY_S, TimeOfOneDay

MIDNIGHT = 20_000 * DAY_S
EDGES = [-2 * AGREE_S, -AGREE_S, 0]
BEGINS = st.integers(-3600, 3600) | st.sampled_from([edge + step for edge in EDGES for step in (-1, 0, 1)])
"""Seconds after a midnight."""


@given(begins=BEGINS, after=st.lists(st.floats(0, 2 * AGREE_S - 1), min_size=2).map(sorted))
def test_a_run_of_28_minutes_has_one_day(begins: int, after: list[float]) -> None:
    now = float(MIDNIGHT + begins)
    clock = TimeOfOneDay(lambda: now)
    first, days = clock(), set()
    for seconds in after:
        now = MIDNIGHT + begins + seconds
        days.add(clock() // DAY_S)
        assert abs(clock() - now) < TOLERANCE.total_seconds(), "the loader believes it"
        assert clock() - first == pytest.approx(seconds, abs=1e-3)
    assert len(days) == 1
