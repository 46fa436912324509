"""SIGKILL at every step of a backup, of a restore and of an upgrade of the load file, and syncs that run meanwhile.

Real processes, as in ``test_kill``: the sandbox serves in one, the command is killed in another, a third reads the
published warehouse continuously. What a restored directory publishes after its next sync is compared with an
undisturbed run.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from referral_warehouse.operate.backup_verification import damages_of
from tests.kills.forks import Ended, Forks
from tests.kills.stage import Stage, published, unequal
from tests.sampling import sampled

BACKUP_STEPS = {
    "the directory is new": r"^write .*backups/\.lock",
    "the draft is new": r"^mkdir .*\.new/private",
    "in the middle of the load file": r"^write .*\.new/private/load\.duckdb",
    "in the middle of a snapshot": r"^write .*\.new/published/.*core\.users",
    "copied, not recorded": r"^write .*\.new/manifest\.json$",
    "before the checksum of the manifest": r"^write .*\.new/manifest\.json\.sha256",
    "before it has its name": r"^rename .*backups/\.\S+\.new",
}
RESTORE_STEPS = {
    "half copied": r"^write \.restore/private/state/dlt",
    "copied, not begun": r"^rename \.restore/\.journal",
    "begun": r"^rename load\.duckdb ",
    "without a load file": r"^rename \.restore/private/load\.duckdb",
    "without dlt's folder": r"^rename \.restore/private/state/dlt",
    "without outcomes": r"^rename \.restore/private/state/outcomes",
    "private files are new": r"^(rename|write) .*last_number_before_restore",
    "before the link is switched": r"^rename \.warehouse\.duckdb\.new",
    "after the link is switched": r"^symlink .*\.feeds\.new",
    "before the manifest": r"^rename \.manifest\.json\.new",
    "before the old snapshot is moved": r"^rename snapshots/000002 ",
    "all is done but the end": r"^remove \.restore/journal",
    "while the rest is removed": r"^rmdir ",
}
UPGRADE_STEPS = {
    "before the copy": r"^write load\.duckdb\.version-1\.new",
    "copied, without its name": r"^rename load\.duckdb\.version-1\.new",
    "before the transaction": r"^execute .begin",
    "in the transaction": r"^execute .alter table .raw.\..users.*|^execute .alter table .raw.\..rewards_issued",
    "before the version is written": r"^execute .create or replace table main\.load_file_version",
    "before it is committed": r"^execute .commit",
}


class Place:
    """A copy of the start "days", a backup of it, and a sync after that; ``data.backups`` is beside the directory."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage = stage
        self.data = folder / "data"
        self.backups = folder / "data.backups"

    def run(self, *arguments: str, **interruption: Any) -> Ended:
        return self.stage.run(self.data, *arguments, **interruption)

    def done(self, *arguments: str) -> Ended:
        """The same for a command that must succeed."""
        ended = self.run(*arguments)
        assert ended.returncode == 0, ended.stderr
        return ended

    def make_backup(self) -> Path:
        return Path(json.loads(self.done("backup", str(self.backups), "--json").stdout)["folder"])

    def restore(self, *options: str, **interruption: Any) -> Ended:
        return self.run("restore", str(self.backups), "--json", *options, **interruption)

    def whole(self) -> list[str]:
        """The names in the directory of backups that look complete."""
        return sorted(path.name for path in self.backups.glob("[0-9]*")) if self.backups.is_dir() else []


@pytest.fixture(scope="session")
def backed_up(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A directory that was backed up before its second sync."""
    place = Place(stage, tmp_path_factory.mktemp("backed up"))
    stage.copy("days", place.data)
    place.make_backup()
    ended = stage.sync(place.data)
    assert ended.returncode == 0, ended.stderr
    return place


@pytest.fixture
def place(backed_up: Place, tmp_path: Path) -> Iterator[Place]:
    """A test's own copy of it."""
    shutil.copytree(backed_up.data, tmp_path / "data", symlinks=True)
    shutil.copytree(backed_up.backups, tmp_path / "data.backups", symlinks=True)
    yield Place(backed_up.stage, tmp_path)
    for path in (tmp_path / "data", tmp_path / "data.backups"):
        shutil.rmtree(path)


def prints(folder: Path, *left_out: str) -> dict[str, str]:
    """The bytes of every file, and the target of every link, below a folder."""
    return {
        str(path.relative_to(folder)): str(path.readlink())
        if path.is_symlink()
        else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if (path.is_symlink() or path.is_file()) and path.relative_to(folder).parts[0] not in left_out
    }


@pytest.mark.parametrize("step", sampled(BACKUP_STEPS, 1))
def test_a_killed_backup_leaves_nothing_that_looks_complete(place: Place, step: str) -> None:
    shutil.rmtree(place.backups)
    before = prints(place.data, "state")
    killed = place.run("backup", str(place.backups), at=1, pattern=BACKUP_STEPS[step])
    assert killed.returncode == -9, killed.stderr
    assert place.whole() == []
    made = place.make_backup()
    assert damages_of(made) == []
    assert sorted(path.name for path in place.backups.iterdir()) == [".lock", made.name], "the remains are gone"
    assert prints(place.data, "state") == before


@pytest.mark.parametrize("step", sampled(RESTORE_STEPS, 2))
def test_a_killed_restore_is_completed_by_the_next(place: Place, step: str) -> None:
    """Readers have the old snapshot or the new one at any time; no sync runs on files of two states."""
    before = prints(place.data)
    place.stage.reader.begin(place.data / "warehouse.duckdb")
    killed = place.restore("--replace", at=1, pattern=RESTORE_STEPS[step])
    assert killed.returncode == -9, killed.stderr
    if (place.data / ".restore" / "journal.json").exists():
        refused = place.stage.sync(place.data)
        assert refused.returncode == 2, refused.stderr
        assert "Run the same `referrals restore` again" in refused.stderr
    elif not list(place.data.glob("replaced-*")):
        assert prints(place.data, ".restore") == before, "nothing was changed"
    again = place.restore("--replace")
    seen = place.stage.reader.report()
    assert again.returncode == 0, again.stderr
    assert (seen["errors"], seen["torn_reads"]) == ([], [])
    assert seen["reads"] > 0
    assert not (place.data / ".restore").exists()
    [backup] = place.backups.glob("[0-9]*")
    assert published_files(place.data) == {
        name.removeprefix("published/"): print_ for name, print_ in prints(backup).items()
        if name.startswith("published/snapshots")
    }  # fmt: skip
    assert prints(place.data)["load.duckdb"] == prints(backup)["private/load.duckdb"]
    asides = [prints(folder) for folder in place.data.glob("replaced-*")]
    assert before["load.duckdb"] in [aside.get("load.duckdb") for aside in asides], "the old files are aside"
    assert any("snapshots/000002/warehouse.duckdb" in aside for aside in asides)
    ended = place.stage.sync(place.data)
    assert ended.returncode == 0, ended.stderr
    assert unequal(published(place.data), place.stage.undisturbed["days"]) == {}


def published_files(data: Path) -> dict[str, str]:
    return {f"snapshots/{name}": print_ for name, print_ in prints(data / "snapshots").items()}


@pytest.mark.full
def test_syncs_and_backups_at_once_do_not_fail(place: Place) -> None:
    """Each backup that is made while a sync runs is whole, and a sync after its restore publishes what is right."""
    shutil.rmtree(place.data)
    shutil.rmtree(place.backups)
    place.stage.copy("nothing", place.data)
    first = place.stage.sync(place.data, at=1, pattern="execute .*insert into")  # killed: its log is in the backup, too
    assert first.returncode == -9
    ended: list[subprocess.CompletedProcess[str]] = []
    with Forks() as forks:
        environ = place.stage.environ() | {"WAREHOUSE__DIR": str(place.data)}
        syncing = threading.Thread(
            target=lambda: ended.extend(forks.referrals(["sync"], environ, place.data) for _ in range(2))
        )
        syncing.start()
        made = []
        while syncing.is_alive():
            made.append(place.make_backup())
        syncing.join()
    assert {done.returncode for done in ended} <= {0, 75}, [done.stderr for done in ended]
    assert len(made) > 1
    for folder in made:
        assert damages_of(folder) == []
    place.data = place.data.with_name("data.restored")
    restored = place.restore("--backup", made[0].name)
    assert restored.returncode == 0, restored.stderr
    assert place.stage.sync(place.data).returncode == 0
    assert unequal(published(place.data), place.stage.undisturbed["nothing"]) == {}


def test_a_full_disk_is_reported_in_one_line_and_leaves_nothing(place: Place) -> None:
    before = prints(place.data, "state")
    for command in (["backup", str(place.backups)], ["restore", str(place.backups), "--replace"]):
        full = place.run(*command, limit=1_000_000)
        assert full.returncode == 1, full.stderr
        [line] = full.stderr.splitlines()
        assert "the disk is full" in line
        assert len(place.whole()) == 1
        assert prints(place.data, "state") == before
        assert not list(place.backups.glob(".*.new"))


def make_version_1(load_path: Path) -> None:
    """Make a load file as the first releases wrote it: amounts with two decimal places, and no version."""
    with duckdb.connect(str(load_path)) as connection:
        connection.execute("drop table main.load_file_version")
        wide = connection.execute(
            "select schema_name, table_name, column_name from duckdb_columns() where data_type = 'DECIMAL(38,6)'"
        ).fetchall()
        for schema, table, column in wide:
            connection.execute(f'alter table "{schema}"."{table}" alter "{column}" type decimal(18, 2)')
        assert wide


@pytest.mark.parametrize("step", sampled(UPGRADE_STEPS, 1))
def test_a_killed_upgrade_leaves_the_old_file_or_the_new_one(stage: Stage, tmp_path: Path, step: str) -> None:
    data = stage.copy("days", tmp_path / "data")
    make_version_1(data / "load.duckdb")
    old = prints(data)["load.duckdb"]
    killed = stage.sync(data, at=1, pattern=UPGRADE_STEPS[step])
    assert killed.returncode == -9, killed.stderr
    copies = [path.name for path in data.glob("load.duckdb.version-*")]
    is_copied = step not in ("before the copy", "copied, without its name")
    if not is_copied:
        assert prints(data)["load.duckdb"] == old
    else:
        assert copies == ["load.duckdb.version-1"]
        assert prints(data)["load.duckdb.version-1"] == old
    again = stage.sync(data)
    assert again.returncode == 0, again.stderr
    assert "upgraded from version 1 to 2" in again.stdout
    assert unequal(published(data), stage.undisturbed["days"]) == {}
    if not is_copied:
        assert prints(data)["load.duckdb.version-1"] == old, "kept until a load after the one that made it succeeds"
        assert stage.run(data, "load").returncode == 0
    assert not list(data.glob("load.duckdb.version-*"))
