"""Damage to a synced directory, then real syncs: each has the outcome that docs/damage.md documents.

A choice of paths and damages; tests/soak/test_damage_matrix.py tries every path with every damage.
"""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import duckdb
import pytest

from tests.damage.damages import CONTENT
from tests.damage.matrix import cases_of, problems_after
from tests.damage.outcomes import outcome_of, read_outcomes
from tests.damage.used_directory import INTERRUPTED, USED, certificate, used_stage
from tests.kills.stage import Stage, published, unequal
from tests.lake.packages import HAS_LAKE, NO_LAKE
from tests.sampling import sampled

CHOSEN = [
    ("state/origin", "noise"),
    ("state/dlt/referral_warehouse/load/.version", "noise"),
    ("snapshots/000001/warehouse.duckdb", "noise"),
    ("snapshots", "missing"),
    ("feeds", "a named pipe"),
    ("manifest.json", '{"a": 1}'),
    ("warehouse.duckdb", "a directory"),
    ("load.duckdb", "a named pipe"),
    ("load.duckdb", "half"),
]


@pytest.mark.parametrize(("path", "damage"), sampled(CHOSEN, 1))
def test_a_sync_does_what_the_docs_say(stage: Stage, tmp_path: Path, path: str, damage: str) -> None:
    assert problems_after(stage, "days", path, damage, tmp_path / "data") == []


@pytest.mark.full
def test_the_docs_have_a_row_for_everything_that_a_directory_can_hold(
    stage: Stage, used: Stage, tmp_path: Path
) -> None:
    """Also what a killed sync leaves: a package that is not loaded yet, a draft."""
    rows, seen = read_outcomes(), set()
    for number, pattern in enumerate([r"^rename .*/new_jobs/.*started_jobs", r"^symlink .*warehouse.duckdb.new"]):
        data = stage.copy("days", tmp_path / str(number))
        assert stage.sync(data, at=1, pattern=pattern).returncode == -signal.SIGKILL
        for path, damage in cases_of(data):
            seen.add(outcome_of(rows, path, damage))
    for start in (USED, INTERRUPTED):
        seen |= {outcome_of(rows, path, damage) for path, damage in cases_of(used.starts[start])}
    unseen = [row for row in rows if row not in seen and row.path not in ("state", "load.duckdb.wal")]
    assert [row for row in unseen if "empty" not in row.damages] == []


OF_OTHER_COMMANDS = [
    ("state/lake.json", "noise"), ("state/destinations.json", "deep"), ("state/backups.json", "missing"),
    ("state/pins.json", "half"), ("state/pins.json", "missing"), ("state/.publisher", "noise"),
    ("forgotten", "missing"), ("forgotten/people.json", "text"), ("certificate", "empty"),
]  # fmt: skip


@pytest.fixture(scope="module")
def used(stage: Stage) -> Stage:
    """Directories with all that other commands write."""
    return used_stage(stage, "days")


@pytest.mark.full
@pytest.mark.skipif(not HAS_LAKE, reason=NO_LAKE)
@pytest.mark.parametrize(("path", "damage"), OF_OTHER_COMMANDS)
def test_a_sync_does_what_the_docs_say_of_what_other_commands_write(
    used: Stage, tmp_path: Path, path: str, damage: str
) -> None:
    path = certificate(used) if path == "certificate" else path
    assert problems_after(used, USED, path, damage, tmp_path / "data") == []


@pytest.mark.full
@pytest.mark.skipif(not HAS_LAKE, reason=NO_LAKE)
@pytest.mark.parametrize("damage", ["deep", "missing", "a directory"])
def test_a_sync_does_what_the_docs_say_of_an_interrupted_erasure(used: Stage, tmp_path: Path, damage: str) -> None:
    assert problems_after(used, INTERRUPTED, "forgotten/journal.json", damage, tmp_path / "data") == []


@pytest.mark.full
def test_who_was_forgotten_comes_back_on_purpose_alone(stage: Stage, tmp_path: Path) -> None:
    """Where the digests are lost, no sync runs until they are restored, or a file says that nobody is forgotten."""
    data = stage.copy("days", tmp_path / "data")
    assert stage.run(data, "forget", "--user-id", "7").returncode == 0
    people = data / "forgotten" / "people.json"
    content = people.read_bytes()
    for given, code, emails in ((content, 0, 0), (None, 2, 0), (content, 0, 0), (b'{"salt": "", "people": []}', 0, 1)):
        if given is None:
            shutil.rmtree(data / "forgotten")
        else:
            people.parent.mkdir(exist_ok=True)
            people.write_bytes(given)
        ended = stage.sync(data, "--sweep")
        assert ended.returncode == code, ended.stderr
        assert ("is missing, and people were forgotten here" in ended.stderr) == (code == 2)
        with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as connection:
            found = connection.execute("select count(email) from core.users where user_id = 7").fetchone()
            assert found == (emails,)


@pytest.mark.full
def test_a_lost_load_file_can_be_accepted(stage: Stage, tmp_path: Path) -> None:
    """The other step for a damaged load file: move it away, and accept that its history starts again."""
    data = stage.copy("days", tmp_path / "data")
    CONTENT["half"](data / "load.duckdb")
    assert "--accept-shorter-history" in stage.sync(data).stderr
    (data / "load.duckdb").rename(tmp_path / "moved away")
    accepted = stage.sync(data, "--accept-shorter-history")
    assert accepted.returncode == 0, accepted.stderr
    assert living_users(data) == living_users(stage.folder / "undisturbed days")
    assert stage.sync(data).returncode == 0


def living_users(data: Path) -> list[tuple[int, ...]]:
    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute("select user_id from core.users where deleted_at is null order by 1").fetchall()


def test_a_damaged_snapshot_with_an_idle_sync_is_replaced(stage: Stage, tmp_path: Path) -> None:
    """Nothing new to load is no reason to leave readers with a file that cannot be read."""
    data = shutil.copytree(stage.folder / "undisturbed days", tmp_path / "data", symlinks=True)
    idle = json.loads(stage.sync(data).stdout)
    assert (idle["published"], idle["recovered"]) == (False, [])
    CONTENT["noise in the middle"](data / "warehouse.duckdb")
    ended = stage.sync(data)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["published"]
    assert "warehouse.duckdb" in " ".join(told["recovered"])
    assert unequal(published(data), stage.undisturbed["days"]) == {}


def test_a_pending_package_that_is_damaged_is_read_again(stage: Stage, tmp_path: Path) -> None:
    data = stage.copy("days", tmp_path / "data")
    assert stage.sync(data, at=1, pattern=r"^rename .*/new_jobs/.*started_jobs").returncode == -signal.SIGKILL
    (package,) = (data / "state/dlt/referral_warehouse/load/normalized").iterdir()
    for path in [*package.glob("*_jobs/*"), package / "schema.json"]:
        CONTENT["noise"](path)
    ended = stage.sync(data)
    assert ended.returncode == 0, ended.stderr
    assert "read again" in ended.stdout
    assert unequal(published(data), stage.undisturbed["days"]) == {}


UNREADABLE = {
    "load.duckdb": 2, "state/lock": 2, "state/origin": 0, "manifest.json": 0, "state/published.json": 0,
    "snapshots/000001/feeds/core.users.parquet": 0, "snapshots/000001/warehouse.duckdb": 0,
    "state/dlt/referral_warehouse/state.json": 0, "state/dlt/referral_warehouse": 0,
}  # fmt: skip


@pytest.mark.full
def test_files_that_this_user_may_not_open(stage: Stage, tmp_path: Path) -> None:
    """Reported, or rebuilt where nothing is lost: for every user but root, who can open everything."""
    data = stage.copy("days", tmp_path / "data")
    for path, code in UNREADABLE.items():
        (data / path).chmod(0)
        ended = stage.sync(data, call_first="tests.damage.without_privileges:obey_modes")
        assert ended.returncode == code, (path, ended.stderr)
        if code:
            assert path in ended.stderr
            (data / path).chmod(0o600)
    assert stage.sync(data).returncode == 0
    assert unequal(published(data), stage.undisturbed["days"]) == {}
