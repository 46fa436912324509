"""A run that ends because of a mistake in the settings is recorded and reported, if the other settings are known."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from referral_warehouse.cli.recorded_run import CREATE
from referral_warehouse.operate.outcome_log import OutcomeLog
from referral_warehouse.operate.outcomes import Outcome
from referral_warehouse.settings import Settings
from tests.operate.conftest import HOOK, PING, Run
from tests.operate.receiver import Receiver

MISTAKES = {
    "WAREHOUSE__READERS_GROUP": "no-such-group",
    "WAREHOUSE__DIRECTORY": "elsewhere",
    "WAREHOUSE__KEEP_SNAPSHOTS": "many",
    "SOURCES__REFERRAL_FACTORY__API_TOKEN_FILE": "/nonexistent",
}

ALWAYS_RUN = {"WAREHOUSE__READERS_GROUP", "SOURCES__REFERRAL_FACTORY__API_TOKEN_FILE"}
"""Mistakes that ``make test`` covers: one of the warehouse and one of the account. An unknown name is tested below."""


def write(folder: Path, text: str) -> Path:
    path = folder / ".dlt" / "config.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def newest(settings: Settings) -> Outcome:
    found = OutcomeLog(settings.state_dir).read()[-1]
    assert isinstance(found, Outcome)
    return found


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in ALWAYS_RUN else pytest.mark.full) for name in MISTAKES]
)
def test_a_mistake_in_the_environment_of_a_scheduler_is_a_failure_that_status_shows(
    referrals: Run, synced: Settings, receiver: Receiver, name: str
) -> None:
    refused = referrals("sync", **{name: MISTAKES[name]})
    assert (refused.code, len(refused.err.splitlines())) == (2, 1)
    status = referrals("status")
    assert status.code == 2
    assert status.out.startswith("Failing: the last run did not succeed")
    assert name in newest(synced).message  # type: ignore[operator]
    assert [got.path for got in receiver.received] == [f"/{HOOK}", f"/{PING}/fail"]
    assert receiver.received[0].json["events"] == ["failure"]
    assert referrals("sync").code == 0
    assert receiver.received[-2].json["events"] == ["recovery"]
    assert referrals("status").code == 0


@pytest.mark.parametrize(
    ("command", "arguments"),
    [*((name, ()) for name in sorted({*CREATE, "build", "publish", "fix-clock", "deliver"} - {"demo"})),
     ("forget", ("--user-id", "1")), ("export", ("--user-id", "1"))],
)  # fmt: skip
def test_a_mistake_is_recorded_for_every_command_whose_runs_are_recorded(
    referrals: Run, synced: Settings, command: str, arguments: tuple[str, ...]
) -> None:
    assert referrals(command, *arguments, WAREHOUSE__DIRECTORY="elsewhere").code == 2
    assert (newest(synced).command, newest(synced).error) == (command, "ConfigurationError")


def test_a_file_that_is_no_toml_is_reported_where_the_environment_names_the_directory(
    referrals: Run, synced: Settings, receiver: Receiver, tmp_path: Path
) -> None:
    path = write(tmp_path, "[warehouse\n")
    assert referrals("sync").code == 2
    assert str(path) in newest(synced).message  # type: ignore[operator]
    assert [got.path for got in receiver.received] == [f"/{HOOK}", f"/{PING}/fail"]


def test_nothing_is_assumed_about_a_file_that_cannot_be_understood(
    referrals: Run, synced: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It may name another directory than the default, which is this one."""
    monkeypatch.delenv("WAREHOUSE__DIR")
    assert synced.warehouse_dir == tmp_path / "data"
    before = newest(synced)
    write(tmp_path, "[warehouse\n")
    assert referrals("sync").code == 2
    assert newest(synced) == before
    write(tmp_path, "[warehouse]\ndirectory = 'elsewhere'\n")
    assert referrals("sync").code == 2
    assert newest(synced) != before, "the file can be understood and names no directory"


def test_a_new_directory_is_not_created_for_it(referrals: Run, settings: Settings, receiver: Receiver) -> None:
    assert referrals("sync", WAREHOUSE__DIRECTORY="elsewhere").code == 2
    assert not settings.warehouse_dir.exists()
    assert [got.path for got in receiver.received] == [f"/{HOOK}", f"/{PING}/fail"]


def test_receivers_that_are_set_wrongly_get_nothing_and_the_failure_is_recorded(
    referrals: Run, synced: Settings
) -> None:
    assert referrals("sync", NOTIFY__URL="ftp://example.com", WAREHOUSE__DIRECTORY="elsewhere").code == 2
    assert "WAREHOUSE__DIRECTORY" in newest(synced).message  # type: ignore[operator]


@pytest.mark.skipif(os.geteuid() != 0, reason="files of several users need root")
def test_receivers_in_a_file_of_another_user_get_nothing(
    referrals: Run, synced: Settings, receiver: Receiver, tmp_path: Path
) -> None:
    path = write(tmp_path, f"[notify]\nevents = 'failure'\nurl = {json.dumps(receiver.url('other'))}\n")
    os.chown(path, 70_002, 70_002)
    assert referrals("sync").code == 2
    assert "belongs to" in newest(synced).message  # type: ignore[operator]
    assert [got.path for got in receiver.received] == [f"/{HOOK}", f"/{PING}/fail"]


def test_a_slip_in_an_option_is_no_failed_run(referrals: Run, synced: Settings) -> None:
    before = newest(synced)
    assert referrals("sync", "--account", "uk").code == 2
    assert newest(synced) == before
