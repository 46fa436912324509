"""The server of the account: control endpoints, outbound webhook, threads, start and stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from referral_warehouse.sandbox import Quirks, Sandbox, serve


def control(ask, sandbox: Sandbox, method: str, path: str, **more):
    return ask(sandbox, method, f"{sandbox.host_url}/_sandbox/{path}", **more)


def test_another_process_can_control_the_account(fresh: Sandbox, ask):
    assert control(ask, fresh, "POST", "advance?days=2").json() == {"now": "2026-01-07T08:00:00+00:00"}
    assert control(ask, fresh, "POST", "wait?seconds=90").json() == {"now": "2026-01-07T08:01:30+00:00"}
    assert control(ask, fresh, "GET", "now").json() == {"now": fresh.now.isoformat()}
    assert control(ask, fresh, "GET", "events?after=3").json() == fresh.events(after=3)
    users = control(ask, fresh, "GET", "tables/users").json()
    assert users == fresh.rows("users")
    due = control(ask, fresh, "GET", "tables/rewards_due").json()
    assert [row["total_value"] for row in due] == [f"{row['total_value']:.2f}" for row in fresh.rows("rewards_due")]


def test_another_process_can_set_quirks_and_read_calls(fresh: Sandbox, ask):
    ask(fresh, "GET", "/campaigns")
    assert [call["path"] for call in control(ask, fresh, "GET", "calls").json()] == ["/api/v1/campaigns"]
    assert control(ask, fresh, "DELETE", "calls").json() == []
    assert control(ask, fresh, "POST", "quirks", json={"no_meta": True}).json()["no_meta"] is True
    assert fresh.quirks == Quirks(no_meta=True)
    assert control(ask, fresh, "POST", "quirks", json={"blocked": True}).json()["no_meta"] is False
    assert control(ask, fresh, "GET", "quirks").json()["blocked"] is True  # not to control endpoints
    assert control(ask, fresh, "POST", "quirks", json={"nonsense": 1}).status_code == 400
    assert control(ask, fresh, "POST", "quirks", content=b"[]").status_code == 400
    assert fresh.quirks == Quirks(blocked=True)


def test_the_paths_of_version_0_2_are_still_served(fresh: Sandbox, ask):
    assert control(ask, fresh, "POST", "traps", json={"no_meta": True}).json()["no_meta"] is True
    assert control(ask, fresh, "GET", "traps").json() == control(ask, fresh, "GET", "quirks").json()
    assert control(ask, fresh, "POST", "acts/qualify", json={"user_id": 10**6}).status_code == 404
    user_id = fresh.rows("users")[-1]["id"]
    assert control(ask, fresh, "POST", "acts/grow_reach", json={"user_id": user_id}).json() == {"result": None}


def test_another_process_can_request_actions(fresh: Sandbox, ask):
    made = control(
        ask, fresh, "POST", "actions/add_user", json={"campaign_id": 1, "joined_at": "2026-01-01T10:00:00+00:00"}
    )
    user_id = made.json()["result"]
    assert fresh.rows("users")[-1]["date"] == "2026-01-01T10:00:00.000000Z"
    assert control(ask, fresh, "POST", "actions/qualify", json={"user_id": user_id}).json() == {"result": True}
    assert control(ask, fresh, "POST", "actions/qualify", json={"user_id": 10**6}).status_code == 404
    assert control(ask, fresh, "POST", "actions/qualify", json={"shoe": 1}).status_code == 400
    assert control(ask, fresh, "POST", "actions/reprice", json={"reward_id": 1, "value": "cheap"}).status_code == 400
    assert control(ask, fresh, "POST", "actions/stop", json={}).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "advance"), ("POST", "wait"), ("GET", "now"), ("GET", "tables/users"), ("GET", "events"),
     ("GET", "calls"), ("POST", "quirks"), ("POST", "actions/add_user")],
)  # fmt: skip
def test_the_control_endpoints_require_the_token(fresh: Sandbox, ask, method: str, path: str):
    assert control(ask, fresh, method, path, headers={"Authorization": "Bearer no"}).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "advance?days=x", 400),
        ("POST", "advance?days=99999", 400),
        ("GET", "tables/nothing", 404),
        ("GET", "advance", 405),
    ],
)
def test_the_control_endpoints_refuse_invalid_requests(fresh: Sandbox, ask, method: str, path: str, status: int):
    assert control(ask, fresh, method, path).status_code == status


class Receiver:
    """Receives webhooks; responds with the given statuses first, then with 200."""

    def __init__(self, statuses: list[int]) -> None:
        self.got: list[dict[str, Any]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = statuses.pop(0) if statuses else 200
                if status == 200:
                    receiver.got.append(json.loads(body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def receiver(request: pytest.FixtureRequest) -> Iterator[Receiver]:
    found = Receiver(list(getattr(request, "param", [])))
    yield found
    found.close()


def test_new_users_and_qualifications_are_posted(receiver: Receiver, ask):
    with Sandbox(users=5, calls_per_minute=0, webhook_url=receiver.url) as sandbox:
        made = ask(sandbox, "POST", "/users", form="campaign_id=1&first_name=Ann&email=ann@example.com").json()["data"]
        ask(sandbox, "PUT", f"/users/{made['id']}", form="qualified=1")
        sandbox.flush_webhooks()
        assert [(item["event"], item["data"]["id"], item["data"]["qualified"]) for item in receiver.got] == [
            ("user.created", made["id"], False),
            ("user.qualified", made["id"], True),
        ]
        last = sandbox.events()[-1]["event_id"]
        sandbox.advance(days=1)
        sandbox.flush_webhooks()
        here = {row["id"] for row in sandbox.rows("users")}  # users added and deleted on the same day are not reported
        joined = {event["user_id"] for event in sandbox.events(after=last) if event["kind"] == "user_joined"}
        assert joined & here
        assert {item["data"]["id"] for item in receiver.got} >= joined & here


@pytest.mark.parametrize(("receiver", "delivered"), [([500, 503, 429], 1), ([500] * 4, 0)], indirect=["receiver"])
def test_a_failing_receiver_is_called_again_a_few_times(receiver: Receiver, delivered: int):
    pauses: list[float] = []
    with Sandbox(users=1, webhook_url=receiver.url, webhook_pause=pauses.append) as sandbox:
        sandbox.add_user(1, "Ann", "ann@example.com")
        sandbox.flush_webhooks()
        assert len(receiver.got) == delivered
        assert pauses == [0.2, 0.4, 0.8]


def test_a_missing_receiver_does_not_disturb_the_server(ask):
    with Sandbox(
        users=1, calls_per_minute=0, webhook_url="http://127.0.0.1:9/hook", webhook_pause=lambda _: None
    ) as sandbox:
        for _ in range(3):
            sandbox.add_user(1, "Ann", "ann@example.com")
        assert ask(sandbox, "GET", "/users").status_code == 200
        sandbox.flush_webhooks()


def test_many_threads_change_and_read_at_once(fresh: Sandbox):
    before = len(fresh.rows("users"))

    def work(number: int) -> int:
        with httpx.Client(headers={"Authorization": f"Bearer {fresh.token}"}, trust_env=False) as client:
            for turn in range(8):
                fresh.qualify(fresh.add_user(1, f"T{number}", f"t{number}.{turn}@example.com"))
                form = {"campaign_id": "1", "first_name": "H", "email": f"h{number}.{turn}@example.com"}
                assert client.post(f"{fresh.base_url}/users", data=form).status_code == 201
                body = client.get(f"{fresh.base_url}/users?per_page=250&with=all").json()
                assert body["meta"]["total"] >= len(body["data"]) > 0
        return 16

    with ThreadPoolExecutor(4) as pool:
        added = sum(pool.map(work, range(4)))
    assert len(fresh.rows("users")) == before + added
    assert [row["id"] for row in fresh.rows("users")] == sorted({row["id"] for row in fresh.rows("users")})


def test_a_slow_response_does_not_delay_the_stop(http: httpx.Client):
    arrived = threading.Event()

    def clock() -> float:
        arrived.set()
        return 0.0

    with (
        ThreadPoolExecutor(1) as pool,
        Sandbox(users=1, limiter_clock=clock, quirks=Quirks(slow_every=1, slow_s=3600)) as sandbox,
    ):
        headers = {"Authorization": f"Bearer {sandbox.token}"}
        waiting = pool.submit(http.get, f"{sandbox.base_url}/users", headers=headers)
        assert arrived.wait(20)
        sandbox.stop()
        assert waiting.result().status_code == 200


def test_an_idle_server_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, http: httpx.Client):
    """Tests start hundreds of servers; uvicorn by itself sleeps for a tenth of a second, twice."""
    sleeps: list[float] = []
    sleep = asyncio.sleep

    async def recorded(seconds: float) -> None:
        sleeps.append(seconds)
        await sleep(seconds)

    monkeypatch.setattr(asyncio, "sleep", recorded)
    with Sandbox(users=1) as sandbox:
        headers = {"Authorization": f"Bearer {sandbox.token}"}
        assert http.get(f"{sandbox.base_url}/users", headers=headers).status_code == 200
    assert [seconds for seconds in sleeps if seconds > 0] == []
    assert not [thread for thread in threading.enumerate() if thread.name == "sandbox" and thread.is_alive()]


def test_a_taken_port_is_an_error(fresh: Sandbox):
    port = int(fresh.host_url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"), Sandbox(users=1, port=port):
        pass


SERVER = """
import sys
from referral_warehouse.sandbox import serve
serve(path=sys.argv[1], users=20, on_ready=lambda url: print(url, flush=True))
print("stopped", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_stops_cleanly_on_a_signal_and_keeps_its_account(tmp_path: Path, number: int):
    path = tmp_path / "world.sqlite"
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SERVER, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        url = process.stdout.readline().strip()
        headers = {"Authorization": "Bearer sandbox-token"}
        made = httpx.post(
            f"{url}/users",
            headers=headers,
            data={"campaign_id": "1", "first_name": "Ann", "email": "ann@example.com"},
            trust_env=False,
        )
        assert made.status_code == 201
        os.kill(process.pid, number)
        out, errors = process.communicate(timeout=20)
    assert (out, errors, process.returncode) == ("stopped\n", "", 0)
    with Sandbox(path) as sandbox:
        assert sandbox.rows("users")[-1]["first_name"] == "Ann"


def test_serve_reports_when_it_is_ready(tmp_path: Path):
    seen: list[int] = []

    def ready(url: str) -> None:
        seen.append(httpx.get(f"{url}/users", headers={"Authorization": "Bearer t"}, trust_env=False).status_code)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    serve(users=2, token="t", on_ready=ready)
    assert seen == [200]
    assert signal.getsignal(signal.SIGTERM) == before
