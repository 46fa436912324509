"""Coupons: with their holders, by their names, from a list where there is one; used, returned, moved, deleted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import httpx
import pytest

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.load.streams import coupon_reader
from referral_warehouse.load.streams.coupon_names import read_names
from referral_warehouse.sandbox import Quirks
from tests.load.accounts import Account

PEOPLE = ("users", "coupons")
ODD_NAMES = ["two words", "a/b", "50% off?", "#1", "Straße", "🎁 gift", "x+y=z&more", "..", "%2F"]


@pytest.fixture
def api(account: Account) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {account.world.token}", "Accept": "application/json"}
    with httpx.Client(base_url=account.world.base_url, headers=headers, trust_env=False) as http:
        yield http


def coupon_of(account: Account, *, qualified: bool) -> dict[str, Any]:
    """A coupon that somebody holds and has not used."""
    people = {row["id"] for row in account.world.rows("users") if row["qualified"] is qualified}
    return next(row for row in account.world.rows("coupons") if row["referral_id"] in people and row["used_at"] is None)


def give(account: Account, name: str) -> int:
    """Upload a coupon and assign it to somebody who has just joined; returns its id."""
    coupon = account.world.add_coupon(name, 1)
    account.world.issue_coupon(account.world.add_user(1), coupon)
    return coupon


def by_name(account: Account) -> list[str]:
    """The names requested by the last run, in alphabetical order."""
    prefix = "/api/v1/coupons/"
    return sorted(
        unquote(call.path.removeprefix(prefix)) for call in account.world.calls if call.path.startswith(prefix)
    )


def with_names(account: Account, *lines: str) -> None:
    """Give the account a file of coupon names."""
    path = account.settings.warehouse_dir.parent / "names.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    account.settings = replace(account.settings, coupon_names_file=path)


def test_a_coupon_used_and_returned_through_the_api_is_fresh_at_once(account: Account, api: httpx.Client) -> None:
    held = coupon_of(account, qualified=False)
    path = f"coupons/{quote(held['name'], safe='')}/qualification"
    for qualified in ("true", "false"):
        api.post(path, data={"qualified": qualified}).raise_for_status()
        account.load(*PEOPLE)
        used = account.one(f"select used_at is not null from raw.coupons where id = {held['id']}")
        assert used is (qualified == "true")
        assert "coupons" not in account.differences()


def test_a_coupon_sent_to_the_inbound_webhook_is_fresh_at_once(account: Account, api: httpx.Client) -> None:
    held = coupon_of(account, qualified=False)
    host = account.world.base_url.removesuffix("/api/v1")
    webhook = f"{host}/webhook/{account.world._service.webhook_token}/qualify"
    api.post(webhook, data={"coupon": held["name"]}).raise_for_status()
    account.load(*PEOPLE)
    assert account.one(f"select used_at is not null from raw.coupons where id = {held['id']}")
    assert "coupons" not in account.differences()


def test_names_of_every_kind_are_kept_and_can_be_requested(account: Account) -> None:
    given = {name: give(account, name) for name in ODD_NAMES}
    account.load(*PEOPLE)
    for name, coupon in given.items():
        assert account.query(f"select name from raw.coupons where id = {coupon}") == [(name,)]
    assert "coupons" not in account.differences()
    unassigned = [account.world.add_coupon(f"isn't assigned {name}", 1) for name in ODD_NAMES]
    with_names(account, *[f"isn't assigned {name}" for name in ODD_NAMES])
    account.load(*PEOPLE)
    assert by_name(account) == sorted(unquote(f"isn't assigned {name}") for name in ODD_NAMES)
    assert account.one(f"select count(*) from raw.coupons where list_contains({unassigned}, id)") == len(ODD_NAMES)
    assert "coupons" not in account.differences()


def test_a_coupon_that_moved_or_lost_its_holder_is_no_deletion(account: Account) -> None:
    held = {row["referral_id"] for row in account.world.rows("coupons")}
    other = next(row["id"] for row in account.world.rows("users") if row["id"] not in held)
    moved, freed, deleted = [row["id"] for row in account.world.rows("coupons") if row["referral_id"]][:3]
    account.tamper("update coupons set referral_id = ? where id = ?", other, moved)
    account.tamper("update coupons set referral_id = null where id = ?", freed)
    account.world.delete_coupon(deleted)
    account.load(*PEOPLE, sweep=True)
    assert account.query("select stream, id, what from raw.observations") == [("coupons", deleted, "vanished")]
    assert account.query(f"select referral_id from raw.coupons where id = {moved}") == [(other,)]
    assert account.query(f"select referral_id from raw.coupons where id = {freed}") == [(None,)]
    assert account.differences() == {}
    account.load(*PEOPLE)
    assert by_name(account) == [], "an unassigned coupon is not requested again and again"
    name = next(row["name"] for row in account.world.rows("coupons") if row["id"] == freed)
    account.load(*PEOPLE, sweep=True)
    assert by_name(account) == [name], "only a request by its name shows whether it still exists"
    account.world.delete_coupon(freed)
    account.load(*PEOPLE, sweep=True)
    assert account.query(f"select what from raw.observations where id = {freed}") == [("vanished",)]
    assert account.load(*PEOPLE, sweep=True).rows_written == 0
    assert by_name(account) == [], "what is gone is not requested"


def test_coupons_of_users_found_gone_by_their_ids_need_no_sweep(larger: Account) -> None:
    account = larger
    lost, dropped = [row for row in account.world.rows("coupons") if row["referral_id"]][:2]
    for coupon in (lost, dropped):
        account.world.delete_user(coupon["referral_id"])
    account.world.delete_coupon(dropped["id"])
    assert not account.load("users", "coupons").swept
    assert by_name(account) == sorted([lost["name"], dropped["name"]])
    assert account.query(f"select referral_id from raw.coupons where id = {lost['id']}") == [(None,)]
    assert account.query("select id, what from raw.observations where stream = 'coupons'") == [
        (dropped["id"], "vanished")
    ]
    assert "coupons" not in account.differences()


def test_not_each_of_very_many_deleted_rows_is_requested(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coupon_reader, "VERIFIED_AT_ONCE", 3)
    held = [row["id"] for row in account.world.rows("coupons") if row["referral_id"]]
    for coupon in held[1:]:
        account.world.delete_coupon(coupon)
    account.load(*PEOPLE, sweep=True)
    assert len(by_name(account)) == 3
    assert "coupons" not in account.differences()


def test_unassigned_names_are_requested_until_they_are_assigned(account: Account) -> None:
    world = account.world
    waiting, missing = world.add_coupon("WAITING", 1), "NEVER THERE"
    held = coupon_of(account, qualified=True)
    with_names(account, "WAITING", "", "  ", f"  {missing} ", held["name"], "WAITING")
    report = account.load(*PEOPLE)
    assert by_name(account) == ["NEVER THERE", "WAITING"], "a call each; whose holder is known costs none"
    assert account.query(f"select name, referral_id from raw.coupons where id = {waiting}") == [("WAITING", None)]
    [note] = report.streams["coupons"].notes
    assert note == "1 of 3 names in the coupon file do not exist: 'NEVER THERE'"
    world.issue_coupon(world.add_user(1), waiting)
    account.load(*PEOPLE)
    assert by_name(account) == ["NEVER THERE"], "it came with its holder"
    account.load(*PEOPLE)
    assert by_name(account) == ["NEVER THERE"]
    assert account.differences() == {}


def test_a_named_coupon_that_is_deleted_gets_a_tombstone_and_loses_it_again(account: Account) -> None:
    world = account.world
    coupon = world.add_coupon("WAITING", 1)
    with_names(account, "WAITING")
    account.load(*PEOPLE)
    world.wait(60)
    world.delete_coupon(coupon)
    account.load(*PEOPLE)
    observed = "select what from raw.observations where stream = 'coupons' order by observed_at"
    assert account.query(observed) == [("vanished",)]
    world.wait(60)
    account.tamper("insert into coupons (id, name, batch_id) values (?, 'WAITING', 1)", coupon)
    account.load(*PEOPLE)
    assert account.query(observed) == [("vanished",), ("reappeared",)]
    assert account.load(*PEOPLE).rows_written == 0


def test_where_the_account_lists_coupons_all_of_them_are_there(account: Account) -> None:
    world = account.world
    world.set_quirks(Quirks(coupon_list=True))
    account.load(*PEOPLE, sweep=True)
    everything = {row["id"] for row in world.rows("coupons")}
    assert {row["referral_id"] for row in world.rows("coupons")} > {None}
    assert set(account.query("select id from raw.coupons")) == {(identifier,) for identifier in everything}
    world.wait(60)
    held = {row["referral_id"] for row in world.rows("coupons")}
    late = next(row["id"] for row in world.rows("users") if row["id"] not in held and row["campaign_id"] == 1)
    given = world.issue_coupon(late)
    deleted = min(everything - {given})
    name_of_deleted = next(row["name"] for row in world.rows("coupons") if row["id"] == deleted)
    world.delete_coupon(deleted)
    account.load(*PEOPLE)
    assert account.calls_to("coupons") == 2, "a count and a list of one page"
    assert by_name(account) == [name_of_deleted], "what the list lacks is requested before it counts as gone"
    assert account.query(f"select referral_id from raw.coupons where id = {given}") == [(late,)]
    assert account.query("select id from raw.observations where stream = 'coupons'") == [(deleted,)]
    assert "coupons" not in account.differences()
    assert account.load(*PEOPLE).rows_written == 0
    world.set_quirks(Quirks())
    assert account.load(*PEOPLE).rows_written == 0, "a list that is there no more deletes nothing"


def test_a_missing_list_is_not_requested_at_every_sync(account: Account) -> None:
    account.load(*PEOPLE)
    assert account.calls_to("coupons") == 0
    account.load(*PEOPLE, sweep=True)
    assert account.calls_to("coupons") == 1


def test_the_file_of_names_is_read_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "names"
    path.write_bytes("\ufeffONE\r\n\r\n# no comment\n two words \nONE\nÜber 🎁".encode())
    assert read_names(path) == ("ONE", "# no comment", "two words", "Über 🎁")
    assert read_names(None) == ()
    path.write_bytes(b"\xff\xfe")
    for wrong in (path, tmp_path / "none", tmp_path):
        with pytest.raises(ConfigurationError, match="COUPON_NAMES_FILE"):
            read_names(wrong)
