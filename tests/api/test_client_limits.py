"""Rate-limit violations and stopping: how a client prevents a block and how it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from referral_warehouse.api.client import Client
from referral_warehouse.api.clock import ClientClock
from referral_warehouse.api.query import Query
from referral_warehouse.api.rate_limit.host import HostClock
from referral_warehouse.api.rate_limit.limiter import open_rate_limiter
from referral_warehouse.api.retry import RetryPolicy
from referral_warehouse.errors import ApiError, BudgetExhausted, ProtectiveStop, ReferralsError
from referral_warehouse.settings import Settings
from tests.api.scripted_server import Response, ScriptedServer, ok
from tests.api.stand_ins import FakeTime

USERS = Query("users", order="id")
MakeClient = Callable[..., Client]


def kinds(client: Client) -> list[str]:
    return [event["kind"] for event in client.events]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"Retry-After": "30"}, 32.0),
        ({"Retry-After": "Fri, 01 May 2026 12:00:20 GMT", "Date": "Fri, 01 May 2026 12:00:00 GMT"}, 22.0),
        ({"Retry-After": "0"}, 62.0),
        ({}, 62.0),
    ],
    ids=["seconds", "an HTTP date", "zero", "absent"],
)
def test_the_first_429_is_a_violation_and_is_retried_after_its_wait(
    make_client: MakeClient, settings: Settings, server: ScriptedServer, headers: dict[str, str], wait_s: float
) -> None:
    simulated = FakeTime()
    rate_limiter = open_rate_limiter(settings, HostClock(simulated.clock))
    client = make_client(rate_limiter=rate_limiter, clock=ClientClock(sleep=simulated.sleep))
    server.script.extend([Response(429, b'{"message": "Too Many Attempts."}', headers), ok()])
    assert client.get(USERS).attempts == 2
    assert simulated.slept == [pytest.approx(wait_s)]
    assert [violation.what for violation in client.violations] == ["429"]
    assert kinds(client) == ["request", "strike", "concurrency", "retry", "wait", "request"]
    rate_limiter.close()


def test_the_second_429_within_a_week_is_a_protective_stop(
    make_client: MakeClient, server: ScriptedServer, settings: Settings
) -> None:
    with_violation = open_rate_limiter(settings)
    with_violation.record_violation("429", 0.0)
    with_violation.close()
    client = make_client()
    server.script.append(Response(429, headers={"Retry-After": "1"}))
    for _ in range(2):
        with pytest.raises(ProtectiveStop, match="no call is sent before") as stopped:
            client.get(USERS)
    assert stopped.value.exit_code == 6
    assert client.calls == 1
    with pytest.raises(ProtectiveStop):
        make_client()
    again = open_rate_limiter(settings)
    again.forgive()
    again.close()
    assert make_client().get(USERS).attempts == 1


def test_a_429_with_a_wait_of_hours_ends_at_once(make_client: MakeClient, server: ScriptedServer) -> None:
    server.script.append(Response(429, headers={"Retry-After": "7200"}))
    with pytest.raises(BudgetExhausted, match="7202 s"):
        make_client().get(USERS)


def test_the_servers_count_reaches_the_rate_limiter(
    make_client: MakeClient, settings: Settings, server: ScriptedServer
) -> None:
    counted = Settings(
        api_token=settings.api_token,
        base_url=settings.base_url,
        calls_per_minute=540,
        timeout_s=5,
        warehouse_dir=settings.warehouse_dir,
    )
    rate_limiter = open_rate_limiter(counted)
    client = make_client(counted, rate_limiter=rate_limiter)
    server.default = lambda _: ok(None, X_RateLimit_Limit="300", X_RateLimit_Remaining="120")
    client.get(USERS)
    client.get(USERS)
    assert rate_limiter._capacity() == 300
    assert rate_limiter._sharing.others == 179
    rate_limiter.close()


@pytest.mark.parametrize("where", ["reading", "backing off", "waiting for a turn"])
def test_stop_ends_waiting_in_every_thread(
    make_client: MakeClient, settings: Settings, server: ScriptedServer, where: str
) -> None:
    never = threading.Event()
    server.default = lambda _: Response(wait=never) if where == "reading" else Response(500)
    own = Settings(
        api_token=settings.api_token,
        base_url=settings.base_url,
        timeout_s=600,
        warehouse_dir=settings.warehouse_dir,
        calls_per_minute=1 if where == "waiting for a turn" else 0,
    )
    waiting = threading.Semaphore(0)
    client = make_client(
        own,
        clock=ClientClock(),
        policy=RetryPolicy(base_s=500, cap_s=500, jitter=lambda: 1.0),
        on_event=lambda event: waiting.release() if event["kind"] in ("retry", "wait") else None,
    )
    if where == "waiting for a turn":
        server.default = lambda _: ok()
        client.get(USERS)
        server.arrived.acquire()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            client.get(USERS)
        except ReferralsError as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    signal = server.arrived if where == "reading" else waiting
    for _ in range(1 if where == "waiting for a turn" else 3):
        assert signal.acquire(timeout=30)
    client.stop()
    for thread in threads:
        thread.join(30)
    never.set()
    assert [type(error) for error in errors] == [ApiError] * 3
    assert all("run was stopped" in str(error) for error in errors)
    with pytest.raises(ApiError, match="run was stopped"):
        client.get(USERS)
