"""Runs a command that serves, on a terminal and in a process of its own, until the test is over."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from referral_warehouse.settings import Settings


class TerminalServer:
    """A running command, with what it has shown so far."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int) -> None:
        self.process = process
        self.shown = ""
        self._terminal = terminal

    def read_until(self, pattern: str) -> re.Match[str]:
        """What matches in all that was shown; it is waited for."""
        while not (found := re.search(pattern, self.shown, re.DOTALL)):
            data = self._read()
            assert data, self.shown
            self.shown += data
        return found

    def end(self, number: int) -> int:
        """Send a signal. Returns: the exit code, when everything that was shown is read."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=60)
        while data := self._read():
            self.shown += data
        return code

    def _read(self) -> str:
        try:
            return os.read(self._terminal, 65_536).decode()
        except OSError:  # the other side is closed
            return ""


def environ_of(settings: Settings, home: Path) -> dict[str, str]:
    """The environment of a command that reads one directory."""
    package = Path(sys.modules["referral_warehouse"].__path__[0]).parent
    return {"WAREHOUSE__DIR": str(settings.warehouse_dir), "HOME": str(home), "PYTHONPATH": str(package)}


@contextmanager
def on_a_terminal(arguments: list[str], environ: Mapping[str, str], folder: Path) -> Iterator[TerminalServer]:
    """Start ``referrals`` with these arguments."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "referral_warehouse", *arguments], stdin=theirs, stdout=theirs, stderr=theirs,
        env={**environ, "TERM": "dumb"}, cwd=folder, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    try:
        yield TerminalServer(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
