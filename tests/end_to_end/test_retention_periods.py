"""A sync forgets who was deleted in the account, or did nothing for long; amounts stay, and errors forget nobody."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.planted_people import files_with
from tests.end_to_end.small_api import Row, SmallApi
from tests.end_to_end.small_api import account as small_account
from tests.end_to_end.small_warehouse import SmallWarehouse
from tests.kills.forks import Forks
from tests.operate.receiver import Receiver

SIMULATED = {"SOURCES__REFERRAL_FACTORY__SIMULATED_TIME": "true", "WAREHOUSE__SNAPSHOT_GRACE_MINUTES": "0"}
OWED, PAID = 1, 16
"""Of user 1 a reward is due, user 16 was issued one: see ``small_api.account``."""
LEDGER = "select * from marts.reward_ledger order by all"
LIABILITY = "select sum(owed_value) from marts.reward_liability"


@pytest.fixture(scope="module")
def two_deleted(forks: Forks, small_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the small account, from which users 1 and 16 were deleted before its second sync."""
    folder = tmp_path_factory.mktemp("deleted")
    shutil.copytree(small_template, folder / "data", symlinks=True)
    with SmallApi(small_account()) as api:
        ours = SmallWarehouse(forks, api, folder)
        _delete(ours, OWED, PAID)
        _sync(ours, 0)
    return folder / "data"


@pytest.fixture
def deleted(
    small: Callable[[dict[str, list[Row]]], SmallWarehouse], two_deleted: Path, tmp_path: Path
) -> SmallWarehouse:
    """A test's own copy of it, with the account as it is then."""
    shutil.copytree(two_deleted, tmp_path / "data", symlinks=True)
    ours = small(small_account())
    _delete(ours, OWED, PAID)
    return ours


def _sync(ours: SmallWarehouse, day: int, *options: str, code: int = 0, **settings: Any) -> dict[str, Any]:
    """A sync on a day after the first; its summary, or what it said where it fails."""
    ours.api.days_ahead = day
    ended = ours.sync("--json", *options, **SIMULATED | settings)
    assert ended.returncode == code, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout) if code == 0 else {}
    return found | {"said": ended.stderr}


def _delete(ours: SmallWarehouse, *user_ids: int) -> list[dict[str, Any]]:
    """Delete users in the account; their rewards stay in its lists."""
    gone = [row for row in ours.api.lists["users"] if row["id"] in user_ids]
    ours.api.lists["users"] = [row for row in ours.api.lists["users"] if row["id"] not in user_ids]
    return gone


def _held(ours: SmallWarehouse, user_id: int) -> list[str]:
    return files_with(f"u{user_id}@example.com".encode(), ours.data, ours.data.with_name("machine"))


def _due(ours: SmallWarehouse, **settings: str) -> dict[str, int]:
    """What ``referrals privacy`` says that the next sync forgets."""
    found: dict[str, int] = json.loads(ours.run("privacy", "--json", **settings).stdout)["due"]
    return found


def _certificates(ours: SmallWarehouse) -> list[Path]:
    return sorted((ours.data / "forgotten").glob("people-*.json"))


def test_people_who_were_deleted_are_forgotten_after_the_days_of_grace(deleted: SmallWarehouse) -> None:
    """Several in one rewriting; what is owed to one of them stays owed, and the certificate and the record say it."""
    before = _sync(deleted, 30)
    assert before["forgotten"] == {}, "the day of the deletion is not one of the 30 days"
    assert _due(deleted) == {}
    assert _due(deleted, PRIVACY__GRACE_DAYS="29") == {"deleted": 2}
    ledger, liability = deleted.published(LEDGER), deleted.published(LIABILITY)
    assert _held(deleted, OWED) != []
    after = _sync(deleted, 31)
    assert after["forgotten"] == {"deleted": 2}
    assert after["snapshot"] == before["snapshot"] + 1
    assert _held(deleted, OWED) == _held(deleted, PAID) == []
    assert _held(deleted, 2) != []
    assert deleted.published(LEDGER) == ledger
    assert deleted.published(LIABILITY) == liability
    assert deleted.published(f"select recipient_id from core.rewards_due where recipient_id = {OWED}") == [(OWED,)]
    (path,) = _certificates(deleted)
    certificate = json.loads(path.read_text("utf-8"))
    assert certificate["user_ids"] == [OWED, PAID]
    assert certificate["totals_before"] == certificate["totals_after"]
    assert len({row["snapshot"] for row in certificate["rewritten"][1:]}) == 3
    lines = (deleted.data / "state" / "outcomes.jsonl").read_text("utf-8").splitlines()
    assert json.loads(lines[-1])["forgotten"] == {"deleted": 2}


@pytest.mark.full
def test_who_returns_in_time_is_kept_and_who_returns_later_stays_without_values(deleted: SmallWarehouse) -> None:
    back = [row for row in small_account()["users"] if row["id"] in (OWED, PAID)]
    deleted.api.lists["users"].append(back[1])
    assert _sync(deleted, 20)["forgotten"] == {}
    _delete(deleted, PAID)
    _sync(deleted, 25)
    assert _sync(deleted, 40)["forgotten"] == {"deleted": 1}, "the days of user 16 began again"
    assert _held(deleted, OWED) == []
    assert _held(deleted, PAID) != []
    deleted.api.lists["users"].append(back[0])
    assert _sync(deleted, 41)["forgotten"] == {}, "nobody is forgotten twice"
    assert deleted.loaded(f"select email, campaign_id from raw.users where id = {OWED}") == [(None, 1)]
    assert deleted.live()["users"] == 29


@pytest.mark.full
def test_who_is_kept_is_the_choice_of_the_settings(deleted: SmallWarehouse) -> None:
    assert _sync(deleted, 40, PRIVACY__ON_DELETE="keep")["forgotten"] == {}
    assert _sync(deleted, 40, PRIVACY__GRACE_DAYS="60")["forgotten"] == {}
    deleted.api.days_ahead = 40
    ended = deleted.sync(**SIMULATED)
    assert "forgotten because their retention period is over: 2 people who were deleted in the account" in ended.stdout


def test_an_account_that_shows_nobody_for_weeks_forgets_nobody(ours: SmallWarehouse) -> None:
    """The deletions are in the load file and never published, so that nobody's days of grace begin."""
    ours.api.lists["users"] = []
    for day in (0, 40):
        assert "users: 30 of 30 records are gone" in _sync(ours, day, code=5)["said"]
    assert ours.loaded("select count(*) from raw.observations where what = 'vanished' and stream = 'users'") == [(30,)]
    assert not (ours.data / "forgotten").exists()
    assert ours.loaded("select count(email) from raw.users") == [(30,)]


@pytest.mark.full
def test_an_implausible_share_is_not_forgotten_unless_it_is_accepted(ours: SmallWarehouse) -> None:
    """Few at a time pass the guard of publications; together they are too many to be forgotten without confirmation."""
    for day, first in ((0, 1), (1, 10)):
        _delete(ours, *range(first, first + 9))
        _sync(ours, day)
    refused = _sync(ours, 40)
    assert refused["forgotten"] == {}
    assert (
        "people who were deleted in the account are not forgotten: users: 18 of 30 records are gone" in refused["said"]
    )
    assert _held(ours, 1) != []
    assert _sync(ours, 41, "--accept-deletions")["forgotten"] == {"deleted": 18}
    assert _held(ours, 1) == _held(ours, 18) == []


@pytest.mark.full
def test_people_without_activity_are_forgotten_unless_something_is_owed(ours: SmallWarehouse) -> None:
    """Nobody did anything since January 2026; users 1 to 15 have rewards due."""
    ours.api.lists["users"][28]["referrer_id"] = 20
    ours.api.lists["users"][28]["date"] = "2026-11-20T10:00:00.000000Z"
    assert "The next sync forgets: 15 people" in ours.run("privacy", PRIVACY__RETAIN_DAYS="300").stdout
    assert _sync(ours, 0, "--sweep", PRIVACY__RETAIN_DAYS="300")["forgotten"] == {"inactive": 13}
    kept = ours.published("select user_id from core.users where email is not null order by all")
    assert [user_id for (user_id,) in kept] == [*range(1, 16), 20, 29], "20 invited 29, who joined in November"


@pytest.mark.parametrize("at", [1, *(pytest.param(at, marks=pytest.mark.full) for at in (2, 3, 4, 6, 9))])
def test_a_sync_that_is_killed_while_it_forgets_is_completed_by_the_next(deleted: SmallWarehouse, at: int) -> None:
    """Whatever comes meanwhile: an erasure is completed before anything is loaded, so that its totals are the same."""
    deleted.api.days_ahead = 31
    pattern = r"(rename|replace) .*load\.duckdb|\.rewriting|forgotten/"
    assert deleted.killed(at, "sync", pattern=pattern, **SIMULATED).returncode == -9
    deleted.api.lists["rewards/due"].append(deleted.api.lists["rewards/due"][1] | {"id": 99})
    _sync(deleted, 32)
    assert _held(deleted, OWED) == _held(deleted, PAID) == []
    assert not (deleted.data / "forgotten" / "journal.json").exists()
    (path,) = _certificates(deleted)
    certificate = json.loads(path.read_text("utf-8"))
    assert certificate["user_ids"] == [OWED, PAID]
    assert certificate["totals_before"] == certificate["totals_after"]


@pytest.mark.full
def test_a_snapshot_that_cannot_be_rewritten_delays_the_forgetting_and_not_the_sync(deleted: SmallWarehouse) -> None:
    """What can be erased is; the next sync completes it once the snapshot is gone."""
    damaged = deleted.data / "snapshots" / "000001" / "warehouse.duckdb"
    damaged.chmod(0o600)
    damaged.write_bytes(b"damaged")
    with Receiver() as receiver:
        _delay_and_complete(deleted, damaged, receiver)
    events = [told.json["events"] for told in receiver.received]
    assert events == [["erasure"], ["recovery"]], "the second failure is the same, and no news"
    assert "An erasure of personal data failed: personal data whose" in receiver.received[0].json["text"]
    assert "succeeded again, after 2 runs in which it did not" in receiver.received[1].json["text"]


def _delay_and_complete(deleted: SmallWarehouse, damaged: Path, receiver: Receiver) -> None:
    notify: dict[str, Any] = {"NOTIFY__URL": receiver.url("hook"), "NOTIFY__EVENTS": "erasure,recovery"}
    found = _sync(deleted, 31, **notify)
    assert (
        "personal data whose retention period is over is still held: Snapshot 1 could not be rewritten" in found["said"]
    )
    assert found["forgotten"] == {}
    assert _held(deleted, OWED) == [], "snapshot 2 is rewritten, too"
    assert "2 people could not be forgotten yet" in _sync(deleted, 32, **notify)["said"]
    shutil.rmtree(damaged.parent)
    deleted.api.lists["rewards/due"].append(deleted.api.lists["rewards/due"][1] | {"id": 99})
    assert _sync(deleted, 33, **notify)["recovered"] == ["an erasure that was interrupted is complete: 2 people"]
    assert _held(deleted, OWED) == _held(deleted, PAID) == []
    assert len(_certificates(deleted)) == 1


@pytest.mark.full
def test_records_in_the_quarantine_and_errors_of_runs_age_out_and_stay_counted(ours: SmallWarehouse) -> None:
    """What is still received as it was stays whole; also records without a readable id keep their place."""
    free: dict[str, Any] = {"WAREHOUSE__MAX_QUARANTINE_PERCENT": "100"}
    lists, whole = ours.api.lists, [dict(row) for row in ours.api.lists["users"]]
    lists["users"][4]["qualified"] = "zq7user"
    lists["rewards/due"][7]["total_value"] = "zq7due"
    _sync(ours, 0, "--sweep", **free)
    ours.damage(
        "update raw.runs set error = 'zq7error', status = 'failed' where run_id = (select min(run_id) from raw.runs)",
        "insert into raw.quarantine by name select * replace ('x' as key, 'zq7id' as record_id, "
        "'{\"id\": \"zq7id\"}' as raw) from raw.quarantine where stream = 'users'",
    )
    counted = "select stream, count(*), count(*) filter (where is_open) from ops.quarantine group by stream order by 1"
    lists["users"] = whole
    _sync(ours, 1, "--sweep", **free)
    before = ours.published(counted)
    assert sum(row[1] for row in before) == 3
    kept: dict[str, Any] = {"PRIVACY__QUARANTINE_DAYS": "0", "PRIVACY__LOG_DAYS": "0"}
    assert _sync(ours, 400, **free, **kept)["forgotten"] == {}
    assert all(files_with(mark, ours.data) for mark in (b"zq7user", b"zq7id", b"zq7due", b"zq7error"))
    found = _sync(ours, 400, **free)
    assert found["forgotten"] == {"records": 2, "errors": 1}
    assert [files_with(mark, ours.data) for mark in (b"zq7user", b"zq7id")] == [[], []]
    assert [Path(name).name for name in files_with(b"zq7error", ours.data)] != ["load.duckdb"]
    assert files_with(b"zq7due", ours.data) != []
    assert ours.published(counted) == before
    assert not (ours.data / "forgotten" / "journal.json").exists()
    lists["users"][4]["qualified"] = "zq7user"
    _sync(ours, 401, "--sweep", **free)
    again = ours.published(counted)
    assert [row[1] for row in again] == [row[1] for row in before], "the same record is the same row"
