"""Backups of a warehouse: what is in them, what they share, how they are verified, and what is refused in words."""

from __future__ import annotations

import json
import os
import random
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pytest

from referral_warehouse.operate import backup as making
from referral_warehouse.operate.backup import make_backup
from referral_warehouse.operate.backup_contents import Source
from referral_warehouse.operate.backup_directory import BackupDirectory
from referral_warehouse.operate.backup_manifest import read_backup_manifest
from referral_warehouse.operate.backup_verification import damages_of
from referral_warehouse.settings import Settings
from referral_warehouse.workspace.durable_files import file_sha256
from tests.operate.conftest import Done, Run

PUBLISH = ("publish", "--accept-shorter-history", "--accept-deletions")
"""The directory was synced with more models than these tests build with, so that its next snapshot lacks tables."""
KINDS = (
    "private/load.duckdb", "private/state/outcomes.jsonl", "private/state/published.json",
    "private/state/dlt/*/state.json", "published/manifest.json", "published/snapshots/*/warehouse.duckdb",
    "published/snapshots/*/manifest.json", "published/snapshots/*/schema.json",
    "published/snapshots/*/feeds/core.users.parquet", "manifest.json", "manifest.json.sha256",
)  # fmt: skip
ALWAYS_RUN = {
    "private/load.duckdb", "published/manifest.json", "published/snapshots/*/warehouse.duckdb",
    "published/snapshots/*/feeds/core.users.parquet", "manifest.json", "manifest.json.sha256",
}  # fmt: skip
"""Kinds that ``make test`` covers: files of the load, of a snapshot and of the backup. The others are similar."""
HOLD = (
    "import sys\nfrom pathlib import Path\nfrom referral_warehouse.workspace.lock import warehouse_lock\n"
    "with warehouse_lock(Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()"
)


pytestmark = pytest.mark.usefixtures("fewest_models")


@pytest.fixture(scope="session")
def made_once(synced_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one backup."""
    folder = tmp_path_factory.mktemp("made") / "backups"
    return make_backup(Settings(warehouse_dir=synced_once), BackupDirectory(folder)).folder


@pytest.fixture
def made(made_once: Path, synced: Settings, backups: Path) -> Path:
    """A test's own backup, whose files are links: whoever changes one makes a new file (see ``flip``)."""
    return Path(shutil.copytree(made_once, backups / made_once.name, copy_function=os.link))


def make(referrals: Run, backups: Path, *options: str, **environ: str) -> Path:
    """Make a backup; returns its folder."""
    done = referrals("backup", str(backups), "--json", *options, **environ)
    assert done.code == 0, done.err
    return Path(json.loads(done.out)["folder"])


def names_in(folder: Path) -> list[str]:
    """The names in a folder but that of the lock."""
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock") if folder.is_dir() else []


def flip(path: Path, seed: int) -> None:
    """Change one bit of a file, whoever else has the file as a link."""
    content = bytearray(path.read_bytes())
    content[random.Random(seed).randrange(len(content))] ^= 1 << seed % 8
    path.unlink()
    path.write_bytes(content)


def refused(done: Done, code: int, *words: str) -> str:
    """The one line that refuses a command."""
    assert done.code == code, (done.code, done.out, done.err)
    [line] = done.err.splitlines()
    assert all(word in line for word in words), line
    return line


def users_in(database: Path) -> int:
    with duckdb.connect(str(database), read_only=True) as connection:
        [(count,)] = connection.execute("select count(*) from core.users").fetchall()
    return int(count)


def test_a_backup_holds_all_files_and_only_their_owner_reads_it(made: Path, made_once: Path, synced: Settings) -> None:
    manifest = read_backup_manifest(made)
    assert manifest.snapshot == 1
    assert manifest.load_version == 2
    assert stat.S_IMODE(made_once.parent.stat().st_mode) == stat.S_IMODE(made_once.stat().st_mode) == 0o700
    for name, entry in manifest.files.items():
        part, _, below = name.partition("/")
        source = (synced.published_dir if part == "published" else synced.warehouse_dir) / below
        assert file_sha256(made / name) == entry.sha256, name
        is_written_since = below == "state/backups.json"  # which says now that this backup was made
        assert (file_sha256(source) != entry.sha256) == is_written_since, name
        assert entry.mode == stat.S_IMODE(source.stat().st_mode)
        assert source.stat().st_ino != (made / name).stat().st_ino, "a backup shares nothing with the warehouse"
    everything = {path for path in synced.warehouse_dir.rglob("*") if path.is_file() and not path.is_symlink()}
    assert len(manifest.files) == len(everything) - 1, "the lock alone is left out"
    assert damages_of(made) == []


def test_the_next_backup_shares_the_files_of_snapshots_unless_they_are_damaged(
    made: Path, referrals: Run, backups: Path
) -> None:
    name = "published/snapshots/000001/warehouse.duckdb"
    second = make(referrals, backups)
    assert (second / name).stat().st_ino == (made / name).stat().st_ino
    assert (second / "private/load.duckdb").stat().st_ino != (made / "private/load.duckdb").stat().st_ino
    flip(second / name, 3)
    third = make(referrals, backups)
    assert damages_of(third) == []
    verified = referrals("backup", str(backups), "--verify")
    refused(verified, 5, "1 of 3 backups are damaged", name, f"Use the newest whole one, {third.name}")


def test_only_the_newest_are_kept(made: Path, referrals: Run, backups: Path) -> None:
    rest = [make(referrals, backups, "--keep", "2").name for _ in range(2)]
    assert names_in(backups) == rest
    assert made.name not in rest
    (backups / ".20200101T000000Z.new").mkdir()  # of a backup that was killed
    (backups / "20991231T235959Z").mkdir()  # by a clock that was wrong
    assert make(referrals, backups, "--keep", "1").name == "21000101T000000Z", "the newest is the last in order"
    assert names_in(backups) == ["21000101T000000Z"]


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind in ALWAYS_RUN else pytest.mark.full) for kind in KINDS]
)
def test_one_wrong_bit_is_found_in_each_kind_of_file(made: Path, kind: str, referrals: Run, backups: Path) -> None:
    [path] = made.glob(kind)
    flip(path, KINDS.index(kind))
    [damage] = damages_of(made)
    assert (path.name if kind != "manifest.json.sha256" else "manifest.json") in damage
    before = names_in(backups.parent)
    done = referrals("restore", str(backups), WAREHOUSE__DIR=str(backups.parent / "elsewhere"))
    refused(done, 5, path.name.removesuffix(".sha256"), made.name)
    assert names_in(backups.parent) == before


def test_files_that_are_missing_or_too_many_are_found(made: Path) -> None:
    (made / "private" / "state" / "outcomes.jsonl").unlink()
    (made / "published" / "one more").touch()
    assert [damage.split(str(made))[1] for damage in damages_of(made)] == [
        "/published/one more is not in the manifest", "/private/state/outcomes.jsonl is missing",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "kind", ["load.duckdb", "snapshots/000001/warehouse.duckdb", "snapshots/000001/feeds/core.users.parquet"]
)
def test_a_damaged_warehouse_replaces_no_good_backup(made: Path, synced: Settings, referrals: Run, kind: str) -> None:
    path = synced.warehouse_dir / kind
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 5000] = (
        bytes(5000) if any(content[len(content) // 2 :][:5000]) else b"x" * 5000
    )
    path.chmod(0o600)
    path.write_bytes(content)
    line = refused(referrals("backup", str(made.parent), "--keep", "1"), 5, "No backup was made", path.name)
    assert "referrals sync" in line
    assert names_in(made.parent) == [made.name]


def test_a_run_that_writes_while_files_are_copied_is_in_the_backup_as_a_whole(
    synced: Settings, referrals: Run, backups: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = making._Copies.take
    runs: list[Done] = []

    def taken(copies: making._Copies, files: dict[str, Source], *, must_exist: bool = False) -> None:
        take(copies, files, must_exist=must_exist)
        if not runs:
            runs.append(referrals(*PUBLISH))

    monkeypatch.setattr(making._Copies, "take", taken)
    folder = make(referrals, backups)
    assert [run.code for run in runs] == [0], "the lock is free while files are copied"
    assert read_backup_manifest(folder).snapshot == 2
    for path in {synced.load_path, *synced.state_dir.glob("*.json*")} - {synced.state_dir / "backups.json"}:
        below = path.relative_to(synced.warehouse_dir)
        assert file_sha256(folder / "private" / below) == file_sha256(path), below
    assert damages_of(folder) == []


def test_a_backup_waits_for_a_run(
    synced: Settings, referrals: Run, backups: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-c", HOLD, str(synced.warehouse_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stdout.readline() == "held\n"
        with monkeypatch.context() as patch:
            patch.setattr(making, "WAIT_S", 0)
            refused(referrals("backup", str(backups)), 75, "Another sync")
            assert names_in(backups) == []
        threading.Timer(0.3, running.stdin.close).start()
        assert damages_of(make(referrals, backups)) == []


def test_directories_that_are_for_something_else_are_refused(
    made: Path, synced: Settings, referrals: Run, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letters.txt").touch()
    for place, words in (
        (synced.warehouse_dir, "is in WAREHOUSE__DIR"),
        (synced.warehouse_dir / "backups", "is in WAREHOUSE__DIR"),
        (tmp_path, "is not a directory of backups: it holds"),
        (tmp_path / "full", "holds 'letters.txt'"),
        (tmp_path / "file", "is a file, not a directory"),
        (tmp_path / "file" / "below", "is unreachable"),
    ):
        for command in ("backup", "restore"):
            refused(referrals(command, str(place)), 2, words)
    empty = str(tmp_path / "none")
    refused(referrals("restore", empty), 2, "There is no backup in")
    refused(referrals("backup", empty, "--verify"), 2, "There is no backup in")
    refused(referrals("restore", str(made.parent), "--backup", "20200101T000000Z"), 2, f"The newest is {made.name}")
    refused(referrals("restore", str(made.parent)), 2, "has data already", "--replace")
    refused(referrals("backup", empty, WAREHOUSE__DIR=str(tmp_path / "nothing")), 2, "There is no warehouse in")
    assert not (tmp_path / "nothing").exists()
    (synced.warehouse_dir / "sandbox.sqlite3").touch()
    refused(referrals("backup", empty), 2, "holds a demo")


def test_modes_places_and_readers_are_those_of_the_settings(
    synced: Settings, referrals: Run, backups: Path, tmp_path: Path
) -> None:
    published = tmp_path / "published"
    shutil.rmtree(synced.snapshots_dir)
    for name in ("warehouse.duckdb", "feeds", "manifest.json"):
        (synced.warehouse_dir / name).unlink()
    environ = {"WAREHOUSE__PUBLISH_DIR": str(published), "WAREHOUSE__READERS_GROUP": str(os.getgid())}
    assert referrals("publish", **environ).code == 0
    folder = make(referrals, backups, **environ)
    before = states_below(synced.warehouse_dir) | states_below(published)
    elsewhere = {"WAREHOUSE__DIR": str(tmp_path / "other"), "WAREHOUSE__PUBLISH_DIR": str(published)}
    refused(referrals("restore", str(backups), **elsewhere), 2, "has data already")
    shutil.rmtree(published)
    done = referrals("restore", str(backups), "--replace", "--json", **environ)
    assert done.code == 0, done.err
    [aside] = json.loads(done.out)["aside"]
    assert Path(aside).parent == synced.warehouse_dir
    assert file_sha256(Path(aside) / "load.duckdb") == file_sha256(folder / "private" / "load.duckdb")
    shutil.rmtree(aside)
    assert states_below(synced.warehouse_dir) | states_below(published) == before
    assert users_in(published / "warehouse.duckdb") > 0
    other = {**environ, "WAREHOUSE__PUBLISH_DIR": str(tmp_path / "others")}
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / ".publisher").write_text("another warehouse\n")
    refused(referrals("restore", str(backups), "--replace", **other), 2, "Another warehouse publishes into")


def states_below(folder: Path) -> dict[str, tuple[int, str]]:
    """Mode and content of every file and folder; not of those that a restore writes again, nor of outcomes."""
    written = {"published.json", "last_number_before_restore", "manifest.json"}
    return {
        str(path): (
            stat.S_IMODE(path.lstat().st_mode),
            str(path.readlink()) if path.is_symlink() else file_sha256(path) if path.is_file() else "",
        )
        for path in folder.rglob("*") if not {path.name} & written or path.parent.parent.name == "snapshots"
    }  # fmt: skip


def test_what_a_newer_version_wrote_is_refused(made: Path, synced: Settings, referrals: Run, tmp_path: Path) -> None:
    with duckdb.connect(str(synced.load_path)) as connection:
        connection.execute("update load_file_version set version = 99")
    for command in ("sync", "build"):
        refused(referrals(command), 2, "has version 99 of the load file", "Install the newer version")
    newer = make(referrals, made.parent)
    elsewhere = {"WAREHOUSE__DIR": str(tmp_path / "elsewhere")}
    refused(referrals("restore", str(made.parent), **elsewhere), 2, newer.name, "version 99")
    assert referrals("restore", str(made.parent), "--backup", made.name, **elsewhere).code == 0
    assert users_in(tmp_path / "elsewhere" / "warehouse.duckdb") > 0


def test_numbers_of_snapshots_grow_over_a_restore(made: Path, synced: Settings, referrals: Run) -> None:
    assert referrals(*PUBLISH).code == 0
    done = referrals("restore", str(made.parent), "--replace", "--json")
    assert done.code == 0, done.err
    assert names_in(synced.snapshots_dir) == ["000001"]
    assert names_in(Path(json.loads(done.out)["aside"][0], "snapshots")) == ["000002"]
    assert referrals(*PUBLISH).code == 0
    assert names_in(synced.snapshots_dir) == ["000001", "000003"], "readers never see other data by a number they know"
