"""``referrals sql`` on a terminal: the small prompt, and DuckDB's program with the options that restrict it."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from referral_warehouse.cli.sql_prompt import RESTRICTED, find_program
from referral_warehouse.settings import Settings
from tests.consume.conftest import database, heed_interrupts


class Terminal:
    """A program on a pseudo-terminal: text goes in, and what it shows is waited for."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.process = process
        self._descriptor = descriptor
        self.shown = ""

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def wait_for(self, pattern: str) -> str:
        """What is shown up to a pattern; it is forgotten then."""
        while not (found := re.search(pattern, self.shown)):
            try:
                data = os.read(self._descriptor, 65_536)
            except OSError:  # the program has ended
                data = b""
            if not data:
                raise AssertionError(f"{pattern!r} never came: {self.shown}")
            self.shown += data.decode("utf-8", "replace")
        before, self.shown = self.shown[: found.end()], self.shown[found.end() :]
        return before

    def wait_until_busy(self) -> None:
        """Return when the program has computed for 0.3 s: a query runs, since nothing else takes so long."""
        begin = self._cpu_s()
        while self._cpu_s() < begin + 0.3:
            assert self.process.poll() is None, "the program has ended"
            time.sleep(0.01)

    def _cpu_s(self) -> float:
        """CPU time of all threads of the program."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def terminal(published: Settings, home: Path, *options: str, path: str = "/usr/bin:/bin") -> Iterator[Terminal]:
    package = Path(sys.modules["referral_warehouse"].__path__[0]).parent
    environ = {
        "WAREHOUSE__DIR": str(published.warehouse_dir), "HOME": str(home), "PATH": path, "TERM": "dumb",
        "PYTHONPATH": str(package), "SOURCES__REFERRAL_FACTORY__API_TOKEN": "tok-5e1f0a77c3",
    }  # fmt: skip
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "referral_warehouse", "sql", *options]
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environ,
        cwd=home,
        start_new_session=True,
        preexec_fn=heed_interrupts,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_the_prompt_runs_queries_survives_errors_and_ctrl_c_and_ends(published: Settings, tmp_path: Path) -> None:
    with terminal(published, tmp_path, "--plain") as screen:
        screen.wait_for("sql> ")
        screen.type("select 40 + 2\n")
        screen.wait_for("  -> ")
        screen.type("as answer;\n")
        assert re.search(r"answer.*\s42\s", screen.wait_for("sql> "), re.DOTALL)
        screen.type("drop table core.users;\n")
        assert "Only a SELECT can be run" in screen.wait_for("sql> ")
        screen.type("tables\n")
        assert "core.users" in screen.wait_for("sql> ")
        screen.type("select count(*) from range(1000000000000) as a(i) where i % 3 = 4;\n")
        screen.wait_for("3 = 4;")
        screen.wait_until_busy()  # the line is shown before it is read
        screen.process.send_signal(signal.SIGINT)
        assert "Stopped." in screen.wait_for("sql> ")
        screen.type("quit\n")
        assert screen.process.wait(60) == 0


def test_duckdbs_program_is_started_with_the_options_that_restrict_it_and_no_token(
    published: Settings, tmp_path: Path
) -> None:
    """A stand-in shows what the program gets; tests/soak/test_bi.py starts the real one."""
    program = tmp_path / "bin" / "duckdb"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nenv | grep -c API_TOKEN >> "$HOME/tokens"\necho "$@" >> "$HOME/started"\n')
    program.chmod(0o700)
    with terminal(published, tmp_path, "--snapshot", "2", path=f"{program.parent}:/usr/bin:/bin") as screen:
        assert screen.process.wait(60) == 0
    options = f"{' '.join(RESTRICTED)} {database(published, 2)}"
    assert (tmp_path / "started").read_text().splitlines() == [f"{options} -c select 1", options]
    assert (tmp_path / "tokens").read_text().split() == ["0", "0"]


def test_a_program_that_does_not_know_these_options_is_not_used(
    published: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "duckdb"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert find_program(database(published, 3)) is None
    program.write_text("#!/bin/sh\nexit 0\n")
    assert find_program(database(published, 3)) == str(program)
