"""Network settings of the environment: which proxy is used, which hosts are exempt, which certificates are trusted."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.api.network_environment import proxy_for, tls_context
from referral_warehouse.api.transport import Transport
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import Settings, Token
from tests.api.scripted_server import ScriptedServer
from tests.api.stand_ins import TOKEN

HOST = "https://api.example.com/v1"
PROXY = {"HTTPS_PROXY": "http://proxy.example.com:3128"}


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("http://proxy.example.com:3128", "http://proxy.example.com:3128"),
        ("proxy.example.com:3128", "http://proxy.example.com:3128"),
        ("  proxy.example.com  ", "http://proxy.example.com"),
        ("HTTP://Proxy.example.com:3128/", "http://proxy.example.com:3128"),
        ("http://[::1]:3128", "http://[::1]:3128"),
        ("https://proxy.example.com", "https://proxy.example.com"),
    ],
)
def test_a_proxy_by_its_address(value: str, url: str) -> None:
    found = proxy_for(HOST, {"HTTPS_PROXY": value})
    assert found is not None
    assert str(found.url) == url


def test_credentials_of_a_proxy_are_used_and_never_shown() -> None:
    found = proxy_for(HOST, {"HTTPS_PROXY": "http://user:p%40ss@proxy.example.com:3128"})
    assert found is not None
    assert found.raw_auth == (b"user", b"p@ss")
    assert "p@ss" not in str(found.url)


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    "value",
    [
        *(
            "http://user:hunter2@",
            "gopher://user:hunter2@example.com",
            "http://user:hunter2@a b",
            "http://u:hunter2@[::1",
        ),
        *("http://u:hunter2@example.com:99999", "http://u:hunter2#x@example.com", "http://u:hunter2@example.com:0"),
        *("http://u:hunter2@example.com/path", "http://u:hunter2@exämple.com", "socks5://u:hunter2@example.com:1080"),
        *('"http://u:hunter2@example.com"', "http://u:hunter2@example.com\\x", "http://u:hunter2@exa\nmple.com"),
    ],
)
def test_what_is_not_a_proxy_is_refused_without_its_password(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name) as refused:
        proxy_for(HOST, {name: value})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "no_proxy",
    [
        *(
            "*",
            "api.example.com",
            "example.com",
            ".example.com",
            "*.example.com",
            "API.Example.com",
            "api.example.com:443",
        ),
        *(
            "a, api.example.com",
            "a api.example.com",
            "a,\tapi.example.com ,b",
            "https://api.example.com",
            "example.com.",
        ),
        *("[::1],10.0.0.0/8,fe80::/10,example.com", "[::1]:443,[,],[[,:,::1/999,1.2.3/4/5,example.com"),
    ],
)
def test_a_host_that_no_proxy_names_is_reached_directly(no_proxy: str) -> None:
    assert proxy_for(HOST, {**PROXY, "NO_PROXY": no_proxy}) is None
    assert proxy_for(HOST, {**PROXY, "no_proxy": no_proxy}) is None


@pytest.mark.parametrize(
    "no_proxy",
    [
        "",
        "[::1]",
        "10.0.0.0/8",
        "example.org",
        "xample.com",
        "api.example.com:8443",
        "api",
        "..",
        "*x",
        "[api.example.com]",
    ],
)
def test_other_hosts_go_through_the_proxy(no_proxy: str) -> None:
    assert proxy_for(HOST, {**PROXY, "NO_PROXY": no_proxy}) is not None


@pytest.mark.parametrize(
    ("host", "no_proxy", "is_exempt"),
    [
        ("192.0.2.7", "192.0.2.0/24", True),
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.7:443", True),
        ("192.0.2.7", "192.0.3.0/24", False),
        ("[2001:db8::7]", "2001:db8::/32", True),
        ("[2001:db8::7]", "[2001:db8::7]", True),
        ("[2001:db8::7]", "[2001:0db8:0:0::7]:443", True),
        ("[2001:db8::7]", "[2001:db8::7]:80", False),
        ("[2001:db8::7]", "192.0.2.0/24", False),
    ],
)
def test_no_proxy_matches_addresses_and_networks(host: str, no_proxy: str, is_exempt: bool) -> None:
    assert (proxy_for(f"https://{host}/v1", {**PROXY, "NO_PROXY": no_proxy}) is None) is is_exempt


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "http://localhost:1", "https://[::1]:1", "http://[::ffff:127.0.0.1]:1"]
)
def test_this_machine_is_never_reached_through_a_proxy(url: str) -> None:
    assert proxy_for(url, {"ALL_PROXY": "nonsense://", **PROXY}) is None


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_variable_ends_in_another_error(proxy: str, no_proxy: str) -> None:
    try:
        proxy_for(HOST, {"HTTPS_PROXY": proxy, "NO_PROXY": no_proxy})
    except ConfigurationError as refused:
        message = str(refused)
        assert "HTTPS_PROXY" in message


def _planted(folder: Path, kind: str) -> str:
    path = folder / "certificates"
    if kind in ("empty", "garbage"):
        path.write_text("" if kind == "empty" else "no certificate\0\xff")
    elif kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        return os.devnull
    return str(path)


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
@pytest.mark.parametrize("kind", ["missing", "empty", "garbage", "directory", "pipe", "device"])
def test_files_without_certificates_are_refused_before_any_call(tmp_path: Path, name: str, kind: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} names no certificates"):
        tls_context(HOST, {name: _planted(tmp_path, kind)})


def test_a_directory_of_certificates_under_their_hashes_is_taken(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "0123abcd.0"))
    assert tls_context(HOST, {"SSL_CERT_DIR": str(tmp_path)}).verify_mode is ssl.CERT_REQUIRED


def test_other_tools_variables_change_nothing(
    settings: Settings, server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password mine\ndefault login me password mine\n")
    (tmp_path / ".netrc").chmod(0o600)
    keys = tmp_path / "keys"
    for name, value in {
        "HOME": tmp_path, "NETRC": tmp_path / ".netrc", "SSLKEYLOGFILE": keys,
        "REQUESTS_CA_BUNDLE": "/nonexistent", "CURL_CA_BUNDLE": "/nonexistent",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    transport = Transport(settings)
    assert transport.fetch("users").status == 200
    transport.close()
    assert [request.headers["authorization"] for request in server.requests] == [f"Bearer {TOKEN}"]
    for destination in (keys, Path("/nonexistent/keys")):
        monkeypatch.setenv("SSLKEYLOGFILE", str(destination))
        Transport(Settings(api_token=Token(TOKEN), base_url=HOST, warehouse_dir=tmp_path)).close()
    assert not keys.exists()
