"""TLS over a real socket: verified always, with a CA of one's own where the environment names it.

The certificates are made anew for each run by an authority that nobody trusts.
"""

from __future__ import annotations

import dataclasses
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from scripted_server import Say, ScriptedServer, ok

from pipelines.api.client import Client
from pipelines.api.query import Query
from pipelines.errors import ApiError, ApiUnavailable
from pipelines.settings import Settings

AUTHORITY = trustme.CA()
MakeClient = Callable[..., Client]


@pytest.fixture
def secure_server() -> Iterator[ScriptedServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(context)
    with ScriptedServer(context) as running:
        yield running


@pytest.fixture
def secure_settings(settings: Settings, secure_server: ScriptedServer) -> Settings:
    return dataclasses.replace(settings, base_url=f"{secure_server.url}/api/v1", timeout_s=30.0)


def test_an_unknown_certificate_is_refused_at_once(
    make_client: MakeClient, secure_settings: Settings, secure_server: ScriptedServer
) -> None:
    client = make_client(secure_settings)
    with pytest.raises(ApiUnavailable, match="certificate could not be verified") as refused:
        client.get(Query("users"))
    assert "SSL_CERT_FILE" in refused.value.next_step
    assert client.calls == 1
    assert secure_server.requests == []


def test_a_ca_named_in_the_environment_is_trusted(
    make_client: MakeClient,
    secure_settings: Settings,
    secure_server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    AUTHORITY.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    secure_server.default = lambda _: ok({"data": ["over TLS"]})
    client = make_client(secure_settings)
    assert [client.get(Query("users")).payload["data"] for _ in range(2)] == [["over TLS"]] * 2
    assert secure_server.connections == 1


def test_stop_wakes_a_read_over_tls(
    make_client: MakeClient,
    secure_settings: Settings,
    secure_server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    AUTHORITY.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    never = threading.Event()
    secure_server.default = lambda _: Say(wait=never)
    client = make_client(secure_settings, sleep=None)
    errors: list[ApiError] = []

    def work() -> None:
        try:
            client.get(Query("users"))
        except ApiError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert secure_server.arrived.acquire(timeout=30)
    client.stop()
    thread.join(20)
    never.set()
    assert [type(error) for error in errors] == [ApiError]
