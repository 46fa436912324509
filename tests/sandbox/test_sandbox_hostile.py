"""Failures and the rate limit: each switch off and on, counted by calls and an injected clock."""

from __future__ import annotations

import json

import httpx
import pytest

from referral_warehouse.sandbox import Quirks, Sandbox
from referral_warehouse.sandbox.http.limiter import BLOCK_S, Limiter


def statuses(ask, sandbox: Sandbox, calls: int) -> list[int]:
    return [ask(sandbox, "GET", "/campaigns").status_code for _ in range(calls)]


def test_every_nth_call_fails(world: Sandbox, ask):
    assert statuses(ask, world, 3) == [200, 200, 200]
    world.set_quirks(Quirks(fail_every=3, fail_status=503))
    assert statuses(ask, world, 6) == [200, 200, 503, 200, 200, 503]


@pytest.mark.parametrize(
    ("style", "header"), [("seconds", "1"), ("date", "Mon, 05 Jan 2026 08:00:01 GMT"), ("zero", "0"), ("absent", None)]
)
def test_every_nth_call_has_status_429(world: Sandbox, ask, style: str, header: str | None):
    world.set_quirks(Quirks(throttle_every=2, retry_after=style))
    assert ask(world, "GET", "/campaigns").status_code == 200
    reply = ask(world, "GET", "/campaigns")
    assert (reply.status_code, reply.headers.get("retry-after")) == (429, header)
    assert world.violations == 0


def test_bodies_that_are_not_json(world: Sandbox, ask):
    world.set_quirks(Quirks(bad_json_every=2))
    bodies = [ask(world, "GET", "/users?per_page=2") for _ in range(6)]
    assert [reply.status_code for reply in bodies] == [200] * 6
    assert all(reply.json()["data"] for reply in bodies[::2])
    for reply in bodies[1::2]:
        with pytest.raises(json.JSONDecodeError):
            reply.json()
    assert {reply.text[:9] for reply in bodies[1::2]} == {'{"data":[', "<!DOCTYPE", ""}


@pytest.mark.parametrize(("kind", "start"), [("truncated", '{"data":['), ("html", "<!DOCTYPE"), ("empty", "")])
def test_one_kind_of_body_that_is_not_json(world: Sandbox, ask, kind: str, start: str):
    world.set_quirks(Quirks(bad_json_every=1, bad_json_kind=kind))
    assert {ask(world, "GET", "/users?per_page=2").text[:9] for _ in range(3)} == {start}


def test_slow_responses(world: Sandbox, ask):
    world.set_quirks(Quirks(slow_every=2, slow_s=0.4))
    ask(world, "GET", "/campaigns", timeout=0.3)
    with pytest.raises(httpx.ReadTimeout):
        ask(world, "GET", "/campaigns", timeout=0.1)
    assert ask(world, "GET", "/campaigns", timeout=0.3).status_code == 200


@pytest.mark.parametrize(
    ("in_body", "error"), [(False, (httpx.ReadError, httpx.RemoteProtocolError)), (True, httpx.RemoteProtocolError)]
)
def test_connections_that_break(world: Sandbox, ask, in_body: bool, error):
    world.set_quirks(Quirks(reset_every=2, reset_in_body=in_body))
    assert ask(world, "GET", "/users").status_code == 200
    with pytest.raises(error):
        ask(world, "GET", "/users")
    assert ask(world, "GET", "/users").status_code == 200
    assert [call.status for call in world.calls] == [200, 0, 200]


def test_redirects_go_to_the_configured_address_before_anything_is_read(world: Sandbox, ask):
    with Sandbox(users=1, calls_per_minute=0) as elsewhere:
        world.set_quirks(Quirks(redirect_to=elsewhere.host_url))
        reply = ask(world, "GET", "/users?page=2")
        assert reply.status_code == 301
        assert reply.headers["location"] == f"{elsewhere.base_url}/users?page=2"
        followed = httpx.get(
            f"{world.base_url}/users",
            headers={"Authorization": f"Bearer {world.token}"},
            follow_redirects=True,
            trust_env=False,
        )
        assert followed.status_code == 401  # another origin: httpx does not send the token
        assert [call.authorized for call in elsewhere.calls] == [False]


def test_a_token_that_is_regenerated(world: Sandbox, ask):
    world.set_quirks(Quirks(token_expires_after=2))
    assert statuses(ask, world, 4) == [200, 200, 401, 401]
    world.set_quirks(Quirks())
    assert statuses(ask, world, 1) == [200]


def test_a_blocked_address(world: Sandbox, ask):
    world.set_quirks(Quirks(blocked=True))
    reply = ask(world, "GET", "/campaigns", headers={"Authorization": "Bearer wrong"})
    assert reply.status_code == 403
    assert "blocked" in reply.json()["message"]


# The rate limit.


def limited(clock: list[float], calls_per_minute: int = 5, **quirks) -> Sandbox:
    return Sandbox(users=1, calls_per_minute=calls_per_minute, limiter_clock=lambda: clock[0], quirks=Quirks(**quirks))


def test_headers_count_the_limit_down(ask):
    clock = [0.0]
    with limited(clock) as sandbox:
        replies = [ask(sandbox, "GET", "/campaigns") for _ in range(6)]
        assert [reply.headers["x-ratelimit-remaining"] for reply in replies] == ["4", "3", "2", "1", "0", "0"]
        assert {reply.headers["x-ratelimit-limit"] for reply in replies} == {"5"}
        clock[0] = 12.5
        refused = ask(sandbox, "GET", "/campaigns")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "48")
        assert refused.json() == {"code": 429, "message": "Too Many Requests"}
        clock[0] = 60.0
        assert statuses(ask, sandbox, 1) == [200]
        sandbox.set_quirks(Quirks(no_rate_headers=True))
        assert "x-ratelimit-limit" not in ask(sandbox, "GET", "/campaigns").headers


def test_no_limit_shows_no_headers(world: Sandbox, ask):
    assert "x-ratelimit-limit" not in ask(world, "GET", "/campaigns").headers


def test_more_than_three_violations_block_the_address_for_seven_days(ask):
    clock = [0.0]
    with limited(clock) as sandbox:
        for minute in range(3):
            clock[0] = minute * 60.0
            assert statuses(ask, sandbox, 8) == [200] * 5 + [429] * 3
            assert sandbox.violations == minute + 1
        clock[0] = 180.0
        assert statuses(ask, sandbox, 8) == [200] * 5 + [403] * 3
        sandbox.advance(days=30)  # the account's clock is not the limiter's
        assert statuses(ask, sandbox, 1) == [403]
        clock[0] = 180.0 + BLOCK_S - 1
        assert statuses(ask, sandbox, 1) == [403]
        clock[0] = 180.0 + BLOCK_S
        assert statuses(ask, sandbox, 1) == [200]
        assert sandbox.violations == 0


def test_calls_without_the_token_are_not_counted(ask):
    with limited([0.0]) as sandbox:
        for _ in range(10):
            assert ask(sandbox, "GET", "/campaigns", headers={"Authorization": "Bearer x"}).status_code == 401
        assert ask(sandbox, "GET", "/campaigns").headers["x-ratelimit-remaining"] == "4"


def test_other_integrations_count_towards_the_same_limit(ask):
    with limited([0.0], calls_per_minute=10, others_spend=3) as sandbox:
        remaining = [ask(sandbox, "GET", "/campaigns").headers["x-ratelimit-remaining"] for _ in range(3)]
        assert remaining == ["6", "2", "0"]
        assert statuses(ask, sandbox, 1) == [429]


def test_a_sliding_minute(ask):
    clock = [0.0]
    with limited(clock, sliding_window=True) as sandbox:
        assert statuses(ask, sandbox, 1) == [200]
        clock[0] = 59.0
        assert statuses(ask, sandbox, 4) == [200] * 4
        clock[0] = 60.0
        assert statuses(ask, sandbox, 2) == [200, 429]  # a fixed window would have restarted
        clock[0] = 119.0
        assert statuses(ask, sandbox, 4) == [200] * 4
        assert sandbox.violations == 1


@pytest.mark.parametrize("sliding", [False, True])
def test_a_minute_is_one_violation_however_often_it_is_exceeded(sliding: bool):
    now = [0.0]
    limiter = Limiter(2, lambda: now[0])
    for second in range(50):
        now[0] = float(second)
        limiter.spend(sliding=sliding)
    assert limiter.violations == 1


def test_the_record_of_calls(world: Sandbox, ask):
    ask(world, "GET", "/users?page=2&with[]=campaign")
    ask(world, "POST", "/nothing")
    assert [(call.method, call.path, call.query, call.status) for call in world.calls] == [
        ("GET", "/api/v1/users", "page=2&with[]=campaign", 200),
        ("POST", "/api/v1/nothing", "", 404),
    ]
    world.reset_calls()
    assert world.calls == []
