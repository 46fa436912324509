"""Backups: an erasure names those that it does not reach, and nobody who was forgotten comes back with one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.planted_people import files_with
from tests.end_to_end.small_warehouse import SmallWarehouse

MARK = b"u1@example.com"


def _backup(ours: SmallWarehouse, *options: str, **settings: str) -> Path:
    """A backup in the directory ``backups`` beside that of the warehouse; returns that directory."""
    directory = ours.data.with_name("my backups")
    ended = ours.run("backup", str(directory), *options, **settings)
    assert ended.returncode == 0, ended.stderr
    return directory


def _copies(ours: SmallWarehouse) -> dict[str, str]:
    """The copies that ``referrals privacy`` lists: path → how long they hold what they hold."""
    found: dict[str, Any] = json.loads(ours.run("privacy", "--json").stdout)
    return {row["path"]: row["kept_for"] for row in found["places"] if row["place"] == "copies"}


def test_backups_are_named_with_the_command_that_removes_the_person(ours: SmallWarehouse) -> None:
    backups = _backup(ours)
    assert files_with(MARK, backups) != []
    ended = ours.run("forget", "--user-id", "1")
    assert ended.returncode == 0, ended.stderr
    command = f"referrals backup '{backups}' --keep 1"
    assert f"Not reached: {backups} (1 backup). Next: {command}" in ended.stdout
    (copy,) = json.loads((ours.data / "forgotten" / "1.json").read_text("utf-8"))["not_reached"]
    assert copy == {"what": "1 backup", "path": str(backups), "command": command}
    assert _copies(ours) == {str(backups): f"until you remove them: {command}"}
    assert files_with(MARK, backups) != [], "backups are not rewritten"
    _backup(ours, "--keep", "1")
    assert files_with(MARK, backups) == []
    shutil.move(backups, backups.with_name("elsewhere"))
    assert ours.run("forget", "--user-id", "2").stdout.count("a directory of backups that cannot be read now") == 1
    backups.mkdir()
    assert "nothing has to be done, unless its disk is not connected" in ours.run("privacy", "--json").stdout


def test_who_was_forgotten_does_not_come_back_with_a_backup(ours: SmallWarehouse) -> None:
    """What is moved aside is named."""
    backups = _backup(ours)
    assert ours.run("forget", "--user-id", "1").returncode == 0
    before = ours.loaded("select * exclude (_dlt_load_id) from raw.users order by id")
    people = (ours.data / "forgotten" / "people.json").read_bytes()
    ended = ours.run("restore", str(backups), "--replace", "--json")
    assert ended.returncode == 0, ended.stderr
    assert files_with(MARK, ours.data) == []
    assert ours.loaded("select * exclude (_dlt_load_id) from raw.users order by id") == before
    assert (ours.data / "forgotten" / "people.json").read_bytes() == people
    assert not (ours.data / "forgotten" / "journal.json").exists()
    (aside,) = json.loads(ended.stdout)["aside"]
    assert _copies(ours)[aside] == f"until you remove them: rm -r {aside}"
    assert str(backups) in _copies(ours)


@pytest.mark.full
def test_a_backup_has_who_was_forgotten_for_another_directory(ours: SmallWarehouse) -> None:
    assert ours.run("forget", "--user-id", "1").returncode == 0
    people = (ours.data / "forgotten" / "people.json").read_bytes()
    backups = _backup(ours)
    other = {"WAREHOUSE__DIR": str(ours.data.with_name("other"))}
    assert ours.run("restore", str(backups), **other).returncode == 0
    assert ours.sync("--sweep", **other).returncode == 0
    assert files_with(MARK, ours.data.with_name("other")) == []
    assert (ours.data.with_name("other") / "forgotten" / "people.json").read_bytes() == people


@pytest.mark.full
def test_a_restore_that_is_killed_brings_nobody_back_either(ours: SmallWarehouse) -> None:
    backups = _backup(ours)
    assert ours.run("forget", "--user-id", "1").returncode == 0
    ended = ours.killed(1, "restore", str(backups), "--replace", pattern=r"rename load\.duckdb\.new")
    assert ended.returncode == -9, ended.stderr
    assert files_with(MARK, ours.data) != [], "it was killed between the restore and the erasure"
    ended = ours.sync("--json")
    assert ended.returncode == 0, ended.stderr
    assert "an erasure that was interrupted is complete: who was forgotten before" in ended.stdout
    assert files_with(MARK, ours.data) == []


def test_a_restore_that_is_refused_leaves_nothing_to_be_done(ours: SmallWarehouse) -> None:
    backups = _backup(ours)
    assert ours.run("forget", "--user-id", "1").returncode == 0
    assert ours.run("restore", str(backups)).returncode == 2
    assert not (ours.data / "forgotten" / "journal.json").exists()


def test_no_sync_runs_where_the_digests_of_forgotten_people_are_lost(ours: SmallWarehouse) -> None:
    """Nothing is read and nothing changes until they are restored; then the person is still forgotten."""
    assert ours.run("forget", "--user-id", "1").returncode == 0
    people = ours.data / "forgotten" / "people.json"
    content, load_file = people.read_bytes(), (ours.data / "load.duckdb").read_bytes()
    people.unlink()
    ended = ours.sync("--sweep")
    assert ended.returncode == 2
    assert f"{people} is missing, and people were forgotten here" in ended.stderr
    assert (ours.data / "load.duckdb").read_bytes() == load_file
    people.write_bytes(content)
    assert ours.sync("--sweep").returncode == 0
    assert files_with(MARK, ours.data) == []
