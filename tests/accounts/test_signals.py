"""A signal that ends a sync of several accounts ends the syncs of the accounts first; nothing keeps running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.accounts.conftest import environ_of
from tests.loopback_server import LoopbackServer, QuietHandler


class Waiting(LoopbackServer):
    """Receives requests and answers none of them until it is closed."""

    def __init__(self) -> None:
        self.asked, self.closed = threading.Event(), threading.Event()
        server = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                server.asked.set()
                server.closed.wait(120)

        super().__init__(Handler)


@pytest.fixture
def waiting() -> Iterator[tuple[Waiting, Waiting]]:
    with Waiting() as uk, Waiting() as us:
        yield uk, us
        uk.closed.set()
        us.closed.set()


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.full)], ids=lambda number: number.name
)
def test_a_signal_ends_all_processes(tmp_path: Path, waiting: tuple[Waiting, Waiting], number: signal.Signals) -> None:
    uk, us = waiting
    servers = {"uk": uk, "us": us}
    environ = {name: value for name, value in environ_of(tmp_path, **servers).items() if value is not None}  # type: ignore[arg-type]
    running = subprocess.Popen(
        [sys.executable, "-m", "referral_warehouse", "sync"], cwd=tmp_path, env={**os.environ, **environ},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # background jobs ignore it
    )  # fmt: skip
    try:
        assert uk.asked.wait(60)
        assert us.asked.wait(60)
        children = _children(running.pid)
        assert len(children) == 2
        running.send_signal(number)
        out, err = running.communicate(timeout=60)
    finally:
        running.kill()
        running.wait()
    assert running.returncode == 128 + number
    assert f"Stopped by {'Ctrl-C' if number == signal.SIGINT else 'SIGTERM'}" in err
    assert out == "Created a new warehouse directory: " + str(tmp_path / "data") + "\n"
    assert not [child for child in children if _is_running(child)]
    records = [json.loads(line) for line in (tmp_path / "data/state/outcomes.jsonl").read_text().splitlines()]
    assert records[-1]["result"] == "stopped"


def _children(pid: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = status.read_text()
        except OSError:
            continue
        if int(text.rpartition(")")[2].split()[1]) == pid:
            found.append(int(status.parent.name))
    return found


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
