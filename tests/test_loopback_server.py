"""The time of the tests' servers: one day for a whole run, and always believed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.load.clock.observation_clock import TOLERANCE
from tests.loopback_server import AGREE_S, DAY_S, TimeOfOneDay

MIDNIGHT = 20_000 * DAY_S
BEGINS = st.integers(-3600, 3600) | st.sampled_from([-AGREE_S - 1, -AGREE_S, -1, 0, 1])
"""Seconds after a midnight."""


@given(begins=BEGINS, after=st.lists(st.floats(0, 2 * AGREE_S - 1), min_size=2).map(sorted))
def test_a_run_of_28_minutes_has_one_day(begins: int, after: list[float]) -> None:
    now = float(MIDNIGHT + begins)
    clock = TimeOfOneDay(lambda: now)
    shown = []
    for seconds in after:
        now = MIDNIGHT + begins + seconds
        shown.append(clock())
        assert abs(clock() - now) < TOLERANCE.total_seconds()
    assert shown == sorted(shown)
    assert len({moment // DAY_S for moment in shown}) == 1


@given(begins=BEGINS, after=st.floats(0, 2 * DAY_S))
def test_the_loader_believes_it_however_long_a_run_takes(begins: int, after: float) -> None:
    now = float(MIDNIGHT + begins)
    clock = TimeOfOneDay(lambda: now)
    now += after
    assert abs(clock() - now) < TOLERANCE.total_seconds()
