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
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

from tests.bench.measure import Usage, measure
from tests.bench.serving import PROJECT, Server, serving

BUILD_USERS = 5_000
HELP_RUNS = 10
LATER_USERS = 1_000
REWARD_PAGE_ROWS = 25
CAMPAIGNS = 100
PEER_USERS = 100_000
"""The size of the account for the peers, which take a multiple of the time."""
PEERS = {"script": "tests.bench.peer_script", "rest_api": "tests.bench.peer_rest_api"}
RAW_TABLES = {"campaigns", "users", "rewards", "rewards/due", "rewards/issued", "coupons"}
COUNT_ROWS = """
import duckdb, json, sys
with duckdb.connect(sys.argv[1], read_only=True) as db:
    print(json.dumps({t: db.sql(f"select count(distinct id) from raw.{t}").fetchone()[0] for t in sys.argv[2:]}))
"""


@dataclass(frozen=True)
class Waits:
    """How the server makes a client wait; ``calls_per_minute`` is 0 where there is no limit."""

    latency_ms: int
    calls_per_minute: int = 0
    concurrency: int = 8

    def ideal_s(self, calls: int) -> float:
        """How long so many calls take at least: whole minutes of the limit, then what is in flight at once."""
        minutes, rest = divmod(calls - 1, self.calls_per_minute) if self.calls_per_minute else (0, calls - 1)
        return 60 * minutes + -(-(rest + 1) // self.concurrency) * self.latency_ms / 1000


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
    waits: Waits | None = None

    def median_of(self, what: str) -> float:
        return float(median(getattr(run, what) for run in self.runs))


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
        """The floor, peers, a load alone, a sync, an idle sync after it, and one after a thousand users joined."""
        floor, load, sync, idle, grown = (
            self._result(name, users) for name in ("floor", "load", "sync", "idle sync", "grown sync")
        )
        for _ in range(runs):
            # a server of its own, because it grows
            options = {"campaigns": CAMPAIGNS, "reward_page_rows": REWARD_PAGE_ROWS, "later": LATER_USERS}
            with serving(users, **options) as server:
                self._fetch(floor, "tests.bench.floor", server)

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
                server.ask("grow")
                server.rows["users"] += LATER_USERS
                grown.failure = grown.failure or idle.failure
                self._run(grown, self._referrals("sync"), folder, server)
                self._expect(grown, server, partial(_count, folder))
                shutil.rmtree(folder)

    def peers(self, users: int, runs: int) -> None:
        """Other ways to load the same account, with the same pages."""
        with serving(users, campaigns=CAMPAIGNS, reward_page_rows=REWARD_PAGE_ROWS) as server:
            for name, module in PEERS.items():
                result = self._result(name, users)
                for _ in range(runs):
                    self._fetch(result, module, server)

    def wait(self, users: int, waits: Waits) -> None:
        """A sync that waits for the server: the time is what counts."""
        result = self._result(f"{waits.latency_ms} ms", users)
        result.waits = waits
        options = {"campaigns": CAMPAIGNS, "reward_page_rows": REWARD_PAGE_ROWS, "latency_ms": waits.latency_ms}
        with serving(users, calls_per_minute=waits.calls_per_minute, **options) as server:
            folder = self._folder()
            settings = {"CALLS_PER_MINUTE": str(waits.calls_per_minute), "CONCURRENCY": str(waits.concurrency)}
            self._run(result, self._referrals("load"), folder, server, settings)
            self._expect(result, server, partial(_count, folder))
            shutil.rmtree(folder)

    def _fetch(self, result: Result, module: str, server: Server) -> None:
        """Run a module of the bench that loads the account into a file and prints the rows per list."""
        folder = self._folder()
        arguments = [sys.executable, "-m", module, server.base_url, str(folder / "lists.duckdb")]
        self._run(result, arguments, folder, server)
        self._expect(result, server, lambda: json.loads(result.runs[-1].output))
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

    def _run(
        self, result: Result, arguments: list[str], folder: Path, server: Server | None = None,
        settings: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        """One measured run, with the API requests it made."""
        if result.failure:
            return
        self.say(f"{result.name}{f', {result.users:,} users' if result.users else ''}: run {len(result.runs) + 1}")
        if server:
            server.answered()
        try:
            is_ours = arguments[1:2] == ["-m"]
            usage = measure(arguments, _environ(folder, server, settings or {}), PROJECT if is_ours else folder)
        except OSError as error:
            result.failure = str(error)
            return
        if usage.exit_code:
            said = (usage.errors or usage.output).strip().splitlines()
            result.failure = f"exit code {usage.exit_code}: {said[-1] if said else 'no word'}"
            return
        result.runs.append(usage)
        if server:
            stats = server.ask("stats")
            result.calls.append(int(stats["answered"]))
            if stats["refused"]:
                result.failure = f"{stats['refused']:.0f} calls were refused for being too many"

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


def _environ(folder: Path, server: Server | None, settings: dict[str, str]) -> dict[str, str]:
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
        } | {f"SOURCES__REFERRAL_FACTORY__{name}": value for name, value in settings.items()}
    return kept | ours
