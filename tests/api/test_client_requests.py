"""One request over a real socket: what is sent, what is returned, and what is refused before anything is sent."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from referral_warehouse import __version__
from referral_warehouse.api.client import Client, quote_segment
from referral_warehouse.api.query import Filter, Query, query_params
from referral_warehouse.errors import ConfigurationError, RequestRefused
from referral_warehouse.settings import Settings, Token
from tests.api.scripted_server import Response, ScriptedServer, ok
from tests.api.stand_ins import TOKEN

USERS = Query("users", order="id")
MakeClient = Callable[..., Client]


def kinds(client: Client) -> list[str]:
    return [event["kind"] for event in client.events]  # type: ignore[attr-defined]


def test_a_response_has_payload_time_and_cost(client: Client, server: ScriptedServer) -> None:
    server.script.append(ok({"data": [{"id": 1}], "meta": {"total": 1}}, Date="Fri, 01 May 2026 12:00:00 GMT"))
    response = client.get(USERS)
    assert response.payload == {"data": [{"id": 1}], "meta": {"total": 1}}
    assert response.server_time == datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert (response.attempts, client.calls) == (1, 1)
    assert response.elapsed_s >= 0
    assert response.url_path == "users?order[field]=id&per_page=250"
    assert kinds(client) == ["request"]


@pytest.mark.parametrize("date", [{}, {"Date": "yesterday"}])
def test_a_missing_or_unreadable_date_is_none(client: Client, server: ScriptedServer, date: dict[str, str]) -> None:
    server.script.append(ok(None, **date))
    assert client.get(USERS).server_time is None


def test_the_request_has_its_client_and_what_is_accepted(client: Client, server: ScriptedServer) -> None:
    client.get(USERS)
    request = server.requests[0]
    assert request.method == "GET"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["accept"] == "application/json"
    assert request.headers["accept-encoding"] == "gzip"
    assert request.headers["user-agent"] == f"referral-warehouse/{__version__}"


def test_parameters_arrive_as_written(client: Client, server: ScriptedServer) -> None:
    query = Query(
        "users", (Filter("name", "like", "Zoë & Co + 100%"),), order="id", relations=("coupon", "campaign"), page=2
    )
    client.get(query)
    parts = urlsplit(server.requests[0].target)
    assert parts.path == "/api/v1/users"
    assert parse_qsl(parts.query) == query_params(query)


@pytest.mark.parametrize(
    "name", ["SPRING 25", "a/b", "100%", "100%25", "what?", "#1", "Zoë", "🎁 gift", "a+b&c=d;e", "...", "~.-_", "a\\b"]
)
def test_coupon_names_arrive_as_one_segment(client: Client, server: ScriptedServer, name: str) -> None:
    client.get(Query(f"coupons/{quote_segment(name)}", per_page=None))
    path = server.requests[0].target
    assert path.count("/") == 4
    assert unquote(path) == f"/api/v1/coupons/{name}"


def test_gzip_and_chunks_are_decoded(client: Client, server: ScriptedServer) -> None:
    body = gzip.compress(json.dumps({"data": ["ü"] * 5000}).encode())
    server.script.append(Response(200, body, {"Content-Encoding": "gzip"}))
    chunked = b'4\r\n{"da\r\n9\r\nta": [1]}\r\n0\r\n\r\n'
    server.script.append(Response(200, chunked, {"Transfer-Encoding": "chunked"}, with_length=False))
    assert client.get(USERS).payload == {"data": ["ü"] * 5000}
    assert client.get(USERS).payload == {"data": [1]}


def test_connections_are_kept_and_cookies_are_not(client: Client, server: ScriptedServer) -> None:
    server.script.append(ok(None, Set_Cookie="session=abc; Path=/"))
    for _ in range(5):
        client.get(USERS)
    assert server.connections == 1
    assert not any("cookie" in request.headers for request in server.requests)


def test_several_threads_share_one_client(make_client: MakeClient, server: ScriptedServer) -> None:
    server.default = lambda request: ok({"data": [request.target]})
    client = make_client(on_event=None)
    seen: dict[int, object] = {}

    def work(number: int) -> None:
        for page in range(10):
            seen[number * 10 + page] = client.get(Query(f"users/{number}/{page}", per_page=None)).payload["data"]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert seen == {n * 10 + p: [f"/api/v1/users/{n}/{p}"] for n in range(8) for p in range(10)}
    assert client.calls == 80
    assert server.connections <= 8


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"api_token": None}, "API_TOKEN is not set"),
        ({"api_token": Token("")}, "API_TOKEN"),
        ({"api_token": Token("line\nbreak")}, "copy it again"),
        ({"api_token": Token("sp ace")}, "copy it again"),
        ({"api_token": Token("pässword")}, "copy it again"),
        ({"base_url": "http://example.com/api/v1"}, "https"),
        ({"base_url": "https://example.com/api/v1", "calls_per_minute": 0}, "this machine only"),
        ({"base_url": "https://example.com:port"}, "not a web address"),
    ],
)
def test_unsafe_settings_are_refused_without_showing_the_token(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    base: dict[str, object] = {"api_token": Token("tok"), "warehouse_dir": tmp_path}
    with pytest.raises(ConfigurationError, match=words) as refused:
        Client(Settings(**{**base, **change}))  # type: ignore[arg-type]
    assert "break" not in str(refused.value)


def test_the_token_shows_in_no_event_error_or_repr(client: Client, server: ScriptedServer) -> None:
    body = json.dumps({"message": f"bad token {TOKEN}"}).encode()
    server.script.extend([Response(500, body), Response(200, f"<p>{TOKEN}</p>".encode()), Response(422, body)])
    with pytest.raises(RequestRefused) as refused:
        client.get(USERS)
    shown = f"{refused.value} {client.events} {client!r} {vars(client)}"  # type: ignore[attr-defined]
    assert "bad token ***" in shown
    assert TOKEN not in shown
