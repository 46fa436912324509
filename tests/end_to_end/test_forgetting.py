"""A forgotten person is in no file and does not return; everybody else and every sum stay as before."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.end_to_end.planted_people import files_with, marks_of, planted
from tests.end_to_end.small_api import Row, SmallApi
from tests.end_to_end.small_warehouse import SmallWarehouse
from tests.kills.forks import Forks

Small = Callable[[dict[str, list[Row]]], SmallWarehouse]
FREE = {
    "WAREHOUSE__MAX_QUARANTINE_PERCENT": "100", "WAREHOUSE__FEEDS_HAVE_PERSONAL": "true",
    "WAREHOUSE__SNAPSHOT_GRACE_MINUTES": "0", "WAREHOUSE__DELIVER_TO": "delivered",
}  # fmt: skip
OTHERS = "select * exclude (_dlt_load_id) from raw.{} where {} > 2 order by all"
PEOPLE = 20


def _lists(*, later: bool) -> dict[str, list[Row]]:
    """The account at the first sync, and later, with changed names."""
    lists = planted(PEOPLE)
    if later:
        for row in lists["rewards/due"]:
            row["recipient_first_name"] += "later"
        lists["users"][1]["first_name"] += "later"
    return lists


@pytest.fixture(scope="module")
def synced_twice(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of an account of 20 planted people and 10 others, with two snapshots."""
    folder = tmp_path_factory.mktemp("people")
    with SmallApi(_lists(later=False)) as api:
        ours = SmallWarehouse(forks, api, folder)
        assert ours.sync(**FREE).returncode == 0
        api.become(_lists(later=True))
        assert ours.sync("--sweep", **FREE).returncode == 0
    return folder


@pytest.fixture
def ours(small: Small, synced_twice: Path, tmp_path: Path) -> SmallWarehouse:
    """A test's own copy of it."""
    for name in ("data", "delivered"):
        shutil.copytree(synced_twice / name, tmp_path / name, symlinks=True)
    return small(_lists(later=True))


def _forget(ours: SmallWarehouse, *options: str) -> dict[str, Any]:
    ended = ours.run("forget", *options, "--json", **FREE)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def _held(ours: SmallWarehouse, number: int) -> list[str]:
    return files_with(marks_of(number), ours.data, ours.data.with_name("machine"))


def _others(ours: SmallWarehouse) -> list[Any]:
    return [ours.loaded(OTHERS.format(table, person)) for table, person in (
        ("users", "id"), ("rewards_due", "recipient_id"), ("rewards_issued", "recipient_id"),
        ("coupons", "referral_id"))]  # fmt: skip


def test_a_forgotten_person_is_nowhere(ours: SmallWarehouse) -> None:
    """Of all versions, two snapshots with feeds, dlt's folder, the quarantine and free blocks nothing is left."""
    assert len(_held(ours, 1)) >= 5
    others = _others(ours)
    funnel = ours.published("from marts.referral_funnel order by all")
    found = _forget(ours, "--user-id", "1")
    assert _held(ours, 1) == []
    assert all(str(ours.data / "load.duckdb") in _held(ours, number) for number in (2, 3, PEOPLE))
    assert _others(ours) == others
    assert ours.published("from marts.referral_funnel order by all") == funnel
    assert files_with(marks_of(1), ours.data.with_name("delivered")) != [], "the next delivery removes it"
    certificate = json.loads(Path(found["certificate"]).read_text("utf-8"))
    assert "are removed once the next sync has delivered" in certificate["deliveries"]
    assert certificate["totals_before"] == certificate["totals_after"]
    assert {row["snapshot"] for row in certificate["rewritten"][1:]} == {1, 2}
    manifest = json.loads((ours.data / "snapshots" / "000002" / "manifest.json").read_text("utf-8"))
    assert manifest["rewritten"] == "a person was forgotten"


def test_an_address_that_older_snapshots_alone_have_is_recognised(ours: SmallWarehouse) -> None:
    """User 26 changed the address, and another user has the former one in a free field."""
    ours.api.lists["users"][26]["meta"] = {"city": "Ulm", "invited_by": "Former@example.com"}
    for address in ("former@example.com", "new@example.com"):
        ours.api.lists["users"][25]["email"] = address
        assert ours.sync("--sweep", **FREE).returncode == 0
    _forget(ours, "--user-id", "26")
    assert ours.loaded("select id, email, meta from raw.users where id in (26, 27) order by id") == [
        (26, None, None),
        (27, "u27@example.com", '{"city":"Ulm"}'),
    ]


def test_a_forgotten_person_is_gone_from_a_destination_after_the_next_delivery(ours: SmallWarehouse) -> None:
    """And at once from what a delivery that was killed left in the state."""
    database, leftover = ours.data.with_name("analytics.duckdb"), ours.data / "state" / "destinations" / "analytics"
    place = {
        "DESTINATION__ANALYTICS__DESTINATION_TYPE": "duckdb", "DESTINATION__ANALYTICS__CREDENTIALS": str(database),
    }  # fmt: skip
    query = "select user_id, email from referrals.core_users where user_id in (1, 2) order by 1"

    def delivered() -> list[Any]:
        assert ours.run("deliver", "--to", "analytics", **FREE, **place).returncode == 0
        with duckdb.connect(str(database), read_only=True) as connection:
            return connection.execute(query).fetchall()

    before = delivered()
    assert before[0][1] is not None
    leftover.mkdir()
    (leftover / "rows").write_text(before[0][1])
    certificate = json.loads(Path(_forget(ours, "--user-id", "1")["certificate"]).read_text("utf-8"))
    assert "rows at analytics are replaced by the next sync or `referrals deliver`" in certificate["deliveries"]
    assert not leftover.exists()
    assert delivered() == [(1, None), before[1]]


@pytest.mark.full
def test_a_forgotten_person_does_not_return(ours: SmallWarehouse) -> None:
    """Not with other values, not into a new load file, and not through a place of deliveries."""
    _forget(ours, "--user-id", "1")
    versions = "select count(*) from raw.rewards_due where recipient_id = 1"
    count = ours.loaded(versions)
    ours.api.lists["users"][0]["first_name"] = "zq7plant1xagain"
    assert ours.sync("--sweep", **FREE).returncode == 0
    assert _held(ours, 1) == files_with(marks_of(1), ours.data.with_name("delivered")) == []
    assert files_with(marks_of(2), ours.data.with_name("delivered")) != []
    assert ours.loaded("select email, first_name, campaign_id from raw.users where id = 1") == [(None, None, 1)]
    assert ours.loaded(versions) == count, "no version began"
    ours.lose("load.duckdb")
    assert ours.run("load", **FREE).returncode == 0
    assert _held(ours, 1) == []


@pytest.mark.full
def test_the_quarantine_of_a_person_goes_with_the_person(ours: SmallWarehouse) -> None:
    """User 20 has no row that could be read; one of user 3 is in the list of rewards due."""
    open_before = ours.loaded("select stream, record_id, quarantined_at from raw.quarantine order by all")
    for number in (3, PEOPLE):
        _forget(ours, "--user-id", str(number))
    assert ours.loaded("select stream, record_id, quarantined_at from raw.quarantine order by all") == open_before
    assert ours.run("load", **FREE).returncode == 0
    assert _held(ours, 3) == _held(ours, PEOPLE) == []


def test_an_unknown_person_an_ambiguous_address_and_no_choice_are_refused(ours: SmallWarehouse) -> None:
    """Nothing is touched: not by an unknown person, not by an address of two, not by a dry run."""
    ours.api.lists["users"][25]["email"] = ours.api.lists["users"][26]["email"] = "Two@example.com"
    assert ours.run("load", "--sweep", **FREE).returncode == 0
    files = {path: path.read_bytes() for path in ours.data.rglob("*") if path.is_file() and path.name != "lock"}
    for options, code, said in (
        (["--user-id", "999"], 5, "Nothing is held of such a person"),
        (["--email", "nobody@example.com"], 5, "Nothing is held of such a person"),
        (["--email", " two@EXAMPLE.com"], 2, "users 26 (campaign 1), 27 (campaign 1)"),
        ([], 2, "Neither --user-id nor --email is given"),
        (["--user-id", "1", "--email", "x"], 2, "Both --user-id and --email are given"),
    ):
        ended = ours.run("forget", *options, **FREE)
        assert ended.returncode == code, ended.stderr
        assert said in ended.stderr
    dry = json.loads(ours.run("forget", "--email", "zq7plant2xmail@zq7plant2xhome.example", "--dry-run", "--json",
                              **FREE).stdout)  # fmt: skip
    assert dry == {"user_id": 2, "rows": dry["rows"], "forgotten": False}
    assert dry["rows"]["rewards_due"] == 2
    assert {path: path.read_bytes() for path in files} == files, "the record of runs too: that was no failure"
    assert ours.run("export", "--user-id", "999", **FREE).returncode == 5
    assert {path: path.read_bytes() for path in files} == files
    assert ours.run("status", **FREE).returncode == 0
    assert not (ours.data / "forgotten").exists()


@pytest.mark.full
def test_a_forgetting_that_is_killed_is_completed_by_the_next(ours: SmallWarehouse) -> None:
    others = _others(ours)
    address = "zq7plant2xmail@zq7plant2xhome.example"
    for at in (15, 60, 100, 140, 180):
        ended = ours.killed(at, "forget", "--email", address, **FREE)
        assert ended.returncode == -9, ended.stderr
    assert _forget(ours, "--email", address)["user_id"] == 2
    assert _held(ours, 2) == []
    assert _others(ours) == others
    certificate = json.loads((ours.data / "forgotten" / "2.json").read_text("utf-8"))
    assert certificate["totals_before"] == certificate["totals_after"]
    assert not (ours.data / "forgotten" / "journal.json").exists()


def test_a_forget_that_is_killed_is_completed_by_a_sync_and_is_not_a_failure_any_more(ours: SmallWarehouse) -> None:
    ended = ours.killed(1, "forget", "--user-id", "2", pattern="people.json", **FREE)
    assert ended.returncode == -9, ended.stderr
    assert (ours.data / "forgotten" / "journal.json").exists(), "killed in the middle"
    assert ours.run("status", **FREE).returncode == 1
    ended = ours.sync(**FREE)
    assert "an erasure that was interrupted is complete: user 2" in ended.stdout
    assert _held(ours, 2) == []
    status = ours.run("status", "--json", **FREE)
    assert (status.returncode, json.loads(status.stdout)["state"]) == (0, "well")


def test_all_that_is_held_of_a_person_is_exported(ours: SmallWarehouse, tmp_path: Path) -> None:
    ended = ours.run("export", "--user-id", "1", "--out", str(tmp_path / "out"), "--json", **FREE)
    assert ended.returncode == 0, ended.stderr
    pages = [Path(name).read_text("utf-8") for name in json.loads(ended.stdout)["files"]]
    for field in ("name", "namelater", "mail", "code", "url", "meta", "sharing", "message", "phone", "payer", "coupon"):
        assert all(f"zq7plant1x{field}" in page for page in pages), field
    assert "zq7plant2x" not in pages[0]
    tables = json.loads(pages[0])["tables"]
    assert len(tables["rewards_due"]) == 2
    assert [row["user_id"] for row in tables["snapshot 1, core.users"] + tables["snapshot 2, core.users"]] == [1, 1]
    assert {row["user_id"] for row in tables["snapshot 1, core.coupons"]} == {1}
    assert ours.run("export", "--user-id", "2", "--out", str(tmp_path / "two"), **FREE).returncode == 0
    names = json.loads((tmp_path / "two" / "person.json").read_text("utf-8"))["tables"]
    assert [names[f"snapshot {n}, core.users"][0]["first_name"] for n in (1, 2)] == [
        "zq7plant2xname",
        "zq7plant2xnamelater",
    ]
    assert names["users"][0]["first_name"] == "zq7plant2xnamelater"
    assert ours.run("export", "--user-id", "1", "--out", str(tmp_path / "out"), **FREE).returncode == 2
