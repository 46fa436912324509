"""Starts query programs that the user has installed, DuckDB's own or Harlequin, restricted to reading."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from referral_warehouse.consume.query.restrictions import closing_script
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.redaction import without_own_settings

DUCKDB, HARLEQUIN, PLAIN = "duckdb", "harlequin", "plain"
PROMPTS = (DUCKDB, HARLEQUIN, PLAIN)
"""What ``referrals sql`` opens on a terminal; ``plain`` is its own prompt."""

RESTRICTED = ("-no-init", "-safe", "-readonly")
"""Options of DuckDB's program: no start file (~/.duckdbrc), no files, network, shell or settings, and no writing."""

HARLEQUIN_RESTRICTED = ("--profile", "None", "--adapter", "duckdb", "--read-only", "--no-write-history")
"""Options of Harlequin: no profile of a file in this folder, no writing, and no history of queries on the disk."""

HARLEQUIN_PROBE = "hsql"
"""Harlequin's own program for one query: what it opens with these options, Harlequin opens too."""

IS_OPEN = "select current_setting('enable_external_access') or not current_setting('lock_configuration') as is_open"
"""Whether SQL can reach files and the network, or change settings."""
PROBE_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Program:
    """A program that can be run: ``name`` is one of ``PROMPTS``, ``path`` its file."""

    name: str
    path: str


def find_program(database: Path, wanted: str | None = None) -> Program | None:
    """The program to open a database with: DuckDB's, else Harlequin, else None.

    A program is used if it is installed, supports the options that restrict it, and opens this file.

    Args: ``wanted`` is the only program to try; None for both.
    Raises: ConfigurationError where ``wanted`` cannot be used.
    """
    for name in (DUCKDB, HARLEQUIN) if wanted is None else (wanted,):
        path = shutil.which(name)
        is_usable = path is not None and (_duckdb_opens if name == DUCKDB else _harlequin_opens)(path, database)
        if path is not None and is_usable:
            return Program(name, path)
    if wanted is None:
        return None
    raise ConfigurationError(
        f"{wanted} is not installed, or cannot be restricted to reading this snapshot.",
        "Install a newer one, or run the command without --prompt.",
    )


def run_program(program: Program, database: Path) -> int:
    """Run a program on this terminal until it ends. Returns: its exit code."""
    with _command(program.name, program.path, database) as command:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program
        try:
            process = subprocess.Popen(  # noqa: S603
                command, env=without_own_settings(os.environ), preexec_fn=_default_interrupt
            )
            return process.wait()
        finally:
            signal.signal(signal.SIGINT, before)


@contextmanager
def _command(name: str, path: str, database: Path) -> Iterator[list[str]]:
    """The command line of a program, with its restrictions. Harlequin needs two files, which are removed at the end."""
    if name == DUCKDB:
        yield [path, *RESTRICTED, str(database)]
        return
    with tempfile.TemporaryDirectory(prefix="referrals-sql-") as folder:
        script, nothing = Path(folder) / "init.sql", Path(folder) / "harlequin.toml"
        script.write_text(closing_script(), encoding="utf-8")
        nothing.write_text("", encoding="utf-8")
        files = ["--config-path", str(nothing), "--init-path", str(script)]
        yield [path, *HARLEQUIN_RESTRICTED, *files, str(database)]


def _duckdb_opens(path: str, database: Path) -> bool:
    return _output_of([path, *RESTRICTED, str(database), "-c", "select 1"]) is not None


def _harlequin_opens(path: str, database: Path) -> bool:
    probe = shutil.which(HARLEQUIN_PROBE)
    if probe is None:
        return False
    with _command(HARLEQUIN, probe, database) as command:
        found = _output_of([*command, "--json", "--command", IS_OPEN])
    try:
        is_closed = json.loads(found or "null") == [{"is_open": False}]
    except ValueError:
        is_closed = False
    if not is_closed:
        return False
    with _command(HARLEQUIN, path, database) as command:
        return _output_of([*command, "--version"]) is not None


def _output_of(command: Sequence[str]) -> str | None:
    """What a program prints; None where it fails."""
    try:
        tried = subprocess.run(  # noqa: S603 - the program that the user would start
            command, env=without_own_settings(os.environ), stdin=subprocess.DEVNULL, capture_output=True,
            timeout=PROBE_TIMEOUT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return tried.stdout.decode("utf-8", "replace") if tried.returncode == 0 else None


def _default_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
