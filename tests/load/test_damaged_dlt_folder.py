"""Damage to any file of dlt's folder: the package is loaded once, the cursors are right, the next run is as usual.

Each path that is found is tried with two damages; tests/soak/test_damage_matrix.py tries them all.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import duckdb
import pytest

from pipelines.errors import ConfigurationError, LoadFileDamaged, NoRoom
from pipelines.load.healing import may_be_to_blame
from pipelines.load.loadfile import LoadFile
from pipelines.load.pipeline import LoadPipeline
from tests.damage.damages import CONTENT, KINDS
from tests.load.accounts import Account
from tests.load.damaged_folder import Starts, cases, make_starts, pattern, problems_after

TRIED = 2


@pytest.fixture(scope="module")
def starts(loaded_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Starts:
    return make_starts(loaded_once, tmp_path_factory.mktemp("starts"))


def chosen(starts: Starts) -> dict[tuple[str, str], list[str]]:
    """(start, path) → the damages tried: others for each path, so that together they are all tried."""
    found: dict[tuple[str, str], list[str]] = {}
    for start, path, damage in cases(starts):
        found.setdefault((start, path), []).append(damage)
    return {
        place: [damages[(number * TRIED + step) % len(damages)] for step in range(TRIED)]
        for number, (place, damages) in enumerate(found.items())
    }


def test_damage_to_any_path_loses_and_doubles_nothing(starts: Starts, tmp_path: Path) -> None:
    problems, patterns, damages_tried = {}, set(), set()
    for number, ((start, path), damages) in enumerate(chosen(starts).items()):
        if start == "pending" and pattern(path) in patterns:
            continue  # a pending package is what the other start does not have
        patterns.add(pattern(path))
        for damage in damages:
            damages_tried.add(damage)
            found = problems_after(starts, start, path, damage, tmp_path / f"{number} {damage[:3]}".replace('"', ""))
            if found:
                problems[start, pattern(path), damage] = found
        for left in tmp_path.iterdir():
            shutil.rmtree(left)
    assert problems == {}
    assert {"state/dlt/referral_warehouse/load/.version", "state/dlt/referral_warehouse/trace.pickle"} <= patterns
    assert any("load/normalized/*/new_jobs" in found for found in patterns)
    assert len(damages_tried) > 15


def test_what_comes_from_elsewhere_is_not_put_on_the_folder() -> None:
    interrupted = RuntimeError("query interrupted")
    interrupted.__cause__ = KeyboardInterrupt()
    full = RuntimeError("could not write")
    full.__cause__ = OSError(28, os.strerror(28))
    for error in (NoRoom("full"), LoadFileDamaged("torn"), duckdb.IOException("x"), full, interrupted):
        assert not may_be_to_blame(error), error
    for other in (ValueError("x"), KeyError("version"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"), EOFError()):
        assert may_be_to_blame(other), other


def test_a_folder_that_cannot_be_used_at_all_ends_after_one_retry(account: Account) -> None:
    """Only what belongs to somebody else stays in the way; that is named."""
    folder = account.settings.state_dir / "dlt"
    shutil.rmtree(folder)
    folder.symlink_to("/proc/self")
    with LoadFile(account.settings.load_path) as load_file, pytest.raises(ConfigurationError, match="dlt") as refused:
        LoadPipeline(load_file, account.settings.state_dir)
    assert str(folder) in str(refused.value)


@pytest.mark.parametrize("name", [*CONTENT, *KINDS])
def test_a_damaged_log_of_the_load_file_is_put_aside(account: Account, tmp_path: Path, name: str) -> None:
    """The log is what a killed process leaves: what it held is read again."""
    log = account.settings.load_path.with_name("load.duckdb.wal")
    if not killed_while_writing(account.settings.load_path):
        pytest.fail("no log was left")
    (CONTENT | KINDS)[name](log)
    with LoadFile(account.settings.load_path) as load_file:
        assert load_file.row_count("users") > 0
        recovered = load_file.recovered
    assert bool(recovered) == any(tmp_path.rglob("load.duckdb.wal.aside-*"))
    with LoadFile(account.settings.load_path) as load_file:
        assert load_file.recovered == []


def killed_while_writing(path: Path) -> bool:
    """Whether a process that was killed left a log beside a database."""
    child = os.fork()
    if child == 0:
        connection = duckdb.connect(str(path), config={"checkpoint_threshold": "1GB"})
        connection.execute("create table raw.left_behind as select range as i, 'x' || range as t from range(5000)")
        os._exit(0)
    os.waitpid(child, 0)
    return path.with_name(f"{path.name}.wal").stat().st_size > 1000
