"""The budget is used: nearly all of it by a long run, all of it as one burst; against a simulated server."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.api.limiter_model import WINDOW_S, Caller, Server, SimulatedTime, most_in_a_window

BEGINS = {"sliding": None, "fixed at 0": 0.0, "fixed at 41.7": 41.7}
ALWAYS = ("silent-sliding", "silent-fixed at 41.7", "counting-fixed at 0", "counting-sliding")
"""Which servers `make test` has: each kind of window, with counts and without them."""
SERVERS = [
    pytest.param(begin, with_counts, id=name, marks=() if name in ALWAYS else pytest.mark.full)
    for with_counts in (False, True)
    for window, begin in BEGINS.items()
    for name in [f"{'counting' if with_counts else 'silent'}-{window}"]
]


@pytest.mark.parametrize(("fixed_from", "with_counts"), SERVERS)
@pytest.mark.parametrize("processes", [1, 2])
def test_a_long_run_uses_97_percent_of_the_budget(
    tmp_path: Path, fixed_from: float | None, with_counts: bool, processes: int
) -> None:
    budget, windows = 540, 5
    simulated = SimulatedTime()
    server = Server(simulated, budget, fixed_from)
    callers = [
        Caller(simulated, server, simulated.rate_limiter(tmp_path / "l", budget), 8, budget if with_counts else None)
        for _ in range(processes)
    ]
    luck = random.Random(1)
    for number in range(windows * budget + 1):
        up_s = luck.uniform(0.05, 0.25)
        callers[number % processes].send(up_s, 0.3 - up_s)
    simulated.pause(1)
    assert (server.refused, most_in_a_window(server.arrivals)) == (0, budget)
    # The first call of the sixth window: nothing but the waits of five windows lies before it.
    assert (server.arrivals[-1] - server.arrivals[0]) * 0.97 <= windows * WINDOW_S
    for caller in callers:
        caller.rate_limiter.close()


@pytest.mark.parametrize(("fixed_from", "with_counts"), SERVERS)
def test_3000_calls_of_two_processes_use_97_percent_though_one_is_killed_and_restarted(
    tmp_path: Path, fixed_from: float | None, with_counts: bool
) -> None:
    budget, calls = 540, 3000
    simulated = SimulatedTime()
    server = Server(simulated, budget, fixed_from)

    def start() -> Caller:
        return Caller(
            simulated, server, simulated.rate_limiter(tmp_path / "l", budget), 8, budget if with_counts else None
        )

    callers = [start(), start()]
    everybody = list(callers)
    luck = random.Random(3)
    for number in range(calls):
        if number == calls // 4:
            # SIGKILL with calls in flight: calls that never end count for their hold and a window.
            while callers[0].in_flight < 8:
                callers[0].send(0.2, 0.1)
            callers[0].is_killed = True
            callers[0] = start()
            everybody.append(callers[0])
        up_s = luck.uniform(0.05, 0.25)
        callers[number % 2].send(up_s, 0.3 - up_s)
    simulated.pause(1)
    assert (server.refused, most_in_a_window(server.arrivals)) == (0, budget)
    windows = (len(server.arrivals) - 1) // budget
    assert windows == 5
    assert windows * WINDOW_S >= 0.97 * (server.arrivals[windows * budget] - server.arrivals[0])
    for caller in everybody:
        caller.rate_limiter.close()


def test_the_whole_budget_may_go_as_one_burst(tmp_path: Path) -> None:
    simulated = SimulatedTime()
    rate_limiter = simulated.rate_limiter(tmp_path / "l", 540)
    before = simulated.now
    for _ in range(540):
        rate_limiter.acquire(simulated.pause).release()
    assert simulated.now == before
    rate_limiter.acquire(simulated.pause).release()
    assert simulated.now == pytest.approx(before + 60.1)
    rate_limiter.close()
