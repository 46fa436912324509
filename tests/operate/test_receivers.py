"""Delivery to a real server and a real program: in time, and never with an error."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from referral_warehouse.operate.receivers import ping, send, with_suffix
from referral_warehouse.settings.notify import NotifySettings, SecretUrl
from tests.operate.receiver import Receiver

PAYLOAD = {"text": "ü \ud83d\ude00", "events": ["failure"]}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def to(url: str, timeout_s: int = 5) -> NotifySettings:
    return NotifySettings(url=SecretUrl(url), ping_url=SecretUrl(url), timeout_s=timeout_s)


def test_an_object_is_posted_as_json(receiver: Receiver) -> None:
    assert send(to(receiver.url("hook?key=1")), PAYLOAD) == []
    [got] = receiver.received
    assert (got.path, got.kind, got.json) == (
        "/hook?key=1",
        "application/json",
        {"text": "ü 😀", "events": ["failure"]},
    )


def test_pings_go_to_the_address_its_start_and_its_failure(receiver: Receiver) -> None:
    settings = to(receiver.url("ping/uuid?create=1"))
    assert ping(settings, "/start") + ping(settings) + ping(settings, "/fail", "x" * 5000) == []
    assert [got.path for got in receiver.received] == [f"/ping/uuid{end}?create=1" for end in ("/start", "", "/fail")]
    assert len(receiver.received[-1].body) == 1000
    assert with_suffix(SecretUrl("https://example.com/p/"), "/fail") == "https://example.com/p/fail"
    assert with_suffix(SecretUrl("https://example.com/p/"), "") == "https://example.com/p/"
    assert ping(NotifySettings(), "/start") == []


@pytest.mark.parametrize("status", [301, 404, 500])
def test_a_response_other_than_success_is_reported_in_a_sentence(receiver: Receiver, status: int) -> None:
    receiver.status = status
    assert send(to(receiver.url("hook-77aa0f3321d0")), PAYLOAD) == [f"NOTIFY__URL answered with HTTP {status}"]
    assert len(receiver.received) == 1, "no redirect is followed, nothing is sent twice"


def test_a_server_that_is_not_there_is_a_sentence_without_its_address() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/hook"
    assert send(to(url), PAYLOAD) == ["NOTIFY__URL could not be reached (ConnectError)"]
    assert ping(to(url)) == ["NOTIFY__PING_URL could not be reached (ConnectError)"]


@pytest.mark.parametrize("drip", [b"", b"HTTP/1.1 200 OK\r\nX: "], ids=["silent", "one byte at a time"])
def test_a_server_that_does_not_come_to_an_end_costs_the_time_limit(drip: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(drip)
                while drip and not ended.wait(0.2):
                    connection.sendall(b"x")
                ended.wait()

        thread = threading.Thread(target=serve)
        thread.start()
        began = time.monotonic()
        found = send(to(f"http://127.0.0.1:{server.getsockname()[1]}/", timeout_s=1), PAYLOAD)
        took = time.monotonic() - began
        ended.set()
        thread.join()
    assert found in (["NOTIFY__URL did not answer within 1 s"], ["NOTIFY__URL could not be reached (ReadTimeout)"])
    assert 0.9 < took < 20


@pytest.mark.parametrize("name", ["HTTP_PROXY", "SSL_CERT_FILE"])
def test_a_wrong_environment_is_a_sentence(receiver: Receiver, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "http://[nowhere" if name == "HTTP_PROXY" else "/nowhere.pem")
    [problem] = send(to(receiver.url("hook")), PAYLOAD)
    assert problem.startswith("NOTIFY__URL could not be reached (")


def command(*words: str, timeout_s: int = 30) -> NotifySettings:
    return NotifySettings(command=words, timeout_s=timeout_s)


def test_a_command_gets_the_object_and_no_secret_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__REFERRAL_FACTORY__API_TOKEN", "tok-1")
    monkeypatch.setenv("NOTIFY__URL", "https://example.com/secret")
    monkeypatch.setenv("DESTINATION__X__CREDENTIALS", "postgres://me:password@example.com/db")
    monkeypatch.setenv("OTHER", "kept")
    received, seen = tmp_path / "received", tmp_path / "seen"
    assert send(command("sh", "-c", f"cat > {received}; env > {seen}; echo noise; echo noise >&2"), PAYLOAD) == []
    assert json.loads(received.read_text()) == {"text": "ü 😀", "events": ["failure"]}
    assert "OTHER=kept" in seen.read_text()
    assert "SOURCES__" not in seen.read_text()
    assert "NOTIFY__" not in seen.read_text()
    assert "DESTINATION__" not in seen.read_text()


def test_a_command_that_fails_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "no program").write_text("")
    (tmp_path / "no program").chmod(0o700)
    assert send(command("sh", "-c", "exit 3"), PAYLOAD) == ["NOTIFY__COMMAND ended with 3"]
    assert send(command(str(tmp_path / "no program")), PAYLOAD) == [
        "NOTIFY__COMMAND could not be started (Exec format error)"
    ]
    assert send(command("true"), {"text": "x" * 1_000_000, "events": []}) in (
        [],
        ["NOTIFY__COMMAND did not read the event (Broken pipe)"],
    )


def test_a_command_that_does_not_end_is_killed_with_its_children(tmp_path: Path) -> None:
    number = tmp_path / "number"
    found = send(command("sh", "-c", f"sleep 600 & echo $! > {number}; wait", timeout_s=1), PAYLOAD)
    assert found == ["NOTIFY__COMMAND did not end within 1 s and was killed"]
    child = int(number.read_text())
    for _ in range(500):
        if not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2]:
            break
        time.sleep(0.01)
    else:
        os.kill(child, 9)
        pytest.fail("the child is still running")
