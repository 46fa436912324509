"""A full disk, lost or damaged files, a second sync: clear errors, published data intact, the next run recovers."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from tests.kills.stage import Stage, published, unequal
from tests.sampling import sampled

# What no file may grow beyond: the kernel refuses the write, as a full disk or a quota does (EFBIG for ENOSPC). Files
# are of very different sizes, so each limit meets another step first.
LIMITS = {"a file of dlt": 5_000, "a package": 60_000, "the draft": 300_000, "a feed or a snapshot": 3_000_000}


@pytest.mark.parametrize("what", sampled(LIMITS, 1))
def test_a_full_disk_is_reported_and_damages_nothing(stage: Stage, tmp_path: Path, what: str) -> None:
    data = stage.copy("days", tmp_path / "data")
    before = published(data)
    stage.reader.begin(data / "warehouse.duckdb")
    ended = stage.sync(data, limit=LIMITS[what])
    assert ended.returncode == 1, ended.stderr[-1000:]
    assert len(ended.stderr.splitlines()) == 1, ended.stderr[-3000:]
    assert "the disk is full" in ended.stderr
    assert "Free disk space" in ended.stderr
    assert published(data) == before
    assert stage.sync(data).returncode == 0
    assert unequal(published(data), stage.undisturbed["days"]) == {}
    seen = stage.reader.report()
    assert (seen["errors"], seen["torn_reads"]) == ([], [])


@pytest.mark.parametrize("lost", sampled(["all of it", "a file cut off", "a file of nulls"], 1))
def test_a_lost_state_folder_costs_no_reload_and_doubles_nothing(stage: Stage, tmp_path: Path, lost: str) -> None:
    data = stage.copy("days", tmp_path / "data")
    state = data / "state" / "dlt" / "referral_warehouse" / "state.json"
    if lost == "all of it":
        shutil.rmtree(data / "state")
    else:
        state.write_bytes(state.read_bytes()[:200] if lost == "a file cut off" else bytes(state.stat().st_size))
    ended = stage.sync(data)
    assert ended.returncode == 0, ended.stderr
    assert unequal(published(data), stage.undisturbed["days"]) == {}
    facts = json.loads(ended.stdout)
    assert {name: facts[name] for name in ("calls", "rows_written")} == {
        name: stage.facts["days"][name] for name in ("calls", "rows_written")
    }


@pytest.mark.full
def test_a_lost_load_file_is_rebuilt_and_its_lost_history_is_reported(stage: Stage, tmp_path: Path) -> None:
    data = stage.copy("days", tmp_path / "data")
    backup = shutil.copy(data / "load.duckdb", tmp_path / "backup")
    before = published(data)
    (data / "load.duckdb").unlink()
    for command in (["sync", "--json"], ["sync", "--json"], ["publish"]):
        refused = stage.run(data, *command)
        assert refused.returncode == 5, refused.stderr
        assert "Restore load.duckdb from a backup" in refused.stderr
        assert "--accept-shorter-history" in refused.stderr
        assert published(data) == before
    assert "is missing" in stage.run(stage.copy("days", tmp_path / "other"), "status").stderr + _missing(
        stage, tmp_path
    )

    kept = shutil.copytree(data, tmp_path / "accepting", symlinks=True)
    accepted = stage.sync(kept, "--accept-shorter-history")
    assert accepted.returncode == 0, accepted.stderr
    assert published(kept, ["core"]).keys() == before.keys() - {name for name in before if name.startswith("marts.")}
    assert stage.sync(kept).returncode == 0, "the history starts again: nothing is shorter from then on"

    shutil.copy(backup, data / "load.duckdb")
    assert stage.sync(data).returncode == 0
    assert unequal(published(data), stage.undisturbed["days"]) == {}


def _missing(stage: Stage, tmp_path: Path) -> str:
    """What is said when the load file is missing beside a published warehouse."""
    data = stage.copy("days", tmp_path / "missing")
    (data / "load.duckdb").unlink()
    return stage.run(data, "load", "--streams", "campaigns").stderr


@pytest.mark.full
def test_an_older_load_file_beside_a_newer_state_folder_misses_nothing(stage: Stage, tmp_path: Path) -> None:
    """A backup was put back: the cursors in dlt's folder are ahead of it, and are not used."""
    data = stage.copy("days", tmp_path / "data")
    backup = shutil.copy(data / "load.duckdb", tmp_path / "backup")
    assert stage.sync(data).returncode == 0
    shutil.copy(backup, data / "load.duckdb")
    ended = stage.sync(data, "--accept-shorter-history")
    assert ended.returncode == 0, ended.stderr
    assert "did not belong to this load file" in ended.stdout
    assert json.loads(ended.stdout)["rows_written"] == stage.facts["days"]["rows_written"]
    assert unequal(published(data), stage.undisturbed["days"]) == {}


@pytest.mark.parametrize("damage", sampled(["no database", "cut off", "a torn block"], 1))
def test_a_damaged_load_file_is_reported_and_left_alone(stage: Stage, tmp_path: Path, damage: str) -> None:
    data = stage.copy("days", tmp_path / "data")
    before = published(data)
    path = data / "load.duckdb"
    whole = path.read_bytes()
    torn = whole[: len(whole) // 3] + os.urandom(len(whole) // 2) + whole[-len(whole) // 6 :]
    path.write_bytes(
        {"no database": b"nothing" * 9000, "cut off": whole[: len(whole) // 2], "a torn block": torn}[damage]
    )
    damaged = path.read_bytes()
    for command in ("sync", "publish"):
        ended = stage.run(data, command)
        assert ended.returncode == 5, ended.stderr[-2000:]
        assert len(ended.stderr.splitlines()) == 1, ended.stderr[-2000:]
        assert "Restore load.duckdb from a backup" in ended.stderr
    assert published(data) == before
    assert damage == "a torn block" or path.read_bytes() == damaged


def test_a_load_file_of_which_only_the_beginning_was_written_is_made_again(stage: Stage, tmp_path: Path) -> None:
    data = stage.copy("nothing", tmp_path / "data")
    for beginning in (b"", duckdb_beginning(tmp_path)):
        (data / "load.duckdb").write_bytes(beginning)
        assert stage.run(data, "load", "--streams", "campaigns").returncode == 0


def duckdb_beginning(folder: Path) -> bytes:
    """The first of the three headers of a database."""
    duckdb.connect(str(folder / "some.duckdb")).close()
    return (folder / "some.duckdb").read_bytes()[:4096]


def test_a_second_sync_changes_nothing_and_a_killed_one_blocks_no_other(stage: Stage, tmp_path: Path) -> None:
    data = stage.copy("days", tmp_path / "data")
    environ = stage.environ(BASE_URL=f"{stage.host}/api/v1") | {"WAREHOUSE__DIR": str(data)}
    hold = (
        "import sys\n"
        "from referral_warehouse.settings import load_settings\n"
        "from referral_warehouse.workspace.lock import warehouse_lock\n"
        "with warehouse_lock(load_settings().warehouse_dir): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        before = fingerprint(data)
        for command in ("sync", "load", "build", "publish"):
            ended = stage.run(data, command)
            assert ended.returncode == 75, ended.stderr
            assert "Another sync" in ended.stderr
            assert fingerprint(data) == before
        first.send_signal(signal.SIGKILL)
        first.wait(60)
    assert stage.sync(data).returncode == 0


def fingerprint(folder: Path) -> dict[str, tuple[int, str]]:
    """Every file of a folder: when it was changed, and its bytes; links by where they point."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mtime_ns,
            str(path.readlink()) if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


@pytest.mark.parametrize("call", sampled([4, 9], 1))
def test_a_killed_backfill_costs_a_slice_of_calls_at_most(stage: Stage, tmp_path: Path, call: int) -> None:
    """300 users in slices of 250: a kill costs the pages of one slice (one), and what was in flight."""
    data, whole = stage.copy("nothing", tmp_path / "data"), stage.facts["nothing"]["calls"]
    stage.calls()
    assert stage.sync(data, at=call, pattern="^call ").returncode == -signal.SIGKILL
    spent = len(stage.calls())
    assert stage.sync(data).returncode == 0
    assert spent + len(stage.calls()) <= whole + call + 6
    assert unequal(published(data), stage.undisturbed["nothing"]) == {}
