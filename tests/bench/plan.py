"""What is measured, in which order, and whether it did what it was measured for.

The floor and the commands take turns within one run, so that a machine that slows down slows all of them. Every loaded
row is counted afterwards: a load that lost some is not a fast load.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

from tests.bench.measure import Usage, measure

PROJECT = Path(__file__).parents[2]
BUILD_USERS = 5_000
HELP_RUNS = 10
RAW_TABLES = {"campaigns", "users", "rewards", "rewards/due", "rewards/issued", "coupons"}
COUNT_ROWS = """
import duckdb, json, sys
with duckdb.connect(sys.argv[1], read_only=True) as db:
    print(json.dumps({t: db.sql(f"select count(distinct id) from raw.{t}").fetchone()[0] for t in sys.argv[2:]}))
"""


@dataclass
class Result:
    """All runs of one measurement; ``users`` is the account's size, 0 where there is none.

    After a ``failure`` a measurement is not repeated, and nothing is made of its earlier runs.
    """

    name: str
    users: int = 0
    runs: list[Usage] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    failure: str | None = None

    def median_of(self, what: str) -> float:
        return float(median(getattr(run, what) for run in self.runs))


@dataclass(frozen=True)
class Server:
    """A running bench server: where it is and how many rows each list has."""

    base_url: str
    rows: dict[str, int]

    def answered(self) -> int:
        """API requests since the last time this was asked."""
        url = self.base_url.replace("/api/v1", "/_bench/stats")
        with urllib.request.urlopen(url) as answer:  # noqa: S310 — a loopback server of our own
            return int(json.load(answer)["answered"])


@contextmanager
def serving(users: int) -> Iterator[Server]:
    """The bench server in a process of its own; ends with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.server", "--users", str(users)],
        cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        yield Server(**json.loads(process.stdout.readline()))


class Bench:
    """Runs the measurements of ``command``; ``say`` hears what is going on."""

    def __init__(self, scratch: Path, say: Callable[[str], None], command: list[str] | None = None) -> None:
        self.scratch = scratch
        self.say = say
        self.command = command or [str(Path(sys.executable).with_name("referrals"))]
        self.results: list[Result] = []

    def start(self) -> None:
        """``referrals --help``, which every other command pays for too."""
        result = self._result("help", 0)
        for _ in range(HELP_RUNS):
            self._run(result, self._referrals("--help"), self._folder())

    def build(self, users: int, runs: int) -> None:
        """The build alone, on a load file that stands ready."""
        with serving(users) as server:
            folder = self._folder()
            load = Result("load", users)
            self._run(load, self._referrals("load"), folder, server)
            result = self._result("build", users)
            result.failure = load.failure
            for _ in range(runs):
                self._run(result, self._referrals("build"), folder, server)

    def build_large(self, users: int, runs: int) -> None:
        """All marts of a load file that no API could serve in time, and the referral tree alone in little memory."""
        folder = self._folder()
        (folder / "data").mkdir()
        made = Result("load file", users)
        arguments = [sys.executable, "-m", "tests.bench.loadfile", str(users), str(folder / "data" / "load.duckdb")]
        self._run(made, arguments, folder)
        build, tree = self._result("build", users), self._result("tree", users)
        build.failure = tree.failure = made.failure
        for _ in range(runs):
            self._run(build, self._referrals("build"), folder)
            self._run(tree, [sys.executable, "-m", "tests.bench.forest", str(folder / "data")], folder)
        shutil.rmtree(folder)

    def load(self, users: int, runs: int) -> None:
        """The floor, a load alone, a sync and an idle sync after it."""
        floor, load, sync, idle = (self._result(name, users) for name in ("floor", "load", "sync", "idle sync"))
        with serving(users) as server:
            for _ in range(runs):
                folder = self._folder()
                arguments = [sys.executable, "-m", "tests.bench.floor", server.base_url, str(folder / "floor.duckdb")]
                self._run(floor, arguments, folder, server)
                self._expect(floor, server, lambda: json.loads(floor.runs[-1].output))
                shutil.rmtree(folder)

                folder = self._folder()
                self._run(load, self._referrals("load"), folder, server)
                self._expect(load, server, partial(_count, folder))
                shutil.rmtree(folder)

                folder = self._folder()
                self._run(sync, self._referrals("sync"), folder, server)
                self._expect(sync, server, partial(_count, folder))
                idle.failure = idle.failure or sync.failure
                self._run(idle, self._referrals("sync"), folder, server)
                self._expect(idle, server, partial(_count, folder))
                shutil.rmtree(folder)

    def _result(self, name: str, users: int) -> Result:
        self.results.append(Result(name, users))
        return self.results[-1]

    def _folder(self) -> Path:
        """A fresh working folder with the project's defaults and nobody's secrets."""
        folder = Path(tempfile.mkdtemp(dir=self.scratch))
        (folder / ".dlt").mkdir()
        shutil.copy(PROJECT / ".dlt" / "config.toml", folder / ".dlt")
        return folder

    def _referrals(self, *arguments: str) -> list[str]:
        return [*self.command, *arguments]

    def _run(self, result: Result, arguments: list[str], folder: Path, server: Server | None = None) -> None:
        """One measured run, with the API requests it made."""
        if result.failure:
            return
        self.say(f"{result.name}{f', {result.users:,} users' if result.users else ''}: run {len(result.runs) + 1}")
        if server:
            server.answered()
        try:
            is_ours = arguments[1:2] == ["-m"]
            usage = measure(arguments, _environ(folder, server), PROJECT if is_ours else folder)
        except OSError as error:
            result.failure = str(error)
            return
        if usage.exit_code:
            said = (usage.errors or usage.output).strip().splitlines()
            result.failure = f"exit code {usage.exit_code}: {said[-1] if said else 'no word'}"
            return
        result.runs.append(usage)
        if server:
            result.calls.append(server.answered())

    def _expect(self, result: Result, server: Server, count: Callable[[], dict[str, int]]) -> None:
        if result.failure:
            return
        counted = count()
        wrong = {name: rows for name, rows in counted.items() if rows != server.rows[name]}
        if wrong or not counted:
            result.failure = f"rows are missing or too many: {wrong} instead of {server.rows}"


def _count(folder: Path) -> dict[str, int]:
    """Distinct ids per raw table, read by another process so that this one stays small; empty where there are none."""
    tables = {path.replace("/", "_"): path for path in sorted(RAW_TABLES)}
    arguments = [sys.executable, "-c", COUNT_ROWS, str(folder / "data" / "load.duckdb"), *tables]
    answer = subprocess.run(arguments, capture_output=True, text=True, check=False)
    counted: dict[str, int] = json.loads(answer.stdout) if answer.returncode == 0 else {}
    return {tables[table]: rows for table, rows in counted.items()}


def _environ(folder: Path, server: Server | None) -> dict[str, str]:
    """Nothing of the developer's own configuration may play a part."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SOURCES__", "WAREHOUSE__"))}
    ours = {
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder / "machine"),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "WAREHOUSE__DIR": str(folder / "data"),
    }
    if server:
        ours |= {
            "SOURCES__REFERRAL_FACTORY__API_TOKEN": "bench",
            "SOURCES__REFERRAL_FACTORY__BASE_URL": server.base_url,
            "SOURCES__REFERRAL_FACTORY__CALLS_PER_MINUTE": "0",
        }
    return kept | ours
