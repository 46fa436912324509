"""One request over a real socket that fails: what is retried, and which error the rest ends in."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from referral_warehouse.api.client import Client
from referral_warehouse.api.clock import ClientClock
from referral_warehouse.api.query import Query
from referral_warehouse.api.retry import RetryPolicy
from referral_warehouse.errors import ApiUnavailable, AuthenticationError, ProtectiveStop, RequestRefused
from referral_warehouse.settings import Settings, Token
from tests.api.scripted_server import Close, Reset, Response, ScriptedServer, Step, ok
from tests.api.stand_ins import TOKEN, FakeTime

USERS = Query("users", order="id")
MakeClient = Callable[..., Client]


def kinds(client: Client) -> list[str]:
    return [event["kind"] for event in client.events]  # type: ignore[attr-defined]


TEMPORARY: dict[str, Step] = {
    "connection reset": Reset,
    "closed without a response": Close,
    "body cut off": Response(200, b'{"data": [1, 2, 3]}', cut=9),
    "JSON cut off without a length": Response(200, b'{"data": [1, 2', with_length=False),
    "HTML with 200": Response(200, b"<html><title>Just a moment</title></html>"),
    "empty body": Response(200, b""),
    "list on top": Response(200, b"[]"),
    "not gzip though its header is": Response(200, b'{"data": []}', {"Content-Encoding": "gzip"}),
    "gzip cut off": Response(200, gzip.compress(b'{"data": []}' * 50)[:20], {"Content-Encoding": "gzip"}),
    "no HTTP": Response(200, b"", {"Content-Length": "many"}),
    **{f"status {status}": Response(status, b"{}") for status in (408, 500, 502, 503, 504, 520, 521, 522, 523, 524)},
}


@pytest.mark.parametrize("step", TEMPORARY.values(), ids=TEMPORARY.keys())
def test_a_temporary_fault_is_retried(client: Client, server: ScriptedServer, fake: FakeTime, step: Step) -> None:
    server.script.extend([step, step, ok({"data": ["fine"]})])
    response = client.get(USERS)
    assert response.payload == {"data": ["fine"]}
    assert (response.attempts, client.calls, len(server.requests)) == (3, 3, 3)
    assert fake.slept == [1, 2]
    assert kinds(client).count("retry") == 2


def test_a_slow_response_times_out_and_is_retried(
    make_client: MakeClient, settings: Settings, server: ScriptedServer
) -> None:
    never = threading.Event()
    server.script.extend([Response(wait=never), ok()])
    quick = Settings(
        api_token=settings.api_token,
        base_url=settings.base_url,
        calls_per_minute=0,
        timeout_s=0.05,
        warehouse_dir=settings.warehouse_dir,
    )
    response = make_client(quick).get(USERS)
    never.set()
    assert response.attempts == 2


def test_a_refused_connection_ends_after_all_attempts(make_client: MakeClient, tmp_path: Path, fake: FakeTime) -> None:
    with ScriptedServer() as gone:
        url = gone.url
    client = make_client(
        Settings(api_token=Token(TOKEN), base_url=url, calls_per_minute=0, timeout_s=5, warehouse_dir=tmp_path)
    )
    with pytest.raises(ApiUnavailable, match=r"8 attempts.*ConnectError") as failed:
        client.get(USERS)
    assert "users" in failed.value.message
    assert fake.slept == [1, 2, 4, 8, 16, 32, 60]


def test_unreadable_responses_end_with_a_safe_excerpt(client: Client, server: ScriptedServer) -> None:
    server.default = lambda _: Response(200, f"<h1>Down for {TOKEN} repair</h1>".encode())
    with pytest.raises(ApiUnavailable, match=r"web page instead of JSON \(Down for \*\*\* repair\)"):
        client.get(USERS)


def test_cut_off_data_is_not_quoted(client: Client, server: ScriptedServer) -> None:
    server.default = lambda _: Response(200, b'{"data": [{"email": "someone@example.com"}')
    with pytest.raises(ApiUnavailable, match="cut-off JSON") as failed:
        client.get(USERS)
    assert "example.com" not in str(failed.value)


def test_the_deadline_ends_a_call_before_its_attempts_do(
    make_client: MakeClient, server: ScriptedServer, fake: FakeTime
) -> None:
    server.default = lambda _: Response(500)
    client = make_client(
        policy=RetryPolicy(attempts=1000, deadline_s=100, jitter=lambda: 1.0),
        clock=ClientClock(fake.clock, sleep=fake.sleep),
    )
    with pytest.raises(ApiUnavailable, match="HTTP 500"):
        client.get(USERS)
    assert sum(fake.slept) <= 100


@pytest.mark.parametrize(
    ("headers", "slept"),
    [
        ({"Retry-After": "30"}, 32.0),
        ({"Retry-After": "Fri, 01 May 2026 12:00:20 GMT", "Date": "Fri, 01 May 2026 12:00:00 GMT"}, 22.0),
        ({"Retry-After": "0"}, 1.0),
        ({"Retry-After": "soon"}, 1.0),
        ({}, 1.0),
    ],
    ids=["seconds", "an HTTP date", "zero", "unreadable", "absent"],
)
def test_503_obeys_retry_after_with_a_margin(
    client: Client, server: ScriptedServer, fake: FakeTime, headers: dict[str, str], slept: float
) -> None:
    server.script.extend([Response(503, headers=headers), ok()])
    client.get(USERS)
    assert fake.slept == [slept]


def test_a_retry_after_beyond_the_deadline_ends_at_once(client: Client, server: ScriptedServer, fake: FakeTime) -> None:
    server.script.append(Response(503, headers={"Retry-After": "86400"}))
    with pytest.raises(ApiUnavailable, match="HTTP 503"):
        client.get(USERS)
    assert fake.slept == []


def test_a_body_beyond_the_bound_is_not_read_to_the_end(make_client: MakeClient, server: ScriptedServer) -> None:
    client = make_client()
    client._transport._max_body_bytes = 1_000_000
    zeros = gzip.compress(b'{"data": "' + b"0" * 50_000_000 + b'"}')
    server.script.append(Response(200, zeros, {"Content-Encoding": "gzip"}))
    with pytest.raises(ApiUnavailable, match="too large"):
        client.get(USERS)
    assert client.calls == 1
    assert client.get(USERS).payload == {"data": []}


@pytest.mark.parametrize(
    ("step", "status"),
    [
        (Response(500), 500), (Response(503), 503), (Response(501), 501),
        (Response(403, b"<html><h1>Forbidden</h1></html>"), 403), (Response(200, b"HTTP 500"), None), (Reset, None),
    ],
    ids=["500", "503", "501", "a web page with 403", "unreadable", "no response"],
)  # fmt: skip
def test_an_unavailable_api_is_reported_with_the_status_that_failed(
    client: Client, server: ScriptedServer, step: Step, status: int | None
) -> None:
    server.default = lambda _: step
    with pytest.raises(ApiUnavailable) as failed:
        client.get(USERS)
    assert failed.value.status == status


def test_a_permanent_server_error_ends_at_once(client: Client, server: ScriptedServer) -> None:
    server.script.append(Response(501, b'{"message": "no"}'))
    with pytest.raises(ApiUnavailable, match="HTTP 501: no"):
        client.get(USERS)
    assert client.calls == 1


@pytest.mark.parametrize("status", [400, 404, 405, 406, 409, 410, 422])
def test_a_refusal_is_not_retried_and_keeps_the_apis_words(client: Client, server: ScriptedServer, status: int) -> None:
    body = b'{"code": 400, "message": "Validation errors", "errors": {"email": [{"field": "email", "message": "bad"}]}}'
    server.script.append(Response(status, body))
    with pytest.raises(RequestRefused, match=r"Validation errors \(email: bad\)") as refused:
        client.get(USERS)
    assert refused.value.status == status
    assert client.calls == 1


def test_401_stops_this_and_every_later_call(client: Client, server: ScriptedServer) -> None:
    server.script.append(Response(401, b'{"message": "Unauthenticated."}'))
    for _ in range(2):
        with pytest.raises(AuthenticationError, match="Unauthenticated"):
            client.get(USERS)
    assert client.calls == 1


def test_403_of_the_plan_concerns_the_account_and_ends_only_its_request(client: Client, server: ScriptedServer) -> None:
    server.script.append(Response(403, b'{"message": "Marked for administrators only."}'))
    with pytest.raises(AuthenticationError, match="administrators"):
        client.get(USERS)
    assert client.get(USERS).attempts == 1


@pytest.mark.parametrize(
    "body",
    [
        b'{"code": 403, "message": "Your IP is blocked for 7 days"}',
        b'{"message": "Too many requests, access denied"}',
        b"<html><head><title>Access denied</title></head><p>" + b"words " * 300 + b"You have been blocked</p></html>",
    ],
    ids=["blocked for 7 days", "too many requests", "a web page that mentions it late"],
)
def test_403_of_a_block_stops_everything(
    client: Client, make_client: MakeClient, server: ScriptedServer, body: bytes
) -> None:
    server.script.append(Response(403, body))
    for _ in range(2):
        with pytest.raises(ProtectiveStop, match="blocked"):
            client.get(USERS)
    with pytest.raises(ProtectiveStop, match="blocked"):
        make_client()
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_error_and_the_token_is_sent_nowhere_else(
    client: Client, server: ScriptedServer, status: int
) -> None:
    with ScriptedServer() as elsewhere:
        location = f"http://user:pw@127.0.0.1:{elsewhere.port}/login?token=abc"
        server.script.append(Response(status, b"", {"Location": location}))
        with pytest.raises(
            RequestRefused, match=f"redirected .* to http://127.0.0.1:{elsewhere.port}/login "
        ) as refused:
            client.get(USERS)
        assert elsewhere.requests == []
    assert refused.value.status == status
    assert "BASE_URL" in refused.value.next_step
    assert "pw" not in str(refused.value)


@pytest.mark.parametrize("location", [None, "/login", "http://[broken"], ids=["nowhere", "a path", "unreadable"])
def test_odd_redirects_have_a_message_too(client: Client, server: ScriptedServer, location: str | None) -> None:
    server.script.append(Response(302, b"", {"Location": location} if location else {}))
    with pytest.raises(RequestRefused, match="redirect"):
        client.get(USERS)
