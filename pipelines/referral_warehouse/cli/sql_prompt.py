"""Prompts for queries on a snapshot: DuckDB's program where it is installed and can be restricted, else a small one.

Knows no format of results.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from referral_warehouse.cli.console import say
from referral_warehouse.cli.output import write_event
from referral_warehouse.cli.signals import Terminated
from referral_warehouse.errors import ConfigurationError

PROGRAM = "duckdb"
RESTRICTED = ("-no-init", "-safe", "-readonly")
"""Options of DuckDB's program: no commands of its own file, no files, network, shell and settings, and no writing."""

HELP = "Write a query and end it with a semicolon, as in: select * from marts.referral_funnel limit 5;"
COMMANDS = "tables: lists the tables; Ctrl-C: stops a query, or drops what was typed; quit or Ctrl-D: ends."
TABLES = "select schema_name || '.' || table_name as \"table\", estimated_size as rows from duckdb_tables() order by 1;"
LEAVE = frozenset({"quit", "exit", ".quit", ".exit", "\\q"})
SECRET_PREFIXES = ("SOURCES__", "NOTIFY__")


def find_program(database: Path) -> str | None:
    """DuckDB's program, if it is installed, knows the options that restrict it, and opens this file; else None."""
    found = shutil.which(PROGRAM)
    if found is None:
        return None
    try:
        tried = subprocess.run(  # noqa: S603 - the program that the user would start
            [found, *RESTRICTED, str(database), "-c", "select 1"],
            env=_environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found if tried.returncode == 0 else None


def run_program(program: str, database: Path) -> int:
    """Run DuckDB's program on this terminal until it ends. Returns: its exit code."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program
    try:
        process = subprocess.Popen(  # noqa: S603
            [program, *RESTRICTED, str(database)], env=_environment(), preexec_fn=_default_interrupt
        )
        return process.wait()
    finally:
        signal.signal(signal.SIGINT, before)


def prompt(run: Callable[[str], None]) -> None:
    """Read queries from the terminal and run each, until the end. Errors are shown.

    Ctrl-C ends only a query, or drops what was typed.
    """
    if sys.stdin.isatty():
        import readline  # noqa: F401 - lines can be edited

        say(HELP)
        say(COMMANDS)
    text = ""
    while True:
        try:
            line = input("sql> " if not text else "  -> ")
        except EOFError:
            break
        except Terminated as error:
            if not _is_interrupt(error):
                raise
            say()
            text = ""
            continue
        word = line.strip().lower().rstrip(";")
        if not text and word in LEAVE:
            break
        if not text and word in ("", "help", "tables"):
            if word == "help":
                say(HELP)
                say(COMMANDS)
            if word == "tables":
                _run(run, TABLES)
            continue
        text += line + "\n"
        if line.rstrip().endswith(";"):
            _run(run, text)
            text = ""
    if text.strip():
        _run(run, text)


def _run(run: Callable[[str], None], text: str) -> None:
    try:
        run(text)
    except ConfigurationError as error:
        write_event("error", "failed", str(error), as_json=False)
    except BaseException as error:
        if not _is_interrupt(error):
            raise
        say("Stopped.")
    sys.stdout.flush()


def _is_interrupt(error: BaseException | None) -> bool:
    from referral_warehouse.errors import causes

    return any(isinstance(found, Terminated) and found.signal_code == signal.SIGINT for found in causes(error))


def _environment() -> dict[str, str]:
    """The environment without the secrets of the settings."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(SECRET_PREFIXES)}


def _default_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
