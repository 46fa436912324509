"""A hundred random kills of a whole sync, a disk that is truly full, and a backfill of 200,000 users that is killed.

make soak ARGS='-k kills'                     # 100 kills; KILLS=500 SEED=7 for others
"""

from __future__ import annotations

import collections
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kills.stage import PROJECT, Stage, problems_after_kill, published, staged, unequal

KILLS, SEED = int(os.environ.get("KILLS", "100")), int(os.environ.get("SEED", "1"))
BATCHES = 10
MANY_USERS = 200_000
SLICE_CALLS = 200  # 50,000 rows, 250 a page


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage"), users=400, days=3, slice_rows=250) as stage:
        yield stage


@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_kills(stage: Stage, tmp_path: Path, batch: int) -> None:
    """Half of them before a step of the process, half up to 20 ms after one, whatever is done then."""
    problems, places = {}, collections.Counter[str]()
    for number in range(batch, KILLS, BATCHES):
        rng = random.Random(SEED * 1_000_003 + number)
        start = rng.choice(["nothing", "days", "days"])
        at = rng.randint(1, len(stage.labels[start]) * 9 // 10)
        action = rng.choice(["kill", f"kill after {rng.randint(0, 20_000)}"])
        places[stage.labels[start][at - 1].split()[0]] += 1
        found = problems_after_kill(stage, start, tmp_path / str(number), at=at, action=action)
        if found:
            problems[number, start, at, action] = found
        else:
            shutil.rmtree(tmp_path / str(number))
    print(f"batch {batch}: {sum(places.values())} kills before {dict(places)}, {len(problems)} not recovered")  # noqa: T201 - what this is for
    assert problems == {}


def test_a_full_file_system(stage: Stage, tmp_path: Path) -> None:
    """ENOSPC itself, from a small file system in a namespace of our own; the test says where none can be made."""
    data = stage.copy("days", tmp_path / "data")
    size = sum(path.lstat().st_size for path in data.rglob("*") if path.is_file() and not path.is_symlink())
    script = (
        f"mount -t tmpfs -o size={size + 900_000} full {tmp_path}/small && cp -a {data} {tmp_path}/small/data && "
        f"{{ {sys.executable} -m referral_warehouse sync; echo code $?; mount -o remount,size=1G {tmp_path}/small; "
        f"{sys.executable} -m referral_warehouse sync --json; echo code $?; "
        f"cp -a {tmp_path}/small/data {tmp_path}/after; }}"
    )
    (tmp_path / "small").mkdir()
    environ = stage.environ() | {"WAREHOUSE__DIR": str(tmp_path / "small" / "data")}
    command = ["unshare", "-m", "sh", "-c", script] if os.geteuid() == 0 else ["unshare", "-Urm", "sh", "-c", script]
    done = subprocess.run(command, cwd=PROJECT, env=environ, capture_output=True, text=True, check=False)
    assert "mount" not in done.stderr, f"this machine makes no file system for a test: {done.stderr}"
    codes = [line for line in done.stdout.splitlines() if line.startswith("code ")]
    assert codes == ["code 1", "code 0"], done.stdout + done.stderr
    assert "No space left on device" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert unequal(published(tmp_path / "after"), stage.undisturbed["days"]) == {}


def test_a_backfill_of_many_users_is_killed_in_every_slice(tmp_path: Path) -> None:
    with staged(tmp_path, users=MANY_USERS, days=0, slice_rows=50_000) as stage:
        whole = stage.facts["nothing"]["calls"]
        stage.calls()
        data = stage.copy("nothing", tmp_path / "data")
        kills = 0
        for at in (150, 350, 550, 750, 950):
            ended = stage.sync(data, at=at - len(_asked(stage)), pattern="^call ")
            kills += ended.returncode == -signal.SIGKILL
            if ended.returncode == 0:
                break
        if ended.returncode != 0:
            ended = stage.sync(data)
        assert ended.returncode == 0, ended.stderr
        spent = len(stage.calls())
        print(f"{MANY_USERS:,} users: {whole} calls undisturbed, {spent} with {kills} kills")  # noqa: T201 - what this is for
        assert kills >= 4
        assert spent <= whole + kills * SLICE_CALLS
        assert json.loads(ended.stdout)["published"]
        assert unequal(published(data), stage.undisturbed["nothing"]) == {}


def _asked(stage: Stage) -> list[str]:
    with stage.http() as http:
        return [call["path"] for call in http.get("/_sandbox/calls").raise_for_status().json()]
