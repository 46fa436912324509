"""Damage to any file of dlt's folder: the package is loaded once, the cursors are right, the next run is as usual.

Each file that is found is tried with one damage; tests/soak/test_damage_matrix.py tries them all.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from referral_warehouse.errors import ConfigurationError, DiskFull, LoadFileDamaged
from referral_warehouse.load.registry import TABLES
from referral_warehouse.load.storage.dlt_recovery import may_be_caused_by_folder
from referral_warehouse.load.storage.load_file import LoadFile
from referral_warehouse.load.storage.load_pipeline import LoadPipeline
from tests.damage.damages import CONTENT, KINDS
from tests.load.accounts import DATA, Account
from tests.load.damaged_folder import Starts, cases, make_starts, pattern, problems_after


@pytest.fixture(scope="module")
def starts(loaded_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Starts:
    return make_starts(loaded_once, tmp_path_factory.mktemp("starts"))


def chosen(starts: Starts) -> dict[tuple[str, str], str]:
    """(start, path) → the damage tried: every file, and every third folder, each with another damage."""
    found: dict[tuple[str, str], list[str]] = {}
    for start, path, damage in cases(starts):
        # a pending package is what the other start does not have
        if start == "loaded" or "load/normalized/" in path:
            found.setdefault((start, path), []).append(damage)
    folders = [place for place in found if (starts.folders[place[0]] / place[1]).is_dir()]
    left_out = set(folders) - set(folders[::3])
    chosen = [place for place in found if place not in left_out]
    return {place: found[place][number * 5 % len(found[place])] for number, place in enumerate(chosen)}


@pytest.mark.full  # a minute
def test_damage_to_any_path_loses_and_doubles_nothing(starts: Starts, tmp_path: Path) -> None:
    problems, places = {}, chosen(starts)
    for (start, path), damage in places.items():
        found = problems_after(starts, start, path, damage, tmp_path / "data")
        if found:
            problems[start, pattern(path), damage] = found
        shutil.rmtree(tmp_path / "data")
    assert problems == {}
    patterns = {pattern(path) for _start, path in places}
    assert {"state/dlt/referral_warehouse/load/.version", "state/dlt/referral_warehouse/state.json"} <= patterns
    assert any("load/normalized/*/new_jobs/" in found for found in patterns)
    assert len(set(places.values())) > 12


def test_errors_with_another_cause_are_not_attributed_to_the_folder() -> None:
    interrupted = RuntimeError("query interrupted")
    interrupted.__cause__ = KeyboardInterrupt()
    full = RuntimeError("could not write")
    full.__cause__ = OSError(28, os.strerror(28))
    for error in (DiskFull("full"), LoadFileDamaged("torn"), duckdb.IOException("x"), full, interrupted):
        assert not may_be_caused_by_folder(error), error
    for other in (ValueError("x"), KeyError("version"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"), EOFError()):
        assert may_be_caused_by_folder(other), other


def test_a_folder_that_cannot_be_used_at_all_ends_after_one_retry(account: Account) -> None:
    """Only files of another user cannot be removed; these are reported."""
    folder = account.settings.state_dir / "dlt"
    shutil.rmtree(folder)
    folder.symlink_to("/proc/self")
    with LoadFile(account.settings.load_path) as load_file, pytest.raises(ConfigurationError, match="dlt") as refused:
        LoadPipeline(load_file, account.settings.state_dir, TABLES)
    assert str(folder) in str(refused.value)


@pytest.mark.parametrize("name", [*CONTENT, *KINDS])
def test_a_damaged_log_of_the_load_file_is_moved_aside(with_log: Path, tmp_path: Path, name: str) -> None:
    """A killed process leaves the log; the rows in it are read again."""
    shutil.copytree(with_log, tmp_path / "data")
    path, log = tmp_path / "data" / "load.duckdb", tmp_path / "data" / "load.duckdb.wal"
    (CONTENT | KINDS)[name](log)
    with LoadFile(path) as load_file:
        assert load_file.rows.row_count("users") > 0
        recovered = load_file.recovered
    assert bool(recovered) == any(tmp_path.rglob("load.duckdb.wal.aside-*"))
    assert bool(recovered) or name not in ("noise in the middle", "a directory", "a named pipe")
    with LoadFile(path) as load_file:
        assert load_file.recovered == []


@pytest.fixture(scope="module")
def with_log(loaded_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A load file beside which a process that was killed left its log."""
    folder = tmp_path_factory.mktemp("killed")
    path = Path(shutil.copy(loaded_once / DATA / "load.duckdb", folder / "load.duckdb"))
    script = (
        "import duckdb, os, sys; c = duckdb.connect(sys.argv[1], config={'checkpoint_threshold': '1GB'}); "
        "c.execute('create table raw.left_behind as select range as i, range::varchar as t from range(5000)'); "
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=True)
    assert path.with_name("load.duckdb.wal").stat().st_size > 1000
    return folder
