"""``referrals sql`` on a terminal: the small prompt, and other programs with the options that restrict them.

Stand-ins show what such a program gets; tests/soak/test_bi.py starts the real ones.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from referral_warehouse.cli.sql_programs import HARLEQUIN_RESTRICTED, RESTRICTED, Program, find_program
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import Settings
from tests.consume.conftest import database
from tests.consume.terminals import Terminal, environ_of, on_a_terminal


@contextmanager
def terminal(published: Settings, home: Path, *options: str, path: str = "/usr/bin:/bin") -> Iterator[Terminal]:
    environ = {"PATH": path, "SOURCES__REFERRAL_FACTORY__API_TOKEN": "tok-5e1f0a77c3"}
    with on_a_terminal(["sql", *options], environ_of(published, home) | environ, home) as screen:
        yield screen


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


def test_ctrl_c_drops_what_was_typed_and_the_prompt_goes_on(published: Settings, tmp_path: Path) -> None:
    with terminal(published, tmp_path, "--plain") as screen:
        screen.wait_for("sql> ")
        for typed in ("", "select not_meant", "quit", "select 1,\n", "select 1,\n select 2,\n half"):
            for line in typed.splitlines(keepends=True):
                screen.type(line)
                screen.wait_for("  -> " if line.endswith("\n") else line)
            screen.interrupt_when_idle()
            screen.wait_for("sql> ")
            screen.type("select 40 + 2 as answer;\n")
            assert re.search(r"answer.*\s42\s", screen.wait_for("sql> "), re.DOTALL), typed
        for _ in range(2):
            screen.interrupt_when_idle()
            screen.wait_for("sql> ")
        screen.type("select 1")
        screen.wait_for("select 1")
        screen.wait_until_idle()
        assert screen.end(signal.SIGTERM) == 128 + signal.SIGTERM, "only Ctrl-C is for the line"


def test_duckdbs_program_is_started_with_the_options_that_restrict_it_and_no_token(
    published: Settings, tmp_path: Path
) -> None:
    program = _stand_in(tmp_path / "bin" / "duckdb", NOTED)
    with terminal(published, tmp_path, "--snapshot", "2", path=f"{program.parent}:/usr/bin:/bin") as screen:
        assert screen.process.wait(60) == 0
    options = f"{' '.join(RESTRICTED)} {database(published, 2)}"
    assert (tmp_path / "started").read_text().splitlines() == [f"{options} -c select 1", options]
    assert (tmp_path / "tokens").read_text().split() == ["0", "0"]


def test_harlequin_is_started_with_what_restricts_it_and_leaves_no_file(published: Settings, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    _stand_in(programs / "hsql", """echo '[{"is_open": false}]'""")
    _stand_in(
        programs / "harlequin", NOTED + """while [ "$1" != --init-path ]; do shift; done; cat "$2" > "$HOME/init"\n"""
    )
    with terminal(published, tmp_path, "--prompt", "harlequin", path=f"{programs}:/usr/bin:/bin") as screen:
        assert screen.process.wait(60) == 0
    probe, started = (tmp_path / "started").read_text().splitlines()
    assert probe.endswith(" --version")
    assert started.startswith(" ".join(HARLEQUIN_RESTRICTED))
    assert started.endswith(f" {database(published, 3)}")
    assert not Path(started.split("--init-path ")[1].split()[0]).exists()
    assert (
        (tmp_path / "init")
        .read_text()
        .endswith("set enable_external_access = false;\nset lock_configuration = true;\n")
    )
    assert (tmp_path / "tokens").read_text().split() == ["0", "0"]


def test_a_program_that_does_not_know_these_options_is_not_used(
    published: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = database(published, 3)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    program = _stand_in(tmp_path / "duckdb", "exit 1")
    assert find_program(found) is None
    _stand_in(tmp_path / "harlequin", "exit 0")
    for hsql in ("exit 1", "echo", """echo '[{"is_open": true}]'"""):
        _stand_in(tmp_path / "hsql", hsql)
        assert find_program(found) is None
    with pytest.raises(ConfigurationError, match="harlequin is not installed, or cannot be restricted"):
        find_program(found, "harlequin")
    harlequin = _stand_in(tmp_path / "hsql", """echo '[{"is_open": false}]'""").with_name("harlequin")
    assert find_program(found) == Program("harlequin", str(harlequin))
    _stand_in(program, "exit 0")
    assert find_program(found) == Program("duckdb", str(program)), "it comes first"
    assert find_program(found, "harlequin") == Program("harlequin", str(harlequin))


NOTED = """env | grep -c API_TOKEN >> "$HOME/tokens"\necho "$@" >> "$HOME/started"\n"""


def _stand_in(path: Path, script: str) -> Path:
    """A program that runs a script."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return path
