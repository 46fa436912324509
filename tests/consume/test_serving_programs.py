"""``referrals serve`` as a command, and the programs that read what it serves: DuckDB, curl and httpx."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import httpx
import pytest
from serving import TOKEN, Asked, copy_published, served

from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.public_names import switch_link
from tests.consume.conftest import Run
from tests.consume.terminal_server import environ_of, on_a_terminal
from tests.httpfs import connect_httpfs

SUM = "select sum(owed_value), count(*) from {}"


@pytest.fixture(scope="module")
def settings(published: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return replace(copy_published(published, tmp_path_factory.mktemp("programs") / "data"), serve_personal=True)


@pytest.fixture(scope="module")
def server(settings: Settings) -> Iterator[Asked]:
    with served(settings) as asked:
        yield asked


def test_duckdb_reads_the_published_feed_and_that_of_a_snapshot(server: Asked, settings: Settings) -> None:
    local = duckdb.sql(SUM.format(f"'{settings.feeds_dir}/marts.reward_liability.parquet'")).fetchall()
    with connect_httpfs(server.url, TOKEN) as connection:
        named = f"'{server.url}/feeds/marts.reward_liability.parquet'"
        assert connection.execute(SUM.format(named)).fetchall() == local
        connection.execute(f"set variable feeds = (select '{server.url}' || feeds from read_json('{server.url}/'))")
        numbered = "read_parquet(getvariable('feeds') || 'marts.reward_liability.parquet')"
        assert connection.execute(SUM.format(numbered)).fetchall() == local
        switch_link(settings, 2)
        [[feeds]] = connection.execute("select getvariable('feeds')").fetchall()
        assert feeds == f"{server.url}/snapshots/000003/feeds/", "the choice holds after a publication"
        assert connection.execute(SUM.format(numbered)).fetchall() == local
        switch_link(settings, 3)


def test_duckdb_with_another_token_gets_nothing(server: Asked) -> None:
    """DuckDB 1.5 says HTTP 0 instead of 401."""
    with (
        connect_httpfs(server.url, f"{TOKEN}x") as connection,
        pytest.raises(duckdb.HTTPException, match=r"HTTP GET error .* \(HTTP (0|401) "),
    ):
        connection.execute(f"from '{server.url}/feeds/core.units.parquet'")


@pytest.mark.skipif(shutil.which("curl") is None, reason="this machine has no curl")
def test_curl_continues_a_download_and_asks_for_changes_alone(
    server: Asked, settings: Settings, tmp_path: Path
) -> None:
    def curl(*arguments: str) -> str:
        command = ["curl", "--silent", "--show-error", "--fail", "--noproxy", "*", "-H", f"Authorization: Bearer {TOKEN}"]
        return subprocess.run([*command, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    feed = "snapshots/000003/feeds/core.users.parquet"
    content = (settings.published_dir / feed).read_bytes()
    (tmp_path / "part").write_bytes(content[:1000])
    curl("-C", "-", "-o", "part", f"{server.url}/{feed}")
    assert (tmp_path / "part").read_bytes() == content
    curl("--etag-save", "etag", "-o", "users", f"{server.url}/feeds/core.users.parquet")
    assert (tmp_path / "users").read_bytes() == content
    again = ["--etag-compare", "etag", "-o", "again", "-w", "%{http_code}", f"{server.url}/feeds/core.users.parquet"]
    assert curl(*again) == "304"
    password = ["curl", "-sI", "--noproxy", "*", "-u", f"me:{TOKEN}", f"{server.url}/{feed}"]
    found = subprocess.run(password, check=True, capture_output=True, text=True)
    assert f"content-length: {len(content)}" in found.stdout


def test_the_command_shows_its_token_once_and_ends_with_a_signal(settings: Settings, tmp_path: Path) -> None:
    environ = environ_of(settings, tmp_path) | {"WAREHOUSE__SERVE_PERSONAL": "true"}
    with on_a_terminal(["serve", "--verbose"], environ, tmp_path) as server:
        found = server.read_until(r"Serving at (\S+)/ from \S+: snapshot 3 and.*shown once: (\S+)\r?\n.*keep one")
        url, token = found[1], found[2]
        right = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=url, trust_env=False) as client:
            assert client.get("/feeds/core.users.parquet", headers=right).content[:4] == b"PAR1"
            assert client.get("/manifest.json", headers=right).json()["snapshot"] == 3
            for headers in ({}, {"Authorization": f"Bearer {token}x"}, {"Authorization": f"Basic {token}"}):
                assert client.get("/manifest.json", headers=headers).status_code == 401
            assert client.get(f"/{token}", headers=right).status_code == 404
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=60) as raw:
            raw.sendall(f"GET / HTTP/1.1\r\nAuthorization: Bearer {token}\r\n no header\r\n\r\n".encode())
            assert b"400" in raw.recv(4096)
        with pytest.raises(OSError, match="refused"), socket.create_connection(("127.0.0.2", port), timeout=60):
            pass
        assert server.end(signal.SIGINT) == 128 + signal.SIGINT
        assert server.shown.count(token) == 1
        assert "Traceback" not in server.shown


@pytest.mark.parametrize(
    ("arguments", "environ", "words"),
    [
        ([], {}, "WAREHOUSE__SERVE_TOKEN is not set"),
        ([], {"WAREHOUSE__SERVE_TOKEN": "short"}, "needs 16 characters or more"),
        (["--host", "0.0.0.0"], {}, "WAREHOUSE__SERVE_TOKEN is not set, and other machines can connect to 0.0.0.0"),
        (["--host", "::"], {}, "other machines can connect to ::"),
        (["--host", "no.such.invalid"], {"WAREHOUSE__SERVE_TOKEN": TOKEN}, "'no.such.invalid' is no address"),
        (["--host", ""], {"WAREHOUSE__SERVE_TOKEN": TOKEN}, "'' is no address of this machine"),
        (["--host", "a\nb\x1b[31m"], {"WAREHOUSE__SERVE_TOKEN": TOKEN}, "is no address of this machine"),
        (["--host", "x" * 300], {"WAREHOUSE__SERVE_TOKEN": TOKEN}, "is no address of this machine"),
        (["--host", "192.0.2.1"], {"WAREHOUSE__SERVE_TOKEN": TOKEN}, "192.0.2.1, port 0 cannot be opened"),
        ([], {"WAREHOUSE__SERVE_PERSONAL": "perhaps"}, "WAREHOUSE__SERVE_PERSONAL"),
    ],
)
def test_a_wrong_start_is_one_line(referrals: Run, arguments: list[str], environ: dict[str, str], words: str) -> None:
    done = referrals("serve", *arguments, **environ)
    assert (done.code, done.out) == (2, b"")
    assert words in done.err
    assert done.err.count("\n") == (2 if "192.0.2.1" in arguments else 1), "a warning of what is not encrypted"
    assert TOKEN not in done.err


def test_a_port_that_is_taken_is_one_line(server: Asked, referrals: Run) -> None:
    done = referrals("serve", "--port", str(server.port), WAREHOUSE__SERVE_TOKEN=TOKEN)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert f"127.0.0.1, port {server.port} cannot be opened" in done.err


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_without_the_extra_the_command_says_what_to_install(
    referrals: Run, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    ours = ("referral_warehouse.consume.serving", "referral_warehouse.consume.http_server")
    for name in [name for name in sys.modules if name.startswith(ours)]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.partition(".")[0] == missing]:
        monkeypatch.setitem(sys.modules, name, None)
    done = referrals("serve", WAREHOUSE__SERVE_TOKEN=TOKEN)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert f"needs the package {missing}, which is not installed" in done.err
    assert "pip install 'referral-warehouse[serve]'" in done.err
