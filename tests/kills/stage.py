"""A served account, directories to start from, and what an undisturbed run publishes, to compare killed runs with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import httpx

from tests.kills.forks import Ended, Forks, forks_with
from tests.kills.readers import Reader

PROJECT = Path(__file__).parents[2]
TOKEN = "sandbox-token"
TIMEOUT_S = 60
PREFIX = "SOURCES__REFERRAL_FACTORY__"
LAYERS = ("core", "marts")


@dataclass
class Stage:
    """The common setup of kill tests.

    Attributes:
        starts: warehouse directories to start from, by name.
        undisturbed: what an undisturbed sync of each publishes: table → rows.
        labels: the labels of the ticks of that sync.
        facts: its ``--json`` summary.
    """

    folder: Path
    host: str
    forks: Forks
    reader: Reader
    slice_rows: int
    starts: dict[str, Path] = field(default_factory=dict)
    undisturbed: dict[str, dict[str, list[tuple[Any, ...]]]] = field(default_factory=dict)
    labels: dict[str, list[str]] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    settings_of: Callable[[Path], dict[str, str]] = lambda _data: {}
    """Further variables of commands on a directory, by their whole names."""

    def environ(self, **settings: str) -> dict[str, str]:
        """The environment of a command; ``settings`` by their short names, such as ``SWEEP_EVERY_DAYS``."""
        kept = {
            name: value for name, value in os.environ.items()
            if not name.upper().endswith("_PROXY") and not name.startswith(("SOURCES__", "WAREHOUSE__"))
        }  # fmt: skip
        chosen = {
            "BASE_URL": f"{self.host}/api/v1", "API_TOKEN": TOKEN, "CALLS_PER_MINUTE": "0",
            "SIMULATED_TIME": "true", "SLICE_ROWS": str(self.slice_rows), **settings,
        }  # fmt: skip
        machine = {"XDG_STATE_HOME": str(self.folder / "machine"), "HOME": str(self.folder)}
        return kept | machine | {f"{PREFIX}{name}": value for name, value in chosen.items()}

    def run(self, data: Path, *arguments: str, settings: dict[str, str] | None = None, **interruption: Any) -> Ended:
        """Run a command on a warehouse directory; ``interruption`` are further arguments of ``Forks.run``."""
        environ = self.environ(**(settings or {})) | self.settings_of(data) | {"WAREHOUSE__DIR": str(data)}
        return self.forks.run(data, arguments, environ, **interruption)

    def sync(self, data: Path, *options: str, **interruption: Any) -> Ended:
        """``referrals sync`` on a warehouse directory."""
        return self.run(data, "sync", "--json", *options, **interruption)

    def copy(self, start: str, data: Path) -> Path:
        """A test's own copy of a directory to start from."""
        shutil.copytree(self.starts[start], data, symlinks=True)
        return data

    def add_start(self, start: str, data: Path | None) -> None:
        """Add a directory to start from (None: an empty one), and record what an undisturbed sync makes of it."""
        self.starts[start] = self.folder / f"start {start}"
        if data is None:
            self.starts[start].mkdir()
        else:
            shutil.copytree(data, self.starts[start], symlinks=True)
        undisturbed = self.copy(start, self.folder / f"undisturbed {start}")
        ended = self.sync(undisturbed)
        assert ended.returncode == 0, ended.stderr
        self.undisturbed[start] = published(undisturbed)
        self.labels[start] = ended.labels
        self.facts[start] = json.loads(ended.stdout)

    def http(self) -> httpx.Client:
        """A client of the sandbox's control endpoints."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return httpx.Client(base_url=self.host, headers=headers, trust_env=False, timeout=TIMEOUT_S)

    def calls(self) -> list[str]:
        """The requested paths since the last call of this method."""
        with self.http() as http:
            calls = http.get("/_sandbox/calls").raise_for_status().json()
            http.delete("/_sandbox/calls").raise_for_status()
        return [call["path"] for call in calls]


def published(data: Path, layers: Sequence[str] = LAYERS) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every published table of some layers, sorted.

    Times are to the second: of syncs within one second, the later ones observe microseconds later.
    """
    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as connection:
        names = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where list_contains(?, schema_name) "
            "order by 1", [list(layers)],
        ).fetchall()  # fmt: skip
        return {name: connection.execute(select_to_the_second(connection, name)).fetchall() for (name,) in names}


def select_to_the_second(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    described = connection.execute(f"describe {name}").fetchall()
    times = [column for column, kind, *_ in described if kind == "TIMESTAMP"]
    replaced = ", ".join(f"date_trunc('second', {column}) as {column}" for column in times)
    return f"select * {f'replace ({replaced})' if times else ''} from {name} order by all"


def unequal(found: dict[str, list[tuple[Any, ...]]], expected: dict[str, list[tuple[Any, ...]]]) -> dict[str, Any]:
    """The tables that differ, each with a row of ours and one of theirs; empty where all are the same."""
    wrong: dict[str, Any] = {}
    for name in found.keys() | expected.keys():
        ours, theirs = found.get(name), expected.get(name)
        if ours != theirs:
            extra = [row for row in ours or [] if row not in (theirs or [])]
            lost = [row for row in theirs or [] if row not in (ours or [])]
            wrong[name] = (len(ours or []), len(theirs or []), extra[:2], lost[:2])
    return wrong


@contextmanager
def served(world: Path, *options: str) -> Iterator[str]:
    """Serve the sandbox in a process of its own. Yields: the address of the host."""
    command = [
        sys.executable,
        "-m",
        "referral_warehouse",
        "sandbox",
        "--file",
        str(world),
        "--calls-per-minute",
        "0",
        *options,
    ]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            ready = server.stdout.readline()
            assert ready.startswith("Sandbox ready: http://127.0.0.1:"), ready
            yield ready.split()[-1].removesuffix("/api/v1")
        finally:
            server.terminate()
            server.communicate(timeout=TIMEOUT_S)


def problems_after_kill(stage: Stage, start: str, data: Path, **interruption: Any) -> list[str]:
    """Kill a sync of a copy of a start, sync again, and return what is wrong then, in words."""
    stage.copy(start, data)
    stage.reader.begin(data / "warehouse.duckdb")
    killed = stage.sync(data, **interruption)
    rerun = stage.sync(data)
    seen = stage.reader.report()
    problems = [f"the process was to be killed and ended with {killed.returncode}"] if killed.returncode != -9 else []
    if rerun.returncode != 0:
        return [*problems, f"the rerun ended with {rerun.returncode}: {rerun.stderr[-1000:]}"]
    problems += [
        f"{name} differs: {found}" for name, found in unequal(published(data), stage.undisturbed[start]).items()
    ]
    problems += [f"a reader met an error: {error}" for error in seen["errors"][:2]]
    problems += [f"a reader saw mixed states: {row}" for row in seen["torn_reads"][:2]]
    if not seen["reads"]:
        problems.append("nobody read meanwhile")
    return problems


@contextmanager
def staged(
    folder: Path, *, users: int, days: int, slice_rows: int, seed: int = 17, models: Path | None = None
) -> Iterator[Stage]:
    """A stage whose account has some users, with two starts: ``nothing``, and ``days`` (synced some days ago).

    ``models`` is another folder of models than the product's.
    """
    with ExitStack() as stack:
        host = stack.enter_context(served(folder / "world.sqlite3", "--users", str(users), "--seed", str(seed)))
        stage = Stage(folder, host, forks_with(models), stack.enter_context(Reader()), slice_rows)
        first = folder / "first"
        ended = stage.sync(first)
        assert ended.returncode == 0, ended.stderr
        with stage.http() as http:
            http.post(f"/_sandbox/advance?days={days}").raise_for_status()
        stage.add_start("nothing", None)
        stage.add_start("days", first)
        yield stage
