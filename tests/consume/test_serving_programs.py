"""``referrals serve`` as a command, and the programs that read what it serves: DuckDB, curl and httpx."""

from __future__ import annotations

import itertools
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import httpx
import pytest

from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.exports import Feed
from referral_warehouse.warehouse.manifest import manifest_of, write_manifest
from referral_warehouse.warehouse.public_names import switch_link
from referral_warehouse.workspace.access import Access
from referral_warehouse.workspace.current_snapshot import feeds_name, snapshot_name
from referral_warehouse.workspace.durable_files import file_sha256
from tests.consume.conftest import Run
from tests.consume.serving import TOKEN, Server, copy_published, served
from tests.consume.terminals import environ_of, on_a_terminal
from tests.documentation import PAGES
from tests.fences import fences_of
from tests.httpfs import connect_httpfs

ALL = "0.0.0.0"  # noqa: S104 - it is refused
SUM = "select sum(owed_value), count(*) from {}"


@pytest.fixture(scope="module")
def settings(published: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return replace(copy_published(published, tmp_path_factory.mktemp("programs") / "data"), serve_personal=True)


@pytest.fixture(scope="module")
def server(settings: Settings) -> Iterator[Server]:
    with served(settings) as asked:
        yield asked


def test_duckdb_reads_the_published_feed_and_that_of_a_snapshot(server: Server, settings: Settings) -> None:
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


def test_the_statements_of_the_page_run(server: Server) -> None:
    shown = [fence.text for fence in fences_of(PAGES["docs/serving.md"]) if fence.info == "text"]
    statements = "\n".join(shown).replace("http://127.0.0.1:8780", server.url).replace("<token>", TOKEN)
    with connect_httpfs(server.url, "another") as connection:
        connection.execute("drop secret __default_http")
        rows = 0
        for statement in statements.split(";\n"):
            if statement.strip() and not statement.startswith(("install", "load")):
                rows += len(connection.execute(statement).fetchall())
        assert rows > 4


def test_duckdb_with_another_token_gets_nothing(server: Server) -> None:
    """DuckDB 1.5 says HTTP 0 instead of 401."""
    with (
        connect_httpfs(server.url, f"{TOKEN}x") as connection,
        pytest.raises(duckdb.HTTPException, match=r"HTTP GET error .* \(HTTP (0|401) "),
    ):
        connection.execute(f"from '{server.url}/feeds/core.units.parquet'")


def test_duckdb_never_mixes_two_publications(tmp_path: Path) -> None:
    """The row count, and every value of a feed, are the number of its snapshot; the link is switched all the time."""
    settings = numbered_publications(tmp_path / "data", 40)
    done = threading.Event()

    def switch() -> None:
        for number in itertools.cycle(range(1, 41)):
            if done.is_set():
                return
            switch_link(settings, number)
            done.wait(0.0005)  # many switches in each query, and the server has its share of the processor

    with served(settings) as server, connect_httpfs(server.url, TOKEN) as connection:
        switching = threading.Thread(target=switch)
        switching.start()
        try:
            seen, listed = set(), set()
            query = f"select count(*), min(a), max(a) from '{server.url}/feeds/core.units.parquet'"
            for _ in range(30):
                [row] = connection.execute(query).fetchall()
                assert len(set(row)) == 1, row
                seen.add(row[0])
                [[number, feeds]] = connection.execute(
                    f"select published, feeds from read_json('{server.url}/')"
                ).fetchall()
                assert feeds == f"/snapshots/{number:06d}/feeds/"
                listed.add(number)
        finally:
            done.set()
            switching.join()
    assert min(len(seen), len(listed)) > 10


def numbered_publications(folder: Path, count: int) -> Settings:
    """A directory with snapshots of one feed. It has as many rows as the snapshot's number, which is their value."""
    settings = Settings(warehouse_dir=folder, serve_personal=True)
    for number in range(1, count + 1):
        feed = folder / feeds_name(number) / "core.units.parquet"
        feed.parent.mkdir(parents=True)
        duckdb.sql(f"select {number} as a, hash(range) as b from range({number})").write_parquet(str(feed))
        written = Feed("core.units", number, file_sha256(feed))
        (folder / snapshot_name(number) / "warehouse.duckdb").touch()
        write_manifest(folder / snapshot_name(number) / "manifest.json", manifest_of(number, {}, [written]), Access())
    return settings


@pytest.mark.skipif(shutil.which("curl") is None, reason="this machine has no curl")
def test_curl_continues_a_download_and_asks_for_changes_alone(
    server: Server, settings: Settings, tmp_path: Path
) -> None:
    def curl(*arguments: str) -> str:
        command = [
            "curl",
            "--silent",
            "--show-error",
            "--fail",
            "--noproxy",
            "*",
            "-H",
            f"Authorization: Bearer {TOKEN}",
        ]
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
        said = server.wait_for("every time.")
        assert f"/ from {settings.published_dir}: snapshot 3 and" in said
        url, token = said.split()[2].rstrip("/"), said.partition("shown once: ")[2].split()[0]
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
        (["--host", ALL], {}, f"WAREHOUSE__SERVE_TOKEN is not set, and other machines can connect to {ALL}"),
        (["--host", "::"], {}, "other machines can connect to ::"),
        (["--host", "no.such.invalid"], {"WAREHOUSE__SERVE_TOKEN": TOKEN}, "'no.such.invalid' is not an address"),
        (["--host", ""], {"WAREHOUSE__SERVE_TOKEN": TOKEN}, "'' is not an address of this machine"),
        (["--host", "a\nb\x1b[31m"], {"WAREHOUSE__SERVE_TOKEN": TOKEN}, "is not an address of this machine"),
        (["--host", "x" * 300], {"WAREHOUSE__SERVE_TOKEN": TOKEN}, "is not an address of this machine"),
        (["--host", "192.0.2.1"], {"WAREHOUSE__SERVE_TOKEN": TOKEN}, "192.0.2.1, port 0 cannot be opened"),
        ([], {"WAREHOUSE__SERVE_PERSONAL": "perhaps"}, "WAREHOUSE__SERVE_PERSONAL"),
    ],
)
def test_a_wrong_start_is_reported_in_one_line(
    referrals: Run, arguments: list[str], environ: dict[str, str], words: str
) -> None:
    done = referrals("serve", *arguments, **environ)
    assert (done.code, done.out) == (2, b"")
    assert words in done.err
    assert done.err.count("\n") == (2 if "192.0.2.1" in arguments else 1), "a warning of what is not encrypted"
    assert TOKEN not in done.err


def test_a_port_that_is_taken_is_reported_in_one_line(server: Server, referrals: Run) -> None:
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
