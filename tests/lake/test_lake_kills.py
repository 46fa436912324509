"""A writer that is killed anywhere leaves the old state or the new one, and the next one completes what it began."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from referral_warehouse.cli.lake import publish_lake
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.lake.connection import open_lake
from referral_warehouse.warehouse.lake.lock import lake_lock
from referral_warehouse.warehouse.lake.maintenance import maintain
from referral_warehouse.warehouse.lake.state import lake_state
from tests.lake.lakes import PROJECT, data_files, differences_in, environ_of, show, show_in
from tests.lake.test_lake_maintenance import needed_files
from tests.operate.deliveries import switch_to, without_grace

KILLS = 30
"""Of each kind of catalog, in the long test."""


@pytest.fixture(scope="module", autouse=True)
def forks() -> Iterator[None]:
    """The process that forks publishers."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SOURCES__", "WAREHOUSE__"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.lake.killed"], cwd=PROJECT, text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, env={**kept, "PYTHONPATH": f"{PROJECT / 'pipelines'}{os.pathsep}{PROJECT}"},
    )  # fmt: skip
    FORKS.append(process)
    yield
    FORKS.clear()
    process.communicate()


FORKS: list[subprocess.Popen[str]] = []


def run_killed(environ: dict[str, str], at: int = 0, after_us: int = 0) -> tuple[int, int]:
    """Publish in a process. Returns: its exit code, and how many statements it gave DuckDB if it lived."""
    [process] = FORKS
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps({"environ": environ, "at": at, "after_us": after_us}) + "\n")
    process.stdin.flush()
    done = json.loads(process.stdout.readline())
    assert done["code"] in (0, -signal.SIGKILL), done["said"]
    return done["code"], int(done["said"])


def kill_and_complete(settings: Settings, environ: dict[str, str], at: int, after_us: int, number: int) -> None:
    """Kill a publication of a snapshot while the lake shows another one, look, complete it, and look again."""
    before = 3 - number
    code, _ = run_killed(environ, at, after_us)
    with open_lake(settings) as lake:
        state = lake_state(lake) if lake is not None else None
        if state is not None and lake is not None:
            assert state.snapshot in (before, number)
            assert differences_in(lake, settings, state.snapshot) == []
        else:
            assert code == -signal.SIGKILL
    with lake_lock(settings), open_lake(settings, create=True) as lake:
        assert lake is not None
        show_in(lake, settings)
        assert differences_in(lake, settings, number) == []
        assert maintain(lake, settings, set(), compact=True).problems == ()
        assert differences_in(lake, settings, number) == []
        assert needed_files(lake, settings) <= data_files(settings)


def environ_without_grace(settings: Settings, catalog: str | Path) -> dict[str, str]:
    return environ_of(settings, catalog) | {"WAREHOUSE__KEEP_SNAPSHOTS": "1", "WAREHOUSE__SNAPSHOT_GRACE_MINUTES": "0"}


def test_a_killed_writer_leaves_a_whole_state(in_sqlite: Settings, tmp_path: Path) -> None:
    """Killed: while it creates the lake, in the commit, and while old files are removed."""
    settings, environ = without_grace(in_sqlite), environ_without_grace(in_sqlite, tmp_path / "lake.sqlite")
    switch_to(settings, 1)
    kill_and_complete(settings, environ, 3, 0, 1)
    switch_to(settings, 2)
    _, statements = run_killed(environ)
    assert statements > 20
    for number, (at, after_us) in enumerate([(statements - 8, 3000), (statements - 3, 0)]):
        switch_to(settings, 1 + number % 2)
        kill_and_complete(settings, environ, at, after_us, 1 + number % 2)


@pytest.mark.full
@pytest.mark.parametrize("kind", ["sqlite", "duckdb", "postgres"])
def test_a_writer_killed_thirty_times_leaves_a_whole_state(
    published: Settings, kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    from tests.lake.lakes import with_lake

    catalog = request.getfixturevalue("address") if kind == "postgres" else tmp_path / f"lake.{kind}"
    settings = without_grace(with_lake(published, catalog, tmp_path / "lake"))
    environ, chance = environ_without_grace(settings, catalog), random.Random(7)
    show(settings, 1)
    switch_to(settings, 2)
    _, statements = run_killed(environ)
    for count in range(KILLS):
        number = 1 + count % 2
        switch_to(settings, number)
        at = chance.randint(1, statements) if count % 3 else statements - chance.randint(1, 9)
        kill_and_complete(settings, environ, at, chance.choice([0, 500, 5_000, 50_000]), number)


def test_the_next_sync_publishes_what_an_earlier_one_could_not(in_sqlite: Settings, tmp_path: Path) -> None:
    show(in_sqlite, 1)
    switch_to(in_sqlite, 2)
    (tmp_path / "lake.sqlite").rename(tmp_path / "away")
    publish_lake(in_sqlite, lambda: None)  # the data of the lake is not empty: another lake would begin there
    (tmp_path / "away").rename(tmp_path / "lake.sqlite")
    publish_lake(in_sqlite, lambda: None)
    with open_lake(in_sqlite) as lake:
        assert lake is not None
        assert differences_in(lake, in_sqlite, 2) == []
