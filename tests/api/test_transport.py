"""The transport: GET only, proxies and certificates from the environment, and sockets whose reads can be ended."""

from __future__ import annotations

import gzip
import ssl
from pathlib import Path

import httpx
import pytest

from referral_warehouse.api.transport import MAX_PIECE_BYTES, Transport
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import Settings, Token
from tests.api.scripted_server import Response, ScriptedServer
from tests.api.stand_ins import TOKEN


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "get"])
def test_nothing_but_get_is_sent(settings: Settings, server: ScriptedServer, method: str) -> None:
    transport = Transport(settings)
    if method == "get":
        assert transport._http.request("get", f"{server.url}/x").status_code == 200  # httpx writes it in capitals
        assert [request.method for request in server.requests] == ["GET"]
    else:
        with pytest.raises(RuntimeError, match="only reads"):
            transport._http.request(method, f"{server.url}/x")
        assert server.requests == []
    transport.close()


def test_a_server_on_this_machine_is_reached_without_a_proxy(
    settings: Settings, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        transport = Transport(settings)
        assert transport.fetch("users").status == 200
        assert (len(server.requests), len(proxy.requests)) == (1, 0)
        transport.close()


def test_https_goes_through_the_proxy_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer() as proxy:
        proxy.default = lambda _: Response(407)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        transport = Transport(
            Settings(api_token=Token(TOKEN), base_url="https://api.example.com/v1", warehouse_dir=tmp_path)
        )
        with pytest.raises(httpx.ProxyError):
            transport.fetch("users")
        transport.close()
        assert [(r.method, r.target) for r in proxy.requests] == [("CONNECT", "api.example.com:443")]
        assert TOKEN not in str(proxy.requests)


def test_a_broken_proxy_address_is_reported_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "gopher://user:hunter2@example.com:99")
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY") as refused:
        Transport(Settings(api_token=Token(TOKEN), base_url="https://api.example.com/v1", warehouse_dir=tmp_path))
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("base_url", ["https://api.example.com/v1", "https://127.0.0.1:1/v1", "http://127.0.0.1:1"])
def test_certificates_are_always_verified(tmp_path: Path, base_url: str) -> None:
    transport = Transport(Settings(api_token=Token(TOKEN), base_url=base_url, warehouse_dir=tmp_path))
    context = transport._http._transport._pool._ssl_context  # type: ignore[attr-defined]
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname is True
    assert transport._http.follow_redirects is False
    transport.close()


def test_a_ca_bundle_of_ones_own_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(api_token=Token(TOKEN), base_url="https://api.example.com/v1", warehouse_dir=tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
        Transport(settings)
    (tmp_path / "broken.pem").write_text("no certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "broken.pem"))
    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
        Transport(settings)


def test_compressed_bodies_are_complete_wherever_a_piece_ends(settings: Settings, server: ScriptedServer) -> None:
    transport = Transport(settings)
    for more in (*range(-260, 261, 20), -1, 1, MAX_PIECE_BYTES):
        body = b"0" * (MAX_PIECE_BYTES + more)
        server.script.append(Response(200, gzip.compress(body), {"Content-Encoding": "gzip"}))
        assert transport.fetch("users").body == body, more
    transport.close()


def test_a_slow_response_is_given_up(settings: Settings, server: ScriptedServer) -> None:
    times = iter([0.0, 2 * settings.timeout_s + 1])
    transport = Transport(settings, clock=lambda: next(times))
    with pytest.raises(httpx.ReadTimeout, match="too slow"):
        transport.fetch("users")
    transport.close()


def test_an_aborted_transport_breaks_new_connections_too(settings: Settings) -> None:
    transport = Transport(settings)
    transport.abort()
    with pytest.raises(httpx.TransportError):
        transport.fetch("users")
    transport.close()
