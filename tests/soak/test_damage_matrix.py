"""Every file and folder of five warehouse directories × every damage, each with real syncs: an hour or two.

make soak ARGS='-k damage_matrix'             # ONLY=feeds for the paths that match it
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from referral_warehouse.sandbox import Sandbox
from tests.damage.matrix import cases_of, problems_after
from tests.damage.used_directory import INTERRUPTED, USED, used_stage
from tests.kills.stage import Stage, published, staged
from tests.lake.packages import HAS_LAKE, NO_LAKE
from tests.load.accounts import WORLD, Account
from tests.load.damaged_folder import cases, make_starts
from tests.load.damaged_folder import problems_after as folder_problems

ONLY = re.compile(os.environ.get("ONLY", "."))
KILLED_BEFORE = {
    "package pending": r"^rename .*/new_jobs/.*started_jobs",
    "package extracted": r"^rename .*normalize/extracted",
    "draft begun": r"^execute 'checkpoint draft'",
    "snapshot frozen": r"^symlink .*warehouse.duckdb.new",
    "feeds not linked": r"^symlink .*\.feeds\.new",
}
STARTS = ("days", *KILLED_BEFORE)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """60 users, three snapshots, and copies of the directory in which a sync was killed at different steps."""
    with staged(tmp_path_factory.mktemp("stage"), users=60, days=1, slice_rows=250) as stage:
        for _ in range(2):
            assert stage.sync(stage.starts["days"]).returncode == 0
            with stage.http() as http:
                http.post("/_sandbox/advance?days=1").raise_for_status()
        undisturbed = stage.copy("days", stage.folder / "undisturbed at last")
        assert stage.sync(undisturbed).returncode == 0
        stage.undisturbed["days"] = published(undisturbed)
        for name, pattern in KILLED_BEFORE.items():
            stage.starts[name] = stage.copy("days", stage.folder / f"start {name}")
            assert stage.sync(stage.starts[name], at=1, pattern=pattern).returncode == -9
            stage.undisturbed[name] = stage.undisturbed["days"]
        yield stage


@pytest.mark.parametrize("start", STARTS)
def test_every_damage_to_every_file(stage: Stage, tmp_path: Path, start: str) -> None:
    """Starts that were killed are damaged only where they differ from the one that was not."""
    known = set() if start == "days" else {path for path, _damage in cases_of(stage.starts["days"])}
    problems = {}
    for number, (path, damage) in enumerate(cases_of(stage.starts[start])):
        if path in known or (path.startswith("state/dlt/") and start == "days") or not ONLY.search(path):
            continue
        found = problems_after(stage, start, path, damage, tmp_path / str(number))
        if found:
            problems[path, damage] = found
            print(start, path, damage, found, flush=True)  # noqa: T201 - what this is for
        for left in tmp_path.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    assert problems == {}


@pytest.mark.skipif(not HAS_LAKE, reason=NO_LAKE)
def test_every_damage_to_what_other_commands_write(stage: Stage, tmp_path: Path) -> None:
    """Pins, the records of backups, lake and destinations, and who was forgotten."""
    used, problems = used_stage(stage, "days"), {}
    known = {path for path, _damage in cases_of(stage.starts["days"])}
    for start in (USED, INTERRUPTED):
        for path, damage in cases_of(used.starts[start]):
            is_wanted = path not in known and (start == USED or path.endswith("journal.json"))
            if not is_wanted or path.startswith(("state/dlt/", "snapshots/")) or not ONLY.search(path):
                continue
            if found := problems_after(used, start, path, damage, tmp_path / "data"):
                problems[start, path, damage] = found
                print(start, path, damage, found, flush=True)  # noqa: T201 - what this is for
            for left in tmp_path.iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()
    assert problems == {}


def test_every_damage_to_every_file_of_dlts_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As above for the loading alone, which is quicker: the package that is committed after the damage stands once."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "machine"))
    (tmp_path / "once").mkdir()
    with Sandbox(tmp_path / "once" / WORLD, users=40, seed=3, calls_per_minute=0) as world:
        Account(world, tmp_path / "once").load()
    starts, problems = make_starts(tmp_path / "once", tmp_path / "starts"), {}
    for start, path, damage in cases(starts):
        if ONLY.search(path) and (found := folder_problems(starts, start, path, damage, tmp_path / "data")):
            problems[start, path, damage] = found
        shutil.rmtree(tmp_path / "data", ignore_errors=True)
    assert problems == {}
