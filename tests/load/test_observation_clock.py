"""Which clock dates an observation: the table of the module, row by row, and its rules under any clocks."""
# ruff: noqa: DTZ001, DTZ901 - times are naive UTC here

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.errors import DataRefused
from referral_warehouse.load.clock.observation_clock import (
    EARLIEST,
    LONGEST_PAUSE,
    SIMULATED,
    TICK,
    TOLERANCE,
    ObservationClock,
    utc_now,
)

NOW = datetime(2026, 11, 25, 18, 0)
YESTERDAY = NOW - timedelta(days=1)
TIMES = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59))


class Machine:
    """A wall clock and a steady one that a test advances."""

    def __init__(self, wall: datetime) -> None:
        self.wall, self.seconds = wall, 0.0

    def passes(self, seconds: float, jump: timedelta = timedelta()) -> None:
        self.wall += timedelta(seconds=seconds) + jump
        self.seconds += seconds


def clock(wall: datetime | Machine, last: datetime | None = None, *, simulated: bool = False) -> ObservationClock:
    machine = wall if isinstance(wall, Machine) else Machine(wall)
    return ObservationClock(last, simulated=simulated, local=lambda: machine.wall, steady=lambda: machine.seconds)


@pytest.mark.parametrize("last", [None, YESTERDAY, NOW - timedelta(days=300), NOW + timedelta(minutes=5)])
@pytest.mark.parametrize("off", [-TOLERANCE, timedelta(), timedelta(minutes=14), TOLERANCE])
def test_a_date_within_the_tolerance_counts(last: datetime | None, off: timedelta) -> None:
    observed = clock(NOW, last)
    assert observed.observe((NOW + off).replace(tzinfo=UTC)) == max(NOW + off, (last or YESTERDAY) + 2 * TICK)
    assert not observed.warnings


@pytest.mark.parametrize(
    "server",
    [
        None, datetime(1, 1, 1), datetime(1970, 1, 1), datetime(2024, 5, 1), YESTERDAY - timedelta(hours=1),
        NOW - timedelta(hours=2), NOW + timedelta(minutes=16), NOW + timedelta(hours=5), datetime(2030, 2, 20),
        datetime(9999, 12, 31, 23, 59, 59),
    ],
)  # fmt: skip
@pytest.mark.parametrize("last", [None, YESTERDAY, NOW - timedelta(days=300)])
def test_any_other_date_leaves_it_to_this_machine_with_a_warning(
    server: datetime | None, last: datetime | None
) -> None:
    observed = clock(NOW, last)
    assert observed.observe(None if server is None else server.replace(tzinfo=UTC)) == NOW
    (warning,) = observed.warnings
    assert "2026-11-25 18:00:00 UTC" in warning
    assert "this machine's clock" in warning
    assert ("no readable Date" if server is None else f"{server.isoformat(sep=' ')} UTC") in warning


@pytest.mark.parametrize(
    ("local", "server", "last", "words"),
    [
        (datetime(1970, 1, 1), NOW, None, "before this software existed"),
        (datetime(1970, 1, 1), datetime(1970, 1, 1), None, "before this software existed"),
        (datetime(2015, 6, 1), None, YESTERDAY, "before this software existed"),
        (NOW - timedelta(days=30), NOW, YESTERDAY, "before the last observation"),
        (NOW - timedelta(days=30), None, YESTERDAY, "before the last observation"),
        (NOW - timedelta(days=30), datetime(2030, 2, 20), YESTERDAY, "before the last observation"),
        (datetime(2035, 1, 1), NOW, YESTERDAY, "far after the last observation"),
        (datetime(2035, 1, 1), None, YESTERDAY, "far after the last observation"),
        (datetime(2035, 1, 1), NOW, None, "which of the two is right"),
    ],
)
def test_a_run_without_a_credible_clock_is_refused_and_names_both(
    local: datetime, server: datetime | None, last: datetime | None, words: str
) -> None:
    observed = clock(local, last)
    with pytest.raises(DataRefused, match=words) as refused:
        observed.observe(server)
    assert refused.value.exit_code == 5
    assert f"{local.isoformat(sep=' ')} UTC" in refused.value.message
    assert (f"{server.isoformat(sep=' ')} UTC" if server else "no time") in refused.value.message
    assert "clock" in refused.value.next_step
    assert observed.now is None


def test_two_clocks_that_agree_outweigh_a_stored_time_of_the_future() -> None:
    assert clock(NOW, datetime(2030, 2, 20)).observe(NOW.replace(tzinfo=UTC)) == NOW


@given(st.lists(st.one_of(st.none(), TIMES), min_size=1, max_size=8), st.one_of(st.none(), st.just(YESTERDAY)))
def test_no_dates_of_a_server_move_an_observation_off_a_right_clock(
    dates: list[datetime | None], last: datetime | None
) -> None:
    machine = Machine(NOW)
    observed = clock(machine, last)
    before = datetime.min
    for date in dates:
        at = observed.observe(date)
        assert abs(at - machine.wall) <= TOLERANCE
        assert at >= before
        before = at
        machine.passes(60)


@given(TIMES, st.one_of(st.none(), TIMES), st.one_of(st.none(), TIMES))
def test_the_first_observation_is_backed_by_a_clock_or_refused(
    local: datetime, server: datetime | None, last: datetime | None
) -> None:
    try:
        at = clock(local, last).observe(server)
    except DataRefused:
        return
    assert at >= EARLIEST
    assert abs(at - local) <= TOLERANCE
    agrees = server is not None and abs(server - local) <= TOLERANCE
    assert agrees or last is None or last - TOLERANCE <= local <= last + LONGEST_PAUSE


@given(st.lists(st.tuples(st.integers(0, 600), st.integers(-(10**6), 10**6), st.booleans()), min_size=1, max_size=10))
def test_a_local_clock_that_jumps_while_a_run_goes_on_moves_nothing(steps: list[tuple[int, int, bool]]) -> None:
    machine, passed = Machine(NOW), 0
    observed = clock(machine, YESTERDAY)
    before = observed.observe(NOW)
    for seconds, jump, has_date in steps:
        machine.passes(seconds, timedelta(seconds=jump))
        passed += seconds
        at = observed.observe(NOW + timedelta(seconds=passed) if has_date else None)
        assert before <= at <= NOW + timedelta(seconds=passed)
        if has_date:
            assert at == NOW + timedelta(seconds=passed)
        before = at


def test_after_a_sleep_of_the_machine_the_server_counts() -> None:
    machine = Machine(NOW)
    observed = clock(machine)
    observed.observe(NOW)
    machine.passes(1, jump=timedelta(hours=10))  # the steady clock stands still while a machine sleeps
    assert observed.observe(NOW + timedelta(hours=10)) == NOW + timedelta(hours=10)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Kiritimati", "Europe/London", "XXX+23:59"])
def test_time_zones_have_no_part_in_it(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        observed = ObservationClock()
        there = datetime.now(timezone(timedelta(hours=-11)))
        assert abs(observed.observe(there) - utc_now()) < timedelta(seconds=60)
        assert not observed.warnings
    finally:
        monkeypatch.undo()
        assert "TZ" not in os.environ or os.environ["TZ"] != zone
        time.tzset()


@pytest.mark.parametrize("wall", [datetime(2026, 3, 29, 1), datetime(2026, 10, 25, 1), datetime(2026, 12, 31, 23, 59)])
def test_the_hours_in_which_zones_change_are_hours_like_others(wall: datetime) -> None:
    machine = Machine(wall)
    observed = clock(machine)
    for minutes in range(0, 180, 20):
        assert observed.observe(wall + timedelta(minutes=minutes)) == wall + timedelta(minutes=minutes)
        machine.passes(20 * 60)


def test_simulated_time_counts_as_it_is() -> None:
    observed = clock(NOW, datetime(2026, 1, 5), simulated=True)
    assert observed.observe(datetime(2026, 1, 6)) == datetime(2026, 1, 6)
    assert observed.observe(datetime(2027, 6, 1)) == datetime(2027, 6, 1)
    assert observed.observe(datetime(2027, 5, 1)) == datetime(2027, 6, 1)
    assert observed.observe(None) == observed.observe(datetime(9999, 1, 1)) == datetime(2027, 6, 1)
    assert not observed.warnings


@pytest.mark.parametrize("server", [None, datetime(1970, 1, 1), SIMULATED[1], datetime(9999, 12, 31)])
def test_simulated_time_has_bounds(server: datetime | None) -> None:
    with pytest.raises(DataRefused, match="simulated time"):
        clock(NOW, simulated=True).observe(server)


def test_a_sandbox_that_sends_no_date_leaves_the_simulated_time_where_it_was() -> None:
    assert clock(NOW, datetime(2026, 3, 1), simulated=True).observe(None) == datetime(2026, 3, 1) + 2 * TICK


def test_simulated_time_does_not_go_back_behind_what_is_stored() -> None:
    with pytest.raises(DataRefused, match="before the last observation"):
        clock(NOW, datetime(2026, 3, 1), simulated=True).observe(datetime(2026, 1, 5))


@pytest.mark.parametrize("simulated", [False, True])
def test_runs_within_one_second_follow_each_other_in_time(simulated: bool) -> None:
    last: datetime | None = None
    begun: datetime | None = None
    for _ in range(4):
        observed = clock(NOW, last, simulated=simulated)
        first = observed.observe(NOW)
        assert begun is None or begun < first
        begun = observed.begin_versions(begun)
        assert begun is not None
        assert first < begun, "a change of a definition holds from the first observation, before its rows"
        last = observed.now


def test_a_run_that_takes_longer_begins_its_versions_at_its_newest_observation() -> None:
    observed = clock(Machine(NOW), YESTERDAY)
    observed.observe(NOW)
    observed.observe(NOW + timedelta(seconds=3))
    assert observed.begin_versions(YESTERDAY) == NOW + timedelta(seconds=3)


def test_nothing_begins_before_the_first_observation() -> None:
    assert clock(NOW).begin_versions(YESTERDAY) is None


@given(st.lists(st.tuples(TIMES, st.integers(0, 3)), min_size=1, max_size=10), st.booleans())
def test_new_versions_begin_after_all_earlier_ones_whatever_the_servers_clock_does(
    runs: list[tuple[datetime, int]], simulated: bool
) -> None:
    last: datetime | None = None
    begun: datetime | None = None
    for server, more in runs:
        observed = clock(NOW, last, simulated=simulated)
        try:
            first = observed.observe(server)
        except DataRefused:
            continue
        for _ in range(more):
            observed.observe(server)
        following = observed.begin_versions(begun)
        assert following is not None
        assert first < following
        assert begun is None or begun < following
        last, begun = observed.now, following
