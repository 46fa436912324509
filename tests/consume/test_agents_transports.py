"""``referrals mcp`` as agents reach it: standard input and output, and HTTP on this machine with a token."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import httpx2
import pytest
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from referral_warehouse.settings import Settings
from tests.consume.agent_client import answered
from tests.consume.conftest import Run
from tests.consume.terminals import Terminal, environ_of, on_a_terminal

TOKEN = "tok-0123456789abcdef"
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
ACCEPT = {"Accept": "application/json, text/event-stream"}


def test_an_agent_asks_over_standard_input_and_output(published: Settings, tmp_path: Path) -> None:
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "referral_warehouse", "mcp"], env=environ_of(published, tmp_path),
        cwd=tmp_path,
    )  # fmt: skip

    async def session() -> None:
        async with Client(stdio_client(server)) as client:
            assert "liability_as_of" in [tool.name for tool in (await client.list_tools()).tools]
            refused = answered(await client.call_tool("query", {"sql": "copy core.users to 'out.csv'"}))
            assert "Only a SELECT can be run" in refused.error
            found = answered(await client.call_tool("query", {"sql": "select count(*) from core.users"}))
            assert found.rows == [[23]]

    asyncio.run(session())
    assert list(tmp_path.iterdir()) == []


class Served(NamedTuple):
    """A running ``referrals mcp --http`` on a terminal."""

    url: str
    token: str
    terminal: Terminal

    def post(self, token: str | None = None, **headers: str) -> httpx.Response:
        authorization = {} if token is None else {"Authorization": token}
        return httpx.post(self.url, json=PING, headers=ACCEPT | authorization | headers, trust_env=False)


@pytest.fixture(scope="module")
def served(published: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("home")
    with on_a_terminal(["mcp", "--http"], environ_of(published, home), home) as terminal:
        said = terminal.wait_for("every time.").split()
        yield Served(said[said.index("agents:") + 1], said[said.index("once:") + 1], terminal)


def test_an_agent_with_the_token_asks_over_http(served: Served) -> None:
    async def session() -> None:
        headers = {"Authorization": f"Bearer {served.token}"}
        async with (
            httpx2.AsyncClient(headers=headers, trust_env=False) as http,
            Client(streamable_http_client(served.url, http_client=http)) as client,
        ):
            found = answered(await client.call_tool("liability_as_of", {"day": "2026-02-01"}))
            assert found.document["totals"]["rows"][0][:3] == ["type:Card", 3, "30.00"]

    asyncio.run(session())


def test_without_the_token_nothing_is_answered(served: Served) -> None:
    right = f"Bearer {served.token}"
    assert served.post(right).status_code == 200
    for wrong in (
        None,
        "",
        "Bearer",
        f"{right}x",
        right[:-1],
        right.lower(),
        served.token,
        "Basic eDp5",
        "Bearer x, Bearer y",
    ):
        response = served.post(wrong)
        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer"), wrong
        assert served.token not in response.text
    for url in (served.url.removesuffix("/mcp"), f"{served.url}/x"):
        assert httpx.get(url, trust_env=False).status_code == 401


def test_pages_of_other_sites_are_refused(served: Served) -> None:
    right = f"Bearer {served.token}"
    own = served.url.removeprefix("http://").removesuffix("/mcp")
    port = own.partition(":")[2]
    assert served.post(right, Host=f"localhost:{port}", Origin=f"http://{own}").status_code == 200
    for host in ("example.com", f"example.com:{port}", "127.0.0.1", f"127.0.0.1:{port}.example.com", "127.0.0.1:1"):
        assert served.post(right, Host=host).status_code == 421, host
    for origin in ("http://example.com", "null", f"http://{own}.example.com", f"https://{own}", "http://127.0.0.1:1"):
        assert served.post(right, Origin=origin).status_code == 403, origin


def test_only_this_machine_is_listened_to(served: Served) -> None:
    port = int(served.url.rpartition(":")[2].removesuffix("/mcp"))
    with pytest.raises(OSError, match="refused"), socket.create_connection(("127.0.0.2", port), timeout=5):
        pass


def test_a_port_that_is_taken_is_reported_in_one_line(served: Served, referrals: Run) -> None:
    port = served.url.rpartition(":")[2].removesuffix("/mcp")
    done = referrals("mcp", "--http", "--port", port, WAREHOUSE__AGENTS_TOKEN=TOKEN)
    assert done.code == 2
    assert f"Port {port} cannot be opened" in done.err
    assert TOKEN not in done.err + done.text


@pytest.mark.parametrize(
    ("arguments", "environ", "words"),
    [
        (["--http"], {}, "WAREHOUSE__AGENTS_TOKEN is not set"),
        (["--http"], {"WAREHOUSE__AGENTS_TOKEN": "short"}, "needs 16 characters or more"),
        (["--http"], {"WAREHOUSE__AGENTS_TOKEN": "é" * 20}, "not ASCII"),
        (["--port", "8765"], {}, "--port is for --http"),
        (["--http"], {"WAREHOUSE__AGENTS_SEE_PERSONAL": "perhaps"}, "WAREHOUSE__AGENTS_SEE_PERSONAL"),
    ],
)
def test_a_wrong_start_is_reported_in_one_line(
    referrals: Run, arguments: list[str], environ: dict[str, str], words: str
) -> None:
    done = referrals("mcp", *arguments, **environ)
    assert (done.code, done.out) == (2, b"")
    assert words in done.err
    assert done.err.count("\n") == 1
    assert "short" not in done.err.replace("too short", "")


def test_without_the_extra_the_command_says_what_to_install(referrals: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("referral_warehouse.consume.agents")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.partition(".")[0] == "mcp"]:
        monkeypatch.setitem(sys.modules, name, None)
    done = referrals("mcp")
    assert done.code == 2
    assert "needs the package mcp, which is not installed" in done.err
    assert "pip install 'referral-warehouse[mcp]'" in done.err
    assert done.err.count("\n") == 1


def test_a_signal_ends_the_server(served: Served) -> None:
    assert served.terminal.end(signal.SIGTERM) == 128 + signal.SIGTERM
