"""No window of a minute ever sees more calls than the budget; against a simulated server."""

from __future__ import annotations

import random
import tempfile
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from referral_warehouse.api.rate_limit.host import HostClock
from referral_warehouse.api.rate_limit.limiter import VIOLATIONS_THAT_STOP, CallLimits, RateLimiter, open_rate_limiter
from referral_warehouse.api.rate_limit.store import CallStore
from referral_warehouse.errors import BudgetExhausted, ConfigurationError, ProtectiveStop
from referral_warehouse.settings import Settings, Token
from tests.api.limiter_model import Caller, Server, SimulatedTime, most_in_a_window


@settings(deadline=None, max_examples=60)
@given(
    budget=st.integers(1, 25),
    threads=st.integers(1, 10),
    processes=st.integers(1, 3),
    slow_share=st.sampled_from([0.0, 0.1, 0.5]),
    with_counts=st.booleans(),
    kills=st.integers(0, 2),
    seed=st.integers(0, 2**32),
)
def test_no_window_sees_more_than_the_budget(
    budget: int, threads: int, processes: int, slow_share: float, with_counts: bool, kills: int, seed: int
) -> None:
    luck = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        simulated = SimulatedTime()
        server = Server(simulated, budget)
        limit = budget if with_counts else None
        path = Path(folder) / "calls.sqlite3"

        def start() -> Caller:
            return Caller(simulated, server, simulated.rate_limiter(path, budget), threads, limit)

        callers = [start() for _ in range(processes)]
        everybody = list(callers)
        calls = budget * 6 + 5
        kill_at = {luck.randrange(calls) for _ in range(kills)}
        for number in range(calls):
            at = luck.randrange(processes)
            if number in kill_at:
                # Killed: its calls still reach the server, and their permits are never released.
                callers[at].is_killed = True
                callers[at] = start()
                everybody.append(callers[at])
            latency = luck.uniform(5, 25) if luck.random() < slow_share else luck.uniform(0.01, 0.5)
            share = luck.random()
            callers[at].send(latency * share, latency * (1 - share))
        simulated.pause(100)
        assert len(server.arrivals) == calls
        assert most_in_a_window(server.arrivals) <= budget
        assert server.refused == 0
        for caller in everybody:
            caller.rate_limiter.close()


def test_a_slow_call_delays_no_other(tmp_path: Path) -> None:
    simulated = SimulatedTime()
    server = Server(simulated, 100)
    caller = Caller(simulated, server, simulated.rate_limiter(tmp_path / "l", 100), 2, None)
    caller.send(0.05, 0.05)
    simulated.pause(1)  # its response had no count, so that no call waits for one
    caller.send(0.1, 24.9)
    before = simulated.now
    for _ in range(50):
        caller.send(0.05, 0.05)
    assert simulated.now - before < 6
    caller.rate_limiter.close()


@pytest.mark.parametrize("fixed_from", [None, 17.0], ids=["sliding", "fixed"])
@pytest.mark.parametrize("others_per_s", [1.0, 3.0, 5.0])
def test_calls_are_left_for_others_with_the_same_token(
    tmp_path: Path, fixed_from: float | None, others_per_s: float
) -> None:
    limit = 600
    simulated = SimulatedTime()
    server = Server(simulated, limit, fixed_from)
    luck = random.Random(7)

    def other() -> None:
        server.hit(ours=False)
        simulated.at(simulated.now + luck.expovariate(others_per_s), other)

    other()
    simulated.pause(120)
    begun = simulated.now
    caller = Caller(simulated, server, simulated.rate_limiter(tmp_path / "l", 540), 8, limit)
    calls = 1500
    for _ in range(calls):
        caller.send(luck.uniform(0.05, 0.25), 0.1)
    assert server.refused == 0
    assert server.lowest > 0
    ours_per_minute = calls / (simulated.now - begun) * 60
    assert ours_per_minute >= 0.6 * min(540, limit - 60 * others_per_s)
    caller.rate_limiter.close()


def test_a_lower_limit_of_the_server_is_obeyed(tmp_path: Path) -> None:
    simulated = SimulatedTime()
    server = Server(simulated, 60)
    caller = Caller(simulated, server, simulated.rate_limiter(tmp_path / "l", 540), 4, 60)
    for _ in range(200):
        caller.send(0.1, 0.1)
    simulated.pause(1)
    assert server.refused == 0
    assert most_in_a_window(server.arrivals) <= 60
    caller.rate_limiter.close()


def test_turns_are_given_in_the_order_of_requests(tmp_path: Path) -> None:
    simulated = SimulatedTime()
    rate_limiter = simulated.rate_limiter(tmp_path / "l", 1)
    first = rate_limiter.acquire(simulated.pause)
    go = threading.Event()
    order: list[int] = []

    def pause(seconds: float) -> None:
        go.wait(30)
        simulated.pause(seconds)

    def work(number: int) -> None:
        permit = rate_limiter.acquire(pause)
        order.append(number)
        permit.release()

    threads = []
    for number in range(6):
        thread = threading.Thread(target=work, args=(number,))
        thread.start()
        threads.append(thread)
        while len(rate_limiter._queue) <= number:
            time.sleep(0.001)
    first.release()
    go.set()
    for thread in threads:
        thread.join(30)
    assert order == [0, 1, 2, 3, 4, 5]
    rate_limiter.close()


def test_an_error_in_a_wait_passes_the_turn_on(tmp_path: Path) -> None:
    simulated = SimulatedTime()
    rate_limiter = simulated.rate_limiter(tmp_path / "l", 1)
    rate_limiter.acquire(simulated.pause).release()

    def give_up(seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rate_limiter.acquire(give_up)
    rate_limiter.acquire(simulated.pause).release()
    rate_limiter.close()


def make_rate_limiter(path: Path, simulated: SimulatedTime, budget: int = 5, max_wait_s: float = 50.0) -> RateLimiter:
    call_store = CallStore(
        path,
        window_s=60.0,
        violations_that_stop=VIOLATIONS_THAT_STOP,
        clock=HostClock(simulated.clock, simulated.clock),
    )
    return RateLimiter(call_store, CallLimits(budget, max_wait_s=max_wait_s), simulated.clock)


def test_a_wait_beyond_the_limit_ends_with_the_reason(tmp_path: Path) -> None:
    simulated = SimulatedTime()
    rate_limiter = make_rate_limiter(tmp_path / "l", simulated, budget=1)
    rate_limiter.acquire(simulated.pause)
    waits: list[tuple[float, str]] = []
    with pytest.raises(BudgetExhausted, match="other processes on this machine"):
        rate_limiter.acquire(simulated.pause, lambda seconds, reason: waits.append((seconds, reason)))
    assert waits == []
    rate_limiter.record_violation("429", 400.0)
    with pytest.raises(BudgetExhausted, match="paused after a rate-limit violation"):
        rate_limiter.acquire(simulated.pause)
    rate_limiter.close()


def test_waits_are_reported(tmp_path: Path) -> None:
    simulated = SimulatedTime()
    rate_limiter = make_rate_limiter(tmp_path / "l", simulated, budget=1, max_wait_s=100)
    rate_limiter.acquire(simulated.pause).release()
    waits: list[tuple[float, str]] = []
    rate_limiter.acquire(simulated.pause, lambda seconds, reason: waits.append((seconds, reason))).release()
    assert waits == [(60.0, "budget")]
    rate_limiter.close()


@pytest.mark.parametrize("budget", [0, 540])
def test_the_second_violation_stops_all_calls_until_a_week_has_passed(tmp_path: Path, budget: int) -> None:
    simulated = SimulatedTime(1_800_000_000.0)
    mine, theirs = (make_rate_limiter(tmp_path / "l", simulated, budget) for _ in range(2))
    mine.record_violation("429", 10.0)
    mine.refuse_after_violations()
    before = simulated.now
    theirs.acquire(simulated.pause).release()
    assert simulated.now >= before + 10
    theirs.record_violation("429", 0.0)
    for rate_limiter in (mine, theirs):
        with pytest.raises(ProtectiveStop, match=r"2 times .* 2027-01-22 08:00 UTC"):
            rate_limiter.acquire(simulated.pause)
    simulated.now += 7 * 86_400 - 11
    with pytest.raises(ProtectiveStop):
        mine.refuse_after_violations()
    simulated.now += 1
    mine.acquire(simulated.pause).release()
    mine.close()
    theirs.close()


def test_a_block_counts_as_all_violations_and_is_deleted_on_request_only(tmp_path: Path) -> None:
    simulated = SimulatedTime(1_800_000_000.0)
    rate_limiter = make_rate_limiter(tmp_path / "l", simulated)
    rate_limiter.block()
    with pytest.raises(ProtectiveStop, match="blocked"):
        rate_limiter.acquire(simulated.pause)
    assert rate_limiter.forgive() == VIOLATIONS_THAT_STOP
    rate_limiter.acquire(simulated.pause).release()
    rate_limiter.close()


def test_without_a_limit_nothing_is_written_until_a_violation(settings: Settings, tmp_path: Path) -> None:
    rate_limiter = open_rate_limiter(settings)
    rate_limiter.acquire(time.sleep).release(600, 599)
    assert rate_limiter.violations() == ()
    assert list((tmp_path / "machine" / "referral-warehouse").iterdir()) == []
    rate_limiter.record_violation("429", 0.0)
    assert len(rate_limiter.violations()) == 1
    rate_limiter.close()
    again = open_rate_limiter(settings)
    assert len(again.violations()) == 1
    again.close()


def test_two_warehouses_of_one_token_share_the_call_store(settings: Settings, tmp_path: Path) -> None:
    here = Settings(api_token=Token("one"), warehouse_dir=tmp_path / "a")
    there = Settings(api_token=Token("one"), base_url="https://api.example.com/api/v1", warehouse_dir=tmp_path / "b")
    with_violation, other = open_rate_limiter(here), open_rate_limiter(there)
    with_violation.record_violation("429", 0.0)
    assert len(other.violations()) == 1
    local = open_rate_limiter(settings)
    assert local.violations() == ()
    for rate_limiter in (with_violation, other, local):
        rate_limiter.close()


def test_a_rate_limiter_needs_a_token(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="API_TOKEN"):
        open_rate_limiter(Settings(warehouse_dir=tmp_path))
