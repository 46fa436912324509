"""Clocks at the command line: sync publishes under a wrong Date and warns, fix-clock corrects, settings are checked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from tests.cli.processes import PREFIX, Referrals
from tests.load.dated_account import DatedAccount, age


@pytest.fixture
def dated(tmp_path: Path, environ: dict[str, str]) -> Iterator[DatedAccount]:
    """An account whose Date the test chooses, in the environment of the commands; its time is not simulated."""
    with DatedAccount(tmp_path) as account:
        environ[f"{PREFIX}BASE_URL"] = account.settings.base_url
        environ[f"{PREFIX}SIMULATED_TIME"] = "false"
        yield account


@pytest.mark.full
def test_sync_under_a_wrong_date_publishes_right_days_and_warns(dated: DatedAccount, referrals: Referrals) -> None:
    dated.date = lambda _number: "Wed, 20 Feb 2030 08:00:00 GMT"
    synced = referrals("sync", "--json")
    assert synced.returncode == 0, synced.stderr
    facts = json.loads(synced.stdout)
    assert facts["published"]
    assert "2030-02-20 08:00:00 UTC" in facts["notes"][0]
    assert "warning: " in synced.stderr
    assert "2030-02-20" in synced.stderr
    with duckdb.connect(str(dated.settings.warehouse_path), read_only=True) as connection:
        days = "select count(*) from marts.reward_liability_daily where day_on > current_date + 1"
        assert connection.execute(days).fetchall() == [(0,)]
    checked = referrals("check")
    assert "WARN  clock: the server sends 2030-02-20 08:00:00 UTC" in checked.stdout


def test_fix_clock_corrects_and_publishes(dated: DatedAccount, referrals: Referrals) -> None:
    dated.date = lambda _number: None
    run_id = json.loads(referrals("sync", "--json").stdout)["run_id"]
    nothing = referrals("fix-clock")
    assert nothing.returncode == 0
    assert "Nothing to correct" in nothing.stdout
    wrong = datetime(2030, 2, 20, 8)  # noqa: DTZ001 - naive UTC
    age(dated.settings, run_id, wrong, wrong)
    assert referrals("publish", "--accept-shorter-history").returncode == 0
    fixed = referrals("fix-clock", "--json")
    assert fixed.returncode == 0, fixed.stderr
    assert json.loads(fixed.stdout)["corrected"] >= 1
    status = json.loads(referrals("status", "--json").stdout)
    assert status["synced_at"] < "2030"
    assert status["snapshot"] == json.loads(fixed.stdout)["snapshot"]


@pytest.mark.parametrize(
    ("value", "url", "words"),
    [
        ("true", "https://api.example.com/v1", "SIMULATED_TIME=true"),
        ("perhaps", "http://127.0.0.1:9/api/v1", "must be true or false"),
    ],
)
def test_simulated_time_is_for_this_machine_only(referrals: Referrals, value: str, url: str, words: str) -> None:
    ended = referrals(
        "sync", **{f"{PREFIX}SIMULATED_TIME": value, f"{PREFIX}BASE_URL": url, f"{PREFIX}CALLS_PER_MINUTE": "60"}
    )
    assert ended.returncode == 2
    assert words in ended.stderr
