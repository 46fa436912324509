"""``referrals status`` says where the newest backup is, how old it is, and whether it was verified; it never fails."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from referral_warehouse.operate import recorder
from referral_warehouse.operate.known_backups import FILE, BackupRecord, last_backup_at, made_at, read_records, remember
from referral_warehouse.settings import Settings
from tests.operate.conftest import Run
from tests.operate.test_backup import flip, make

pytestmark = pytest.mark.usefixtures("few_models")


@pytest.fixture
def synced(synced: Settings) -> Settings:
    """The directory knows no backup, whatever other tests have made of its template."""
    (synced.state_dir / FILE).unlink(missing_ok=True)
    return synced


def facts(referrals: Run) -> dict[str, Any]:
    """What ``status --json`` has of the backups; the exit code is never theirs."""
    done = referrals("status", "--json")
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)["backups"]
    return found


def sentence(referrals: Run) -> str:
    """The line of ``status`` on the backups."""
    done = referrals("status", COLUMNS="400")
    assert done.code == 0, done.err
    [found] = [line for line in done.out.splitlines() if line.startswith("Backups:")]
    return found


@pytest.mark.usefixtures("synced")
def test_that_no_backup_is_known_is_a_note(referrals: Run) -> None:
    assert sentence(referrals).startswith("Backups: none is known. Next: Run `referrals backup DIR`")
    assert facts(referrals) == dict.fromkeys(
        ("directory", "backup", "made_at", "age_s", "verified_at", "damage", "is_readable")
    ) | {"is_late": True}


def test_status_says_nothing_about_backups_where_there_is_nothing_to_back_up(referrals: Run) -> None:
    assert "Backups:" not in referrals("status").out
    assert json.loads(referrals("status", "--json").out)["backups"] is None


def test_status_reports_the_newest_backup_its_verification_and_its_damage(
    referrals: Run, synced: Settings, backups: Path
) -> None:
    make(referrals, backups)
    newest = make(referrals, backups)
    assert sentence(referrals).startswith(f"Backups: the newest is {newest}, ")
    assert sentence(referrals).endswith("; not verified since it was made.")
    assert referrals("backup", str(backups), "--verify").code == 0
    found = facts(referrals)
    assert (found["directory"], found["backup"]) == (str(backups), newest.name)
    assert (found["is_readable"], found["is_late"], found["damage"]) == (True, False, None)
    assert found["made_at"] == made_at(newest.name).isoformat().replace("+00:00", "Z")
    assert sentence(referrals).endswith(f"; verified at {found['verified_at']}.")
    flip(newest / "private" / "load.duckdb", seed=3)
    assert referrals("backup", str(backups), "--verify").code == 5
    assert "load.duckdb" in facts(referrals)["damage"]
    assert "; damaged when it was verified at " in sentence(referrals)
    after = make(referrals, backups)
    assert (facts(referrals)["backup"], facts(referrals)["verified_at"]) == (after.name, None)


def test_a_backup_that_is_old_is_a_note(
    referrals: Run, synced: Settings, backups: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = made_at(make(referrals, backups).name)
    for age, is_late in ((timedelta(days=7), False), (timedelta(days=7, seconds=1), True)):
        monkeypatch.setattr(recorder, "utc_now", lambda age=age: at + age)
        assert (facts(referrals)["is_late"], facts(referrals)["age_s"]) == (is_late, age.total_seconds())
        assert ("There is none of the last 7 days. Next: " in sentence(referrals)) == is_late


def test_a_directory_that_is_gone_is_reported_with_its_last_backup(
    referrals: Run, synced: Settings, backups: Path, tmp_path: Path
) -> None:
    newest = make(referrals, backups)
    backups.rename(tmp_path / "elsewhere")
    assert "(its directory cannot be read now)" in sentence(referrals)
    assert (facts(referrals)["backup"], facts(referrals)["is_readable"]) == (newest.name, False)
    backups.mkdir()  # as where its disk is not connected: what is there now counts
    assert facts(referrals)["backup"] is None
    restored = referrals("restore", str(tmp_path / "elsewhere"), "--replace")
    assert restored.code == 0, restored.err
    assert facts(referrals)["directory"] == str(tmp_path / "elsewhere")


def test_the_metrics_have_the_time_of_the_last_backup(referrals: Run, synced: Settings, backups: Path) -> None:
    metrics, name = synced.state_dir / "metrics.prom", "referral_warehouse_last_backup_timestamp_seconds"
    assert name not in metrics.read_text()
    at = made_at(make(referrals, backups).name)
    assert referrals("sync").code == 0
    [line] = [line for line in metrics.read_text().splitlines() if line.startswith(name)]
    assert float(line.split()[1]) == at.timestamp()


def test_only_the_owner_of_the_warehouse_records_a_verification(
    referrals: Run, synced: Settings, backups: Path
) -> None:
    """Another machine may verify backups: its settings mean no warehouse, and none is created."""
    make(referrals, backups)
    shutil.rmtree(synced.warehouse_dir)
    assert referrals("backup", str(backups), "--verify").code == 0
    assert not synced.warehouse_dir.exists()


@pytest.mark.parametrize(
    "text",
    ['["/b"]', '{"/b": null}', '{"/b": {}}', '{"/b": {"newest": 3}}', '{"/b": [1]}', '["/b", 3, null]'],
)
def test_files_of_0_2_0_and_damaged_entries_keep_their_directories(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert read_records(tmp_path) == {Path("/b"): BackupRecord()}
    assert last_backup_at(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "3", "null", "[" * 100_000, '{"/b": {"newest": "yesterday"}}'])
def test_a_file_that_is_none_is_as_if_it_were_missing_and_is_written_again(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert read_records(tmp_path) == {}
    record = BackupRecord("20260101T000000Z")
    assert remember(tmp_path, {Path("/c"): record}) == []
    assert read_records(tmp_path) == {Path("/c"): record}
    assert last_backup_at(tmp_path) == datetime(2026, 1, 1, tzinfo=UTC)
