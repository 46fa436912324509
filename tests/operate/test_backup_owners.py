"""A directory has the backups of one warehouse, and is no directory that something else tidies."""

from __future__ import annotations

from pathlib import Path

import pytest

from referral_warehouse.operate import backup as making
from referral_warehouse.operate import backup_verification
from referral_warehouse.operate.backup import make_backup
from referral_warehouse.operate.backup_directory import BackupDirectory
from referral_warehouse.operate.backup_verification import damages_of
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.publisher import MARK, known_name
from tests.operate.conftest import Run

pytestmark = pytest.mark.usefixtures("few_models")


def test_a_warehouse_makes_no_backups_among_those_of_another(synced: Settings, referrals: Run, tmp_path: Path) -> None:
    backups = tmp_path / "backups"
    made = make_backup(synced, BackupDirectory(backups)).folder
    mark = synced.state_dir / MARK
    name = mark.read_text()
    mark.write_text("of another warehouse\n")
    done = referrals("backup", str(backups), "--keep", "1")
    assert done.code == 2
    assert f"The backups in {backups} are of another warehouse than {synced.warehouse_dir}." in done.err
    assert [path.name for path in backups.iterdir() if path.name[0] != "."] == [made.name]
    mark.unlink()  # a directory that lost it is another one too, until it is copied as the message says
    assert referrals("backup", str(backups)).code == 2
    mark.write_text((made / "private" / "state" / MARK).read_text())
    assert referrals("backup", str(backups)).code == 0
    assert mark.read_text() == name


def test_a_restored_backup_without_a_name_leaves_the_warehouse_its_own(
    synced: Settings, referrals: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backups = tmp_path / "backups"
    (synced.state_dir / MARK).unlink(missing_ok=True)
    with monkeypatch.context() as patch:
        patch.setattr(making, "refuse_backups_of_others", lambda *_: None)  # as earlier versions made it
        make_backup(synced, BackupDirectory(backups))
    assert known_name(synced) is None
    assert referrals("backup", str(backups)).code == 0
    name = known_name(synced)
    oldest = min(path.name for path in backups.iterdir() if path.name[0] != ".")
    done = referrals("restore", str(backups), "--backup", oldest, "--replace")
    assert done.code == 0, done.err
    assert known_name(synced) == name is not None
    assert referrals("backup", str(backups)).code == 0


@pytest.mark.parametrize("setting", ["WAREHOUSE__DELIVER_TO", "WAREHOUSE__LAKE_DATA"])
def test_no_backup_is_made_where_files_are_removed(
    setting: str, synced: Settings, referrals: Run, tmp_path: Path
) -> None:
    done = referrals("backup", str(tmp_path / "place" / "backups"), **{setting: str(tmp_path / "place")})
    assert done.code == 2
    assert f"is in {setting}" in done.err
    assert not (tmp_path / "place").exists()


def test_a_file_that_cannot_be_backed_up_is_named_as_in_the_warehouse(
    synced: Settings, referrals: Run, tmp_path: Path
) -> None:
    synced.load_path.write_bytes(b"no database" * 1000)
    done = referrals("backup", str(tmp_path / "backups"))
    assert done.code == 5
    assert f"No backup was made: {synced.load_path} cannot be read as a whole" in done.err


def test_a_backup_that_is_removed_while_all_are_verified_is_not_damaged(
    synced: Settings, referrals: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = BackupDirectory(tmp_path / "backups")
    made = [make_backup(synced, directory).folder for _ in range(2)]

    def removed_before(folder: Path) -> list[str]:
        if folder == made[0]:
            assert directory.keep(1) == []
        return damages_of(folder)

    monkeypatch.setattr(backup_verification, "damages_of", removed_before)
    done = referrals("backup", str(directory.root), "--verify")
    assert done.code == 0, done.err
    assert done.out.splitlines() == [f"{made[1].name}: whole"]


def test_a_directory_that_lost_its_backups_is_a_warning(synced: Settings, referrals: Run, tmp_path: Path) -> None:
    backups = tmp_path / "backups"
    first = make_backup(synced, BackupDirectory(backups)).folder
    backups.rename(tmp_path / "disk")
    done = referrals("backup", str(backups))
    assert done.code == 0
    assert f"had backups before (the newest was {first.name}) and had none now" in done.err
    assert "had none now" not in referrals("backup", str(backups)).err
