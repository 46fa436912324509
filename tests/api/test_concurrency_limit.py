"""How many requests may be in flight follows what the budget needs, and decreases when the server is overloaded.

Time is simulated, with the real rate limiter; the last test runs over sockets, with a clock that stands still.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from referral_warehouse.api.client import Client
from referral_warehouse.api.clock import ClientClock
from referral_warehouse.api.concurrency_limit import INITIAL, MINIMUM, ConcurrencyLimit, SentRequest
from referral_warehouse.api.pagination.paginator import Paginator
from referral_warehouse.api.query import Filter, Query
from referral_warehouse.api.rate_limit.limiter import Permit, RateLimiter
from referral_warehouse.api.retry import RetryPolicy
from referral_warehouse.sandbox import Quirks, Sandbox
from referral_warehouse.settings import Settings, Token
from tests.api.limiter_model import SimulatedTime, most_in_a_window

BUDGET = 540
MINUTES = 6


@dataclass
class Sender:
    """Sends as many requests as may be in flight, each through the rate limiter; records what happened.

    Args:
        latency_s: how long a request takes, by its number and by how many are in flight with it.
        fails: which requests fail.
        kind: the kind of a request.
    """

    simulated: SimulatedTime
    limit: ConcurrencyLimit
    latency_s: Callable[[int, int], float]
    rate_limiter: RateLimiter | None = None
    fails: Callable[[int], bool] = lambda _number: False
    kind: Callable[[int], str] = lambda _number: "users"
    in_flight: int = 0
    sent_at: list[float] = field(default_factory=list)
    limits: list[int] = field(default_factory=list)

    def send(self) -> None:
        while self.in_flight >= self.limit.now:
            self.simulated.until_next()
        permit = None if self.rate_limiter is None else self.rate_limiter.acquire(self.simulated.pause)
        number = len(self.sent_at)
        self.in_flight += 1
        self.sent_at.append(self.simulated.now)
        self.limits.append(self.limit.now)
        elapsed_s, sent = self.latency_s(number, self.in_flight), self.limit.begin()
        self.simulated.at(self.simulated.now + elapsed_s, lambda: self._end(number, sent, elapsed_s, permit))

    def _end(self, number: int, sent: SentRequest, elapsed_s: float, permit: Permit | None) -> None:
        if permit is not None:
            permit.release()
        if self.fails(number):
            self.limit.failed(sent)
        else:
            self.limit.succeeded(sent, self.kind(number), elapsed_s, self.in_flight)
        self.in_flight -= 1


def some_minutes(folder: Path, latency_s: Callable[[int, int], float], most: int = 64) -> Sender:
    """What a long load sends in some minutes with the default budget."""
    simulated = SimulatedTime()
    rate_limiter = simulated.rate_limiter(folder / "l", BUDGET)
    sender = Sender(simulated, ConcurrencyLimit(most, BUDGET), latency_s, rate_limiter)
    while not sender.sent_at or simulated.now - sender.sent_at[0] < 60 * MINUTES:
        sender.send()
    rate_limiter.close()
    return sender


def outliers(number: int, _in_flight: int) -> float:
    """Seconds as a consumer measured them at the live API: 3 of 40 calls take far longer than the others."""
    return 25.0 + number % 7 if number % 13 == 5 else 0.5 + number % 5 / 10


@pytest.mark.parametrize(
    ("latency_s", "upto"),
    [(lambda *_: 0.3, INITIAL), (lambda *_: 3.0, 41), (lambda *_: 4.6, 63), (outliers, 64)],
    ids=["0.3 s", "3 s", "4.6 s", "3 of 40 take long"],
)
def test_the_budget_is_used_at_any_latency_without_tuning(
    tmp_path: Path, latency_s: Callable[[int, int], float], upto: int
) -> None:
    sender = some_minutes(tmp_path, latency_s)
    assert len(sender.sent_at) >= 0.9 * BUDGET * MINUTES
    assert most_in_a_window(sender.sent_at) <= BUDGET
    assert max(sender.limits) <= upto, "no more in flight than the budget needs"


def test_a_fixed_limit_of_8_uses_a_third_of_the_budget_at_3_s(tmp_path: Path) -> None:
    assert len(some_minutes(tmp_path, lambda *_: 3.0, most=8).sent_at) < 0.35 * BUDGET * MINUTES


def test_the_bound_of_the_settings_is_never_exceeded(tmp_path: Path) -> None:
    assert max(some_minutes(tmp_path, lambda *_: 5.0, most=12).limits) == 12
    assert max(some_minutes(tmp_path, lambda *_: 5.0, most=3).limits) == 3


def test_without_a_budget_the_limit_grows_to_the_bound_while_the_server_is_not_slower() -> None:
    sender = Sender(SimulatedTime(), ConcurrencyLimit(64), lambda *_: 0.05)
    for _ in range(500):
        sender.send()
    assert sender.limit.now == 64


def test_nothing_grows_that_is_not_used() -> None:
    limit = ConcurrencyLimit(64)
    for _ in range(500):
        limit.succeeded(limit.begin(), "users", 0.05, INITIAL - 1)
    assert limit.now == INITIAL


@pytest.mark.parametrize("budget", [0, BUDGET])
def test_a_server_that_is_slower_the_more_is_in_flight_keeps_few_requests(budget: int) -> None:
    """It serves 4 requests a second, whatever is sent: more in flight only wait longer."""
    sender = Sender(SimulatedTime(), ConcurrencyLimit(64, budget), lambda _, in_flight: in_flight / 4)
    for _ in range(3000):
        sender.send()
    assert max(sender.limits) <= 2 * INITIAL
    late = sender.limits[-1000:]
    assert sum(late) / len(late) <= 1.5 * INITIAL
    assert min(sender.limits) >= INITIAL, "slowness lowers the limit to its initial value at most"


def test_kinds_of_requests_that_take_different_times_are_not_taken_for_a_slower_server() -> None:
    def latency_s(number: int, _in_flight: int) -> float:
        return 2.0 if number // 200 % 2 else 0.05

    sender = Sender(SimulatedTime(), ConcurrencyLimit(32), latency_s, kind=lambda number: f"list {number // 200 % 2}")
    for _ in range(2000):
        sender.send()
    assert sender.limits[200:] == sorted(sender.limits[200:])
    assert sender.limit.now == 32


def test_after_a_server_became_slower_by_itself_the_limit_grows_again() -> None:
    sender = Sender(SimulatedTime(), ConcurrencyLimit(32), lambda number, _: 0.5 if number < 1000 else 2.0)
    for _ in range(3000):
        sender.send()
    assert min(sender.limits[1000:]) == INITIAL
    assert sender.limit.now == 32


def test_a_failure_halves_the_limit_once_for_all_requests_that_were_in_flight() -> None:
    limit = ConcurrencyLimit(64)
    for number in range(8 + 16):
        limit.succeeded(limit.begin(), "users", 0.05, INITIAL * (1 + number // 8))
    assert limit.now == 32
    in_flight = [limit.begin() for _ in range(32)]
    assert [limit.failed(sent) for sent in in_flight] == [16, *[None] * 31]
    assert limit.failed(limit.begin()) == 8


def test_a_server_that_only_fails_keeps_the_fewest_and_recovers_by_single_steps() -> None:
    sender = Sender(SimulatedTime(), ConcurrencyLimit(64), lambda *_: 0.5, fails=lambda number: number < 200)
    for _ in range(1700):
        sender.send()
    assert set(sender.limits[20:200]) == {MINIMUM}
    assert sender.limits[300] < 2 * INITIAL
    assert sender.limit.now == 64


@pytest.mark.parametrize("most", [1, 2, 5])
def test_small_bounds_hold_whatever_happens(most: int) -> None:
    sender = Sender(SimulatedTime(), ConcurrencyLimit(most, 60), lambda n, _: n % 9 + 0.1, fails=lambda n: n % 20 > 15)
    for _ in range(300):
        sender.send()
    assert (min(sender.limits), max(sender.limits)) == (min(most, MINIMUM), most)


def test_over_sockets_the_limit_grows_until_a_response_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "machine"))
    quirks = Quirks(slow_every=1, slow_s=0.05, fail_every=140, fail_status=503)
    changes: list[int] = []

    def on_event(event: dict[str, object]) -> None:
        if event["kind"] == "concurrency":
            changes.append(int(str(event["in_flight"])))

    with Sandbox(users=30, calls_per_minute=0, quirks=quirks) as sandbox:
        settings = Settings(api_token=Token(sandbox.token), base_url=sandbox.base_url, calls_per_minute=0)
        clock = ClientClock(monotonic=lambda: 0.0, sleep=lambda _: None)
        client = Client(
            replace(settings, warehouse_dir=tmp_path), clock=clock, on_event=on_event, policy=RetryPolicy(base_s=0.0)
        )
        with client, Paginator(client) as paginator:
            counted = paginator.counts(Query("users").where(Filter("id", "gt", 0)) for _ in range(200))
    assert len(set(counted)) == 1
    assert changes[:4] == [16, 32, 64, 32]
