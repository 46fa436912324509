"""Permanent TLS errors are not retried and have advice; a connection that is cut off in its handshake is retried."""

from __future__ import annotations

import dataclasses
import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from referral_warehouse.api.client import Client
from referral_warehouse.api.query import Query
from referral_warehouse.errors import ApiUnavailable
from referral_warehouse.settings import Settings
from tests.api.scripted_server import ScriptedServer

AUTHORITY = trustme.CA()
MakeClient = Callable[..., Client]
USERS = Query("users")


@pytest.fixture(autouse=True)
def trusted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    AUTHORITY.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))


def issued(authority: trustme.CA = AUTHORITY, name: str = "127.0.0.1", days: int = 30) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    authority.issue_cert(name, not_before=until - datetime.timedelta(days=60), not_after=until).configure_cert(context)
    return context


def other_cipher() -> ssl.SSLContext:
    context = issued()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("PSK-AES128-CBC-SHA256")
    return context


def wants_a_client_certificate() -> ssl.SSLContext:
    context = issued()
    context.verify_mode = ssl.CERT_REQUIRED
    AUTHORITY.configure_trust(context)
    return context


LASTING: dict[str, tuple[Callable[[], ssl.SSLContext], str, str]] = {
    "unknown authority": (lambda: issued(trustme.CA()), "certificate could not be verified", "SSL_CERT_FILE"),
    "another name": (lambda: issued(name="elsewhere.example.com"), "certificate could not be verified", "host name"),
    "expired": (lambda: issued(days=-1), "certificate could not be verified", "clock"),
    "no cipher in common": (other_cipher, "No secure connection", "TLS version or cipher"),
    "a client certificate is wanted": (wants_a_client_certificate, "No secure connection", "client certificate"),
}


@pytest.mark.parametrize("name", LASTING)
def test_a_permanent_tls_error_is_not_retried(make_client: MakeClient, settings: Settings, name: str) -> None:
    context, words, advice = LASTING[name]
    with ScriptedServer(context()) as server:
        there = dataclasses.replace(settings, base_url=f"https://127.0.0.1:{server.port}/api/v1", timeout_s=30.0)
        client = make_client(there)
        with pytest.raises(ApiUnavailable, match=words) as refused:
            client.get(USERS)
        assert advice in refused.value.next_step
        assert "API_TOKEN" not in str(refused.value)
        assert (client.calls, server.requests) == (1, [])


ANSWERS = {
    "plain http on the port": (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "BASE_URL"),
    # The alert of a server that speaks only versions that this machine does not support: protocol_version (70).
    "an old protocol": (b"\x15\x03\x01\x00\x02\x02\x46", "TLS version"),
    "no cipher for us": (b"\x15\x03\x03\x00\x02\x02\x28", "TLS version or cipher"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_handshake_that_is_refused_is_not_retried(make_client: MakeClient, settings: Settings, name: str) -> None:
    answer, advice = ANSWERS[name]
    with handshakes_answered_by(answer) as (port, connections):
        client = make_client(dataclasses.replace(settings, base_url=f"https://127.0.0.1:{port}"))
        with pytest.raises(ApiUnavailable, match="No secure connection") as refused:
            client.get(USERS)
    assert advice in refused.value.next_step
    assert len(connections) == 1


@pytest.mark.parametrize("answer", [b"", b"\x16\x03\x03\x00\x7a\x02", b"\x15\x03\x03\x00\x02\x02\x50"],
                         ids=["closed", "cut off", "internal error"])  # fmt: skip
def test_a_handshake_that_was_cut_off_is_retried(make_client: MakeClient, settings: Settings, answer: bytes) -> None:
    with handshakes_answered_by(answer) as (port, connections):
        client = make_client(dataclasses.replace(settings, base_url=f"https://127.0.0.1:{port}"))
        with pytest.raises(ApiUnavailable, match="8 attempts"):
            client.get(USERS)
    assert len(connections) == 8


@contextmanager
def handshakes_answered_by(answer: bytes) -> Iterator[tuple[int, list[int]]]:
    """A port whose connections get these bytes for their first ones, and are closed."""
    connections: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connections.append(len(connection.recv(4096)))
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1], connections
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)
