"""Runs ``referrals`` on a pseudo-terminal, in a process of its own, until the test is over."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from referral_warehouse.settings import Settings
from tests.consume.conftest import heed_interrupts

PATIENCE_S = 120


class Terminal:
    """A program on a pseudo-terminal: text goes in, and what it shows is waited for."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.process = process
        self._descriptor = descriptor
        self._unread = ""
        self.shown = ""
        """Everything that was shown so far."""

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def wait_for(self, pattern: str) -> str:
        """What is shown up to a pattern, from where the last one ended."""
        while not (found := re.search(pattern, self._unread)):
            if not (data := self._read()):
                raise AssertionError(f"{pattern!r} never came: {self._unread}")
            self._unread += data
        before, self._unread = self._unread[: found.end()], self._unread[found.end() :]
        return before

    def wait_until_busy(self) -> None:
        """Return when the program has computed for 0.3 s: a query runs, since nothing else takes so long."""
        begin = self._cpu_s()
        while self._cpu_s() < begin + 0.3:
            assert self.process.poll() is None, "the program has ended"
            time.sleep(0.01)

    def wait_until_idle(self) -> None:
        """Return when the program waits for input, which it begins a moment after it shows a prompt or what was typed.

        A signal in that moment is noticed with the next key only.
        """
        idle = 0
        while idle < 3:
            idle = idle + 1 if self._fields()[0] == "S" else 0
            time.sleep(0.01)

    def interrupt_when_idle(self) -> None:
        """Send what Ctrl-C does once the program waits for input."""
        self.wait_until_idle()
        self.process.send_signal(signal.SIGINT)

    def end(self, number: int) -> int:
        """Send a signal. Returns: the exit code, when everything that was shown is read."""
        self.process.send_signal(number)
        while self._read():
            pass
        return self.process.wait(timeout=60)

    def _read(self) -> str:
        if not select.select([self._descriptor], [], [], PATIENCE_S)[0]:
            raise AssertionError(f"the program shows nothing more and does not end: {self.shown[-1000:]}")
        try:
            data = os.read(self._descriptor, 65_536).decode("utf-8", "replace")
        except OSError:  # the program has ended
            data = ""
        self.shown += data
        return data

    def _cpu_s(self) -> float:
        """CPU time of all threads of the program."""
        fields = self._fields()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _fields(self) -> list[str]:
        """What the kernel says of the program's main thread, from its state on."""
        return Path(f"/proc/{self.process.pid}/stat").read_text("ascii").rpartition(")")[2].split()


def environ_of(settings: Settings, home: Path) -> dict[str, str]:
    """The environment of a command that reads one directory."""
    package = Path(sys.modules["referral_warehouse"].__path__[0]).parent
    return {"WAREHOUSE__DIR": str(settings.warehouse_dir), "HOME": str(home), "PYTHONPATH": str(package)}


@contextmanager
def on_a_terminal(arguments: list[str], environ: Mapping[str, str], folder: Path) -> Iterator[Terminal]:
    """Start ``referrals`` with these arguments, in a folder, on a terminal without colours of 40 lines."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "referral_warehouse", *arguments], stdin=theirs, stdout=theirs, stderr=theirs,
        env={"TERM": "dumb", **environ}, cwd=folder, start_new_session=True, preexec_fn=heed_interrupts,
    )  # fmt: skip
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
