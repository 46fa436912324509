"""TLS over a real socket: verified always, with a CA of one's own where the environment names it.

The certificates are created for each run by an untrusted authority.
"""

from __future__ import annotations

import dataclasses
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from referral_warehouse.api.client import Client
from referral_warehouse.api.clock import ClientClock
from referral_warehouse.api.query import Query
from referral_warehouse.errors import ApiError, ApiUnavailable, ConfigurationError
from referral_warehouse.settings import Settings
from tests.api.scripted_server import Response, ScriptedServer, ok
from tests.api.stand_ins import TOKEN
from tests.api.tunnel import Tunnel

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


@pytest.mark.parametrize(
    "name", ["PYTHONHTTPSVERIFY", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"]
)
@pytest.mark.parametrize("value", ["", "0"])
def test_nothing_in_the_environment_switches_verification_off(
    make_client: MakeClient,
    secure_settings: Settings,
    secure_server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
) -> None:
    monkeypatch.setenv(name, value)
    words = r"certificate could not be verified|no certificates"
    with pytest.raises((ApiUnavailable, ConfigurationError), match=words):
        make_client(secure_settings).get(Query("users"))
    assert secure_server.requests == []


def test_a_certificate_of_another_name_is_refused(
    make_client: MakeClient, secure_settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    AUTHORITY.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("elsewhere.example.com").configure_cert(context)
    with ScriptedServer(context) as other:
        client = make_client(dataclasses.replace(secure_settings, base_url=f"{other.url}/api/v1"))
        with pytest.raises(ApiUnavailable, match="certificate could not be verified"):
            client.get(Query("users"))
        assert other.requests == []


def test_responses_come_through_a_proxy_that_sees_neither_token_nor_query(
    make_client: MakeClient, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """HTTPS_PROXY with a password, and a bundle with a company's own authority: both as the environment names them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("api.example.com").configure_cert(context)
    AUTHORITY.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with ScriptedServer(context) as vendor, Tunnel(vendor.port) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://someone:hunter2@{proxy.address}")
        vendor.default = lambda _: ok({"data": ["through the tunnel"]})
        there = dataclasses.replace(settings, base_url="https://api.example.com/api/v1", calls_per_minute=540)
        with make_client(there) as client:
            assert client.get(Query("users", page=7)).payload == {"data": ["through the tunnel"]}
        assert [request.headers["authorization"] for request in vendor.requests] == [f"Bearer {TOKEN}"]
        [request] = proxy.requests
        assert request.startswith("CONNECT api.example.com:443 HTTP/1.1")
        assert "Proxy-Authorization: Basic" in request
        assert TOKEN not in request
        assert TOKEN.encode() not in proxy.carried
        assert b"users" not in proxy.carried


def test_stop_ends_a_read_over_tls(
    make_client: MakeClient,
    secure_settings: Settings,
    secure_server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    AUTHORITY.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    never = threading.Event()
    secure_server.default = lambda _: Response(wait=never)
    client = make_client(secure_settings, clock=ClientClock())
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
