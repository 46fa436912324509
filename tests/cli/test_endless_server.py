"""A real `referrals sync` against servers that never come to an end: it ends soon, says why, and releases its lock."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from referral_warehouse.workspace.lock import warehouse_lock
from tests.api.raw_server import RawServer
from tests.api.scripted_server import Request, Response, ScriptedServer
from tests.kills.forks import run_referrals
from tests.load.extreme_values import good_row, written
from tests.sampling import sampled

PREFIX = "SOURCES__REFERRAL_FACTORY__"


def sync(url: str, folder: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SOURCES__", "WAREHOUSE__"))}
    environ = kept | {
        f"{PREFIX}BASE_URL": url, f"{PREFIX}API_TOKEN": "tok-endless", f"{PREFIX}CALLS_PER_MINUTE": "0",
        "WAREHOUSE__DIR": str(folder / "data"), "HOME": str(folder), "XDG_STATE_HOME": str(folder / "machine"),
    } | changes  # fmt: skip
    done = run_referrals(["sync"], environ, folder)
    with warehouse_lock(folder / "data"):
        pass  # free again
    return done


def slow_headers() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nX-Long: "
    yield from itertools.repeat(b"a")


@pytest.mark.full
def test_slow_headers_end_the_sync_with_exit_4(tmp_path: Path) -> None:
    with RawServer(slow_headers) as server:
        done = sync(server.url, tmp_path, **{f"{PREFIX}TIMEOUT_S": "1"})
        assert server.connections == 3
    assert (done.returncode, "the response is too slow" in done.stderr) == (4, True), done.stderr


def user(identifier: int) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(written(good_row("users", identifier)))
    return row


def listed(rows: list[dict[str, Any]], **more: Any) -> Response:
    return Response(body=json.dumps({"data": rows} | more).encode())


@pytest.mark.parametrize(
    ("meta", "words"),
    sampled([
        ({"last_page": 1_000_000_000}, "'meta.last_page' is 1000000000"),
        ({"total": 10**12}, "'meta.total' is 1000000000000"),
        ({"total": 40_000_000}, "consecutive pages have the same"),
        ({}, "consecutive pages have the same"),
    ], 2),
)  # fmt: skip
def test_a_list_without_an_end_ends_the_sync_with_exit_5(tmp_path: Path, meta: dict[str, int], words: str) -> None:
    def answer(request: Request) -> Response:
        if urlsplit(request.target).path.endswith("/campaigns"):  # asked for before all else
            return listed([json.loads(written(good_row("campaigns", 1)))], meta={"total": 1, "last_page": 1})
        page = int(parse_qs(urlsplit(request.target).query).get("page", ["1"])[0])
        return listed([user(1), user(2)], meta=meta, links={"next": f"http://127.0.0.1/users?page={page + 1}"})

    with ScriptedServer() as server:
        server.default = answer
        done = sync(server.url, tmp_path)
        assert len(server.requests) < 60
    assert done.returncode == 5, done.stderr
    assert words in done.stderr
    assert "users" in done.stderr
    assert not (tmp_path / "data" / "warehouse.duckdb").exists()
