"""`referrals load` killed with SIGKILL at seeded points and run again: the raw tables are those of an undisturbed run.

Real processes: the sandbox serves in one, the loader dies in another. Where it dies is told by progress (calls that
the sandbox saw, files that dlt put into its folder), never by time. Nobody lends a hand between the kill and the rerun.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from pipelines.load.pipeline import PIPELINE_NAME
from pipelines.load.runner import LoadReport, load
from pipelines.lock import warehouse_lock
from pipelines.sandbox import Sandbox
from pipelines.settings import Settings, Token

PROJECT = Path(__file__).parents[2]
TOKEN = "sandbox-token"
USERS, DAYS, SLICE_ROWS = 300, 3, 250  # two slices
PATIENCE_S = 60
# Technical columns and the time of fetching differ from run to run; that a version is the current one must not.
COMPARED = (
    "select table_name, column_name from information_schema.columns where table_schema = 'raw' "
    "and not starts_with(table_name, '_dlt') and table_name not in ('runs', 'run_streams', 'reconciliation') "
    "and column_name not in ('_fetched_at', '_dlt_load_id', '_dlt_id', '_dlt_valid_from', 'observed_at') order by all"
)
Reached = Callable[["Place"], bool]


@dataclass(frozen=True)
class Place:
    """What can be seen of a run from outside."""

    folder: Path
    http: httpx.Client
    loaded_before: int

    @property
    def calls(self) -> int:
        return len(self.http.get("/_sandbox/calls").json())

    @property
    def loaded(self) -> int:
        """How many packages this run has finished."""
        return self.files("load/loaded/*") - self.loaded_before

    def files(self, pattern: str) -> int:
        return sum(1 for _ in (self.folder / "state" / "dlt" / PIPELINE_NAME).glob(pattern))


def after_calls(number: int) -> Reached:
    return lambda place: place.calls >= number


def after_packages(number: int) -> Reached:
    return lambda place: place.loaded >= number


def with_files(pattern: str) -> Reached:
    """Files that come and go; whoever looks too late to see them dies at the end of that package."""
    return lambda place: place.files(pattern) > 0 or place.loaded > 0


_RNG = random.Random(20260105)
# (what was there before, where the process dies)
POINTS: list[tuple[str, str, Reached]] = [
    ("nothing", "tables being made", with_files("load/normalized/*")),
    ("nothing", "a call of the first walk", after_calls(_RNG.randint(2, 5))),
    ("nothing", "first slice committed", after_packages(2)),
    *(("days", f"call {number}", after_calls(number)) for number in sorted(_RNG.sample(range(1, 17), 3))),
    ("days", "extracted", with_files("normalize/extracted/*")),
    ("days", "normalised", with_files("load/new/*")),
    ("days", "to be loaded", with_files("load/normalized/*")),
    ("days", "jobs started", with_files("load/normalized/*/started_jobs/*")),
    ("days", "jobs completed", with_files("load/normalized/*/completed_jobs/*")),
    ("days", "first package committed", after_packages(1)),
]


@dataclass(frozen=True)
class Stage:
    """A served account of some days, and what was loaded of it: nothing, or the state before those days."""

    url: str
    starts: dict[str, Path]
    undisturbed: dict[str, dict[str, list[tuple[Any, ...]]]]

    def settings(self, folder: Path) -> Settings:
        return Settings(
            api_token=Token(TOKEN), base_url=f"{self.url}/api/v1", calls_per_minute=0, slice_rows=SLICE_ROWS,
            warehouse_dir=folder,
        )  # fmt: skip


def rerun(settings: Settings) -> LoadReport:
    with warehouse_lock(settings):
        return load(settings)


def raw_tables(settings: Settings) -> dict[str, list[tuple[Any, ...]]]:
    with duckdb.connect(str(settings.load_path)) as connection:
        columns: dict[str, list[str]] = {}
        for table, column in connection.execute(COMPARED).fetchall():
            columns.setdefault(table, []).append(
                "_dlt_valid_to is null" if column == "_dlt_valid_to" else f'"{column}"'
            )
        return {
            table: connection.execute(f"select {', '.join(names)} from raw.{table} order by all").fetchall()
            for table, names in columns.items()
        }


def environment(settings: Settings, machine: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.upper().endswith("_PROXY")}
    return kept | {
        "SOURCES__REFERRAL_FACTORY__BASE_URL": settings.base_url,
        "SOURCES__REFERRAL_FACTORY__API_TOKEN": TOKEN,
        "SOURCES__REFERRAL_FACTORY__CALLS_PER_MINUTE": "0",
        "SOURCES__REFERRAL_FACTORY__SLICE_ROWS": str(SLICE_ROWS),
        "WAREHOUSE__DIR": str(settings.warehouse_dir),
        "XDG_STATE_HOME": str(machine),
    }


@contextmanager
def served(world: Path) -> Iterator[str]:
    """The sandbox in a process of its own; gives the address of the host."""
    command = [sys.executable, "-m", "pipelines", "sandbox", "--file", str(world), "--calls-per-minute", "0"]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            ready = server.stdout.readline()
            assert ready.startswith("Sandbox ready: http://127.0.0.1:"), ready
            yield ready.split()[-1].removesuffix("/api/v1")
        finally:
            server.terminate()
            server.communicate(timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stage")
    starts = {"nothing": folder / "nothing", "days": folder / "days"}
    starts["nothing"].mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "machine"))
        with Sandbox(folder / "world.sqlite3", users=USERS, seed=17, calls_per_minute=0) as world:
            stage = Stage(world.host_url, starts, {})
            rerun(stage.settings(starts["days"]))
            world.advance(DAYS)
        with served(folder / "world.sqlite3") as url:
            stage = Stage(url, starts, {})
            for name, start in starts.items():
                settings = stage.settings(folder / f"undisturbed {name}")
                shutil.copytree(start, settings.warehouse_dir)
                assert rerun(settings).rows_written > 0
                stage.undisturbed[name] = raw_tables(settings)
            yield stage


def kill_when(reached: Reached, place: Place, loader: subprocess.Popen[bytes]) -> None:
    """Wait for the point and kill; a process that ends before is an error of the point."""
    deadline = time.monotonic() + PATIENCE_S
    while not reached(place):
        assert loader.poll() is None, f"the run ended ({loader.returncode}) before the point was reached"
        assert time.monotonic() < deadline, "the point was never reached"
        time.sleep(0.002)  # looking all the time would take the processor from those who are looked at
    loader.kill()
    loader.wait(PATIENCE_S)


@pytest.mark.parametrize(("start", "where", "reached"), POINTS, ids=[f"{start}, {where}" for start, where, _ in POINTS])
def test_a_killed_run_is_made_up_for_by_the_next(
    stage: Stage, tmp_path: Path, start: str, where: str, reached: Reached
) -> None:
    settings = stage.settings(tmp_path / "data")
    shutil.copytree(stage.starts[start], settings.warehouse_dir)
    loaded_before = len(list(settings.warehouse_dir.glob(f"state/dlt/{PIPELINE_NAME}/load/loaded/*")))
    assert (loaded_before > 0) == (start == "days")
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=stage.url, headers=headers, trust_env=False, timeout=PATIENCE_S) as http:
        http.delete("/_sandbox/calls").raise_for_status()
        with subprocess.Popen(
            [sys.executable, "-m", "pipelines", "load"], cwd=tmp_path, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(settings, tmp_path / "machine"),
        ) as loader:  # fmt: skip
            kill_when(reached, Place(settings.warehouse_dir, http, loaded_before), loader)
    assert loader.returncode == -signal.SIGKILL
    rerun(settings)
    found = raw_tables(settings)
    expected = stage.undisturbed[start]
    assert {table for table in expected if found.get(table) != expected[table]} == set()
    assert found.keys() == expected.keys()
    assert rerun(settings).rows_written == 0
    assert raw_tables(settings) == expected
