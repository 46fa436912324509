"""Damage of every kind to the call store: it is moved aside, no call is sent for a window, and calls go on then."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from referral_warehouse.api.rate_limit.host import HostClock
from referral_warehouse.api.rate_limit.store import CallStore
from tests.damage.damages import CONTENT, KINDS

WINDOW_S = 60.0
FILES = ("", "-wal", "-shm")


class Clock:
    seconds = 1000.0


def open_call_store(path: Path, clock: Clock) -> CallStore:
    return CallStore(
        path, window_s=WINDOW_S, violations_that_stop=2, clock=HostClock(lambda: clock.seconds, lambda: 1.8e9, "first")
    )


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A call store with 200 calls, as a killed process leaves it: with its log and its index beside it."""
    folder = tmp_path_factory.mktemp("used")
    call_store = open_call_store(folder / "calls.sqlite3", Clock())
    for _ in range(200):
        call_store.done(call_store.take(1000, 30.0, lambda _: 0.0).seq or 0)
    call_store.flush()
    shutil.copytree(folder, folder / "left")
    call_store.close()
    return folder / "left"


@pytest.mark.parametrize("name", [*CONTENT, *KINDS])
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_call_store_costs_a_window_at_most(used: Path, tmp_path: Path, file: str, name: str) -> None:
    shutil.copytree(used, tmp_path / "l")
    path, clock = tmp_path / "l" / "calls.sqlite3", Clock()
    (CONTENT | KINDS)[name](Path(f"{path}{file}"))
    call_store = open_call_store(path, clock)
    first = call_store.take(1000, 30.0, lambda _: 0.0)
    assert first.seq is not None or (first.reason, first.wait_s) == ("pause", WINDOW_S)
    clock.seconds += WINDOW_S
    assert call_store.take(1000, 30.0, lambda _: 0.0).seq is not None
    assert call_store.violations() == ()
    call_store.close()
    again = open_call_store(path, clock)
    assert again.take(1000, 30.0, lambda _: 0.0).seq is not None
    again.close()


def test_a_database_of_other_tables_is_moved_aside(tmp_path: Path) -> None:
    path, clock = tmp_path / "calls.sqlite3", Clock()
    with sqlite3.connect(path) as other:
        other.execute("create table flying (something text)")
    other.close()
    call_store = open_call_store(path, clock)
    assert call_store.take(10, 30.0, lambda _: 0.0).reason == "pause"
    assert path.with_suffix(".broken").is_file()
    call_store.close()


def test_files_moved_aside_before_do_not_interfere(tmp_path: Path) -> None:
    path, clock = tmp_path / "calls.sqlite3", Clock()
    path.with_suffix(".broken").mkdir()
    path.mkdir()
    call_store = open_call_store(path, clock)
    assert call_store.take(10, 30.0, lambda _: 0.0).reason == "pause"
    clock.seconds += WINDOW_S
    assert call_store.take(10, 30.0, lambda _: 0.0).seq is not None
    call_store.close()
