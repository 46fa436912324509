"""Users and their coupons: slices, incremental queries, sweeps, tombstones, batches, and rows in quarantine."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from referral_warehouse.api.client import Client
from referral_warehouse.api.pagination.paginator import Paginator
from referral_warehouse.api.responses import Page
from referral_warehouse.errors import AuthenticationError
from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.context import LoadContext, LoadRequest
from referral_warehouse.load.registry import TABLES
from referral_warehouse.load.storage.batch_writer import BatchWriter
from referral_warehouse.load.storage.load_file import LoadFile
from referral_warehouse.load.storage.load_pipeline import LoadPipeline
from referral_warehouse.load.streams.coupon_reader import CouponReader
from referral_warehouse.sandbox import Quirks
from tests.load.accounts import Account
from tests.load.parsing import new_parser

SMALL_PAGES: dict[str, Any] = {"ignore_per_page": True}  # 25 rows a page: a small account has several


def test_the_first_run_goes_on_after_the_last_committed_slice(fresh: Callable[..., Account]) -> None:
    """90 users are four pages; each slice is a page. The token ends before the last of them."""
    account = fresh(users=90, quirks=Quirks(**SMALL_PAGES, token_expires_after=4))
    with pytest.raises(AuthenticationError):
        account.load("users", slice_rows=25)
    kept = account.one("select count(*) from raw.users")
    total = len(account.world.rows("users"))
    assert 25 <= kept < total
    assert account.query("select status from raw.runs") == [("failed",)]
    account.world.set_quirks(Quirks(**SMALL_PAGES))
    report = account.load("users", slice_rows=25)
    assert report.streams["users"].rows_seen <= total - kept + 25
    assert account.one("select count(*) from raw.users") == account.one("select count(distinct id) from raw.users")
    assert account.one("select count(*) from raw.users") == total
    account.world.set_quirks(Quirks())
    again = account.load("users")
    assert (again.rows_written, again.swept) == (0, False)


def test_each_incremental_query_finds_the_rows_of_its_date(account: Account) -> None:
    world = account.world
    world.wait(5 * 86_400)
    calm = [row for row in world.rows("users") if not row["qualified"] and not row["unsubscribed"]]
    qualified, unsubscribed = calm[0]["id"], calm[1]["id"]
    assert world.qualify(qualified)
    assert world.unsubscribe(unsubscribed)
    joined = world.add_user(1)
    late = world.add_user(1, joined_at=world.now - timedelta(days=90))
    report = account.load("users", "coupons")
    assert not report.swept
    assert account.query(f"select qualified from raw.users where id = {qualified}") == [(True,)]
    assert account.query(f"select unsubscribed from raw.users where id = {unsubscribed}") == [(True,)]
    assert account.one(f"select count(*) from raw.users where id in ({joined}, {late})") == 2
    assert account.load("users", "coupons").rows_written == 0


def test_a_date_in_the_future_hides_no_user(account: Account) -> None:
    world = account.world
    world.add_user(1, joined_at=world.now + timedelta(days=400))
    account.load("users", "coupons")
    world.wait(3 * 86_400)
    people = [row["id"] for row in world.rows("users") if not row["qualified"]][:2]
    for user in people:
        world.qualify(user)
    joined = world.add_user(1)
    account.load("users", "coupons")
    assert account.one(f"select count(*) from raw.users where qualified and id in ({people[0]}, {people[1]})") == 2
    assert account.one(f"select count(*) from raw.users where id = {joined}") == 1


def test_a_row_that_reappears_loses_its_tombstone(account: Account) -> None:
    gone = account.world.rows("users")[7]["id"]
    account.tamper("create table kept as select * from users where id = ?", gone)
    account.tamper("delete from users where id = ?", gone)
    account.load("users", "coupons")
    assert account.query("select id, what from raw.observations where stream = 'users'") == [(gone, "vanished")]
    account.world.wait(60)
    account.tamper("insert into users select * from kept")
    assert account.load("users", "coupons").swept
    assert account.query("select id, what from raw.observations where stream = 'users' order by observed_at") == [
        (gone, "vanished"), (gone, "reappeared"),
    ]  # fmt: skip
    assert "users" not in account.differences()
    assert account.load("users", "coupons").swept is False


@pytest.mark.full  # a name that changed comes with the sweep in the test of half a surrogate pair, too
def test_a_sweep_refreshes_what_leaves_no_date(account: Account) -> None:
    person = account.world.rows("users")[3]["id"]
    account.world.edit_user(person, first_name="Zoë", email="zoe@example.com")
    assert account.load("users", "coupons").rows_written == 0
    report = account.load("users", "coupons", sweep=True)
    assert report.rows_written == 1
    assert account.query(f"select first_name, email from raw.users where id = {person}") == [("Zoë", "zoe@example.com")]


def test_a_sweep_is_due_after_some_days(account: Account) -> None:
    account.world.wait(6 * 86_400)
    assert not account.load("users", "coupons").swept
    account.world.wait(86_400)
    assert account.load("users", "coupons").swept
    assert not account.load("users", "coupons").swept


def test_a_user_in_quarantine_is_known_and_delays_no_other(account: Account) -> None:
    """It counts as known whatever its flags are, keeps its last good row, and gets a tombstone once it is deleted."""
    world = account.world
    person = next(row["id"] for row in world.rows("users") if not row["qualified"] and row["referrer_id"] is None)
    stranger = world.add_user(1)
    for user in (person, stranger):
        account.tamper("update users set reach = 'many', qualified = 1, qualified_at = date where id = ?", user)
    report = account.load("users", "coupons", sweep=True)
    assert report.streams["users"].rows_quarantined >= 2
    assert account.query("select distinct record_id from raw.quarantine order by record_id::bigint") == [
        (str(person),), (str(stranger),),
    ]  # fmt: skip
    assert account.query(f"select id, qualified from raw.users where id in ({person}, {stranger})") == [(person, False)]
    assert not account.load("users", "coupons").swept
    world.wait(60)
    account.tamper("delete from users where id = ?", stranger)
    assert account.load("users", "coupons").swept
    assert not account.load("users", "coupons").swept
    assert account.one("select count(*) from raw.observations") == 0


def test_a_lone_surrogate_affects_one_row_and_not_the_load(account: Account) -> None:
    """No database stores such text, neither in a row nor in its quarantine; the standard parser reads such a page."""
    person, other = account.world.rows("users")[4:6]
    account.tamper("update users set meta = ? where id = ?", '{"answer": "\\ud83d"}', person["id"])
    account.tamper("update users set first_name = 'Neighbour' where id = ?", other["id"])
    report = account.load("users", "coupons", sweep=True)
    assert report.rows_written == 1
    assert account.query("select record_id, reason, raw ->> '$.meta.answer' from raw.quarantine") == [
        (str(person["id"]), "meta: JSON that is not valid Unicode (a lone surrogate)", "\\ud83d")
    ]
    assert account.query(f"select first_name from raw.users where id = {other['id']}") == [("Neighbour",)]
    assert not account.load("users", "coupons").swept


def test_the_details_of_a_batch_are_requested_once(fresh: Callable[..., Account]) -> None:
    account = fresh(users=120)
    account.load("coupons")
    named = [call.path for call in account.world.calls if call.path.startswith("/api/v1/coupons/")]
    batches = {row["batch_id"] for row in account.world.rows("coupons") if row["referral_id"] is not None}
    assert len(named) == len(batches) > 1
    assert set(account.query("select id from raw.coupon_batches")) == {(batch,) for batch in batches}
    held = {row["referral_id"] for row in account.world.rows("coupons")}
    user = next(row["id"] for row in account.world.rows("users") if row["id"] not in held and row["campaign_id"] == 1)
    coupon = account.world.issue_coupon(user)
    account.load("coupons", sweep=True)
    assert not [call for call in account.world.calls if call.path.startswith("/api/v1/coupons/")]
    assert account.query(f"select referral_id from raw.coupons where id = {coupon}") == [(user,)]
    assert "coupons" not in account.differences()


@pytest.mark.full  # as one of the coupons does that moved, lost their holders or were deleted: test_load_coupons
def test_a_coupon_that_no_user_has_any_more_gets_a_tombstone(account: Account) -> None:
    coupon = next(row["id"] for row in account.world.rows("coupons") if row["referral_id"] is not None)
    account.world.delete_coupon(coupon)
    account.load("users", "coupons", sweep=True)
    assert account.query("select stream, id, what from raw.observations") == [("coupons", coupon, "vanished")]
    assert account.one(f"select count(*) from raw.coupons where id = {coupon}") == 1


@pytest.mark.full  # as one does that is used and returned through the API: test_load_coupons
def test_a_used_coupon_arrives_with_the_user_it_qualifies(account: Account) -> None:
    free = {row["id"] for row in account.world.rows("users") if not row["qualified"]}
    coupon = next(row["id"] for row in account.world.rows("coupons") if row["referral_id"] in free)
    assert account.world.use_coupon(coupon)
    account.load("users", "coupons")
    assert account.one(f"select used_at is not null from raw.coupons where id = {coupon}")


@pytest.mark.parametrize("how", ["refused", "ignored"])
def test_an_account_without_coupons_in_users_is_reported(fresh: Callable[..., Account], how: str) -> None:
    account = fresh(quirks=Quirks(coupon_relation=how))
    report = account.load("coupons")
    assert any("does not send coupons with users" in note for note in report.streams["coupons"].notes)
    assert account.one("select count(*) from raw.coupons") == 0
    assert "users" not in account.differences()


def test_several_coupons_of_one_user_are_all_kept(account: Account) -> None:
    """The documented relation is one coupon; a list of them is read too."""
    now = datetime(2026, 1, 5, 8, tzinfo=UTC)
    coupons = [{"id": n, "name": f"C{n}", "referral_id": 4, "batch_id": 1, "issued_at": "2026-01-01", "used_at": None}
               for n in (9001, 9002)]  # fmt: skip
    with (
        LoadFile(account.settings.load_path) as load_file,
        Client(account.settings) as client,
        Paginator(client) as paginator,
    ):
        pipeline, parser = LoadPipeline(load_file, account.settings.state_dir, TABLES), new_parser()
        writer = BatchWriter(pipeline, load_file.rows, parser.report, 1_000)
        ctx = LoadContext(account.settings, LoadRequest(frozenset({"coupons"})), paginator, writer, parser)
        reader = CouponReader(ctx)
        page = Page([{"id": 4, "coupon": coupons}, {"id": 5, "coupon": None}], 2, 1, now)
        reader.take(page, now.replace(tzinfo=None))
        part = LoadBatch()
        reader.finish(part)
    assert [row["name"] for rows in part.tables["coupons"] for row in rows.to_pylist()] == ["C9001", "C9002"]
