"""The rolling re-read of users: what leaves no date is found within a known number of syncs and calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from referral_warehouse.load.reconcile.repair import Repair
from referral_warehouse.load.refresh_log import RefreshLog
from referral_warehouse.load.runner import LoadReport
from referral_warehouse.sandbox import Quirks
from tests.load.accounts import Account, reopened

CALLS = 2  # of six pages: a first, a middle and a last sync of a round
A_DAY = 86_400
PEOPLE = ("users", "coupons")
EVERYTHING: tuple[str, ...] = ()


@pytest.fixture(scope="module")
def template(larger_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("refreshed")
    with reopened(larger_once, folder) as account:
        account.world.wait(3_600)
        account.load()  # what a first load leaves to the second one
    return folder


@pytest.fixture
def account(template: Path, tmp_path: Path) -> Iterator[Account]:
    """1,500 users, loaded an hour ago."""
    with reopened(template, tmp_path / "copy") as account:
        yield account


def sync(account: Account, *, after: int = A_DAY, calls: int = CALLS, streams: Sequence[str] = PEOPLE) -> LoadReport:
    """A sync that is due to no sweep."""
    account.world.wait(after)
    return account.load(*streams, refresh_calls=calls, sweep_every_days=3_660)


def pages(account: Account) -> int:
    """How many calls a round takes: the rows by 250, rounded up."""
    return -(-int(account.one("select count(*) from raw.users")) // 250)


def in_a_round(account: Account) -> int:
    """How many syncs a round takes: its calls by those of a sync, rounded up."""
    return -(-pages(account) // CALLS)


def repaired(report: LoadReport) -> tuple[str | None, Repair]:
    return report.streams["users"].reconciliation.repaired_by, report.streams["users"].reconciliation.repair


def user_at(account: Account, share: float) -> int:
    """A user after a share of all users, by id, who did nothing lately that has a date."""
    lately = f"{account.world.now - timedelta(days=20):%Y-%m-%d}"
    rows = [
        row["id"] for row in account.world.rows("users")
        if max(filter(None, (row["date"], row["qualified_at"], row["unsubscribed_at"]))) < lately
    ]  # fmt: skip
    return int(rows[min(int(len(rows) * share), len(rows) - 1)])


def change(account: Account, user: int, number: int = 1) -> None:
    """A new name, address and counter, none of which leaves a date."""
    account.tamper(
        "update users set first_name = ?, email = ?, reach = reach + 7 where id = ?",
        f"Renamed {number}", f"renamed{number}@example.com", user,
    )  # fmt: skip


def changed_copy(account: Account, user: int) -> None:
    """The coupon of a user is another one."""
    account.tamper("update coupons set used_at = '2026-01-01 08:00:00' where referral_id = ?", user)


def ranges(account: Account, stream: str = "users") -> list[tuple[Any, ...]]:
    return account.query(f"select above_id, upto_id from raw.refresh_ranges where stream = '{stream}' order by seen_at")


def test_changes_without_a_date_are_found_within_a_round_at_a_bounded_number_of_calls(account: Account) -> None:
    for number, share in enumerate((0, 0.6, 1)):
        change(account, user_at(account, share), number)
    quiet = sync(account, after=60, streams=EVERYTHING)
    assert (quiet.streams["users"].rows_written, len(account.differences()["users"])) == (0, 3)
    written, packages = 0, account.packages()
    for _ in range(in_a_round(account)):
        report = sync(account, streams=EVERYTHING)
        assert quiet.calls < report.calls <= quiet.calls + CALLS
        assert report.rows_written == 0 or repaired(report)[0] == "refresh"
        written += report.rows_written
    assert written == 3
    assert account.differences() == {}
    assert account.packages() <= packages + 3, "ranges without a change make no package"
    assert sync(account, streams=EVERYTHING).rows_written == 0


@pytest.mark.full
def test_a_round_follows_a_round(account: Account) -> None:
    for number in range(3):
        change(account, user_at(account, 0), number)
        change(account, user_at(account, 1), number + 10)
        for _ in range(in_a_round(account)):
            sync(account, streams=EVERYTHING)
        assert account.differences() == {}
    assert len(ranges(account)) <= in_a_round(account) + 1, "the ranges stay few"


def test_each_row_is_read_once_in_a_round(account: Account) -> None:
    quiet = sync(account, after=60).streams["users"].rows_seen
    seen = sum(sync(account).streams["users"].rows_seen - quiet for _ in range(in_a_round(account)))
    rows = int(account.one("select count(*) from raw.users"))
    assert rows <= seen <= rows + in_a_round(account) * CALLS, "and at most the neighbour of each page"


@pytest.mark.full
def test_frequent_syncs_do_not_read_a_small_account_over_and_over(account: Account) -> None:
    quiet = sync(account, after=60, calls=20).calls
    assert sync(account, calls=20).calls == quiet + pages(account)
    assert {sync(account, after=900, calls=20).calls for _ in range(3)} == {quiet}
    assert sync(account, after=A_DAY - 4 * 900, calls=20).calls == quiet + pages(account)


def test_who_has_just_joined_is_not_read_again(account: Account) -> None:
    quiet, known = sync(account, after=60, calls=20), pages(account)
    newest = account.world.rows("users")[-1]["id"]
    campaign = account.world.rows("campaigns")[0]["id"]
    for number in range(260):
        account.world.add_user(campaign_id=campaign, first_name=f"New {number}", email=f"new{number}@example.com")
    sync(account, after=18 * 3_600, calls=0)
    report = sync(account, after=3 * 3_600, calls=20)
    assert report.calls == quiet.calls + known
    assert account.one("select max(upto_id) from raw.refresh_ranges where stream = 'users'") == newest


def test_a_coupon_is_read_with_its_holder(account: Account) -> None:
    (holder,) = account.query(
        "select referral_id from raw.coupons where referral_id is not null and used_at is null order by id limit 1"
    )[0]
    changed_copy(account, holder)
    assert sync(account, calls=0).rows_written == 0
    reports = [sync(account) for _ in range(in_a_round(account))]
    assert sum(report.streams["coupons"].rows_written for report in reports) == 1
    assert account.differences() == {}
    assert ranges(account, "coupons") == ranges(account)


def test_one_who_left_and_one_who_came_back_unnoticed_are_found(account: Account) -> None:
    """The counts stay as they were: nothing else shows it but a sweep."""
    plain = [
        row["id"] for row in account.world.rows("users")
        if not (row["qualified"] or row["unsubscribed"] or row["referrer_id"] or row["referrals_count"])
    ]  # fmt: skip
    first, second = plain[3], plain[5]
    account.tamper("create table kept as select * from users where id = ?", first)
    account.tamper("delete from users where id = ?", first)
    sync(account, calls=0)
    account.tamper("insert into users select * from kept")
    account.tamper("delete from users where id = ?", second)
    assert sync(account, calls=0).rows_written == 0
    assert account.differences()["users"].keys() == {first, second}
    assert repaired(sync(account)) == ("refresh", Repair(vanished=1, reappeared=1))
    assert account.differences() == {}


def test_a_killed_run_repeats_its_own_range_and_loses_nothing(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(account)
    before = ranges(account)
    change(account, user_at(account, 0.6))
    with monkeypatch.context() as patch:
        patch.setattr(RefreshLog, "save_ranges", _killed)
        with pytest.raises(KeyboardInterrupt):
            sync(account)
    assert account.differences() == {}, "what was read is committed"
    assert ranges(account) == before, "and read again"
    report = sync(account, after=60)
    assert report.rows_written == 0
    assert len(ranges(account)) == len(before) + 1


def test_the_range_of_a_run_that_was_killed_before_its_rows_were_committed_is_read_again(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(account, user_at(account, 0))
    with monkeypatch.context() as patch:
        patch.setattr("referral_warehouse.load.storage.batch_writer.BatchWriter.flush", _killed_with_users)
        with pytest.raises(KeyboardInterrupt):
            sync(account)
    assert ranges(account) == []
    assert repaired(sync(account, after=60)) == ("refresh", Repair(changed=1))


def test_a_sweep_makes_all_rows_fresh(account: Account) -> None:
    quiet = sync(account, after=60).calls
    sync(account)
    account.world.wait(A_DAY)
    assert account.load(sweep=True).swept
    assert ranges(account) == ranges(account, "coupons") == []
    assert sync(account, after=3_600).calls == quiet
    swept_at = account.query("select stream from raw.refresh_rounds where complete_at > timestamp '1970-01-01'")
    assert {stream for (stream,) in swept_at} == {"users", "coupons", "rewards_issued"}


@pytest.mark.parametrize(
    ("quirks", "most"),
    [
        pytest.param(Quirks(refuse_id_filters=True), 0, marks=pytest.mark.full),
        (Quirks(ignore_filter_field="id"), 0),
        (Quirks(ignore_order=True), 2),  # the count of people with referrals, and the page that shows it
    ],
)
def test_nothing_is_spent_where_the_server_does_not_filter_or_order_by_id(
    account: Account, quirks: Quirks, most: int
) -> None:
    account.world.set_quirks(quirks)
    change(account, user_at(account, 0))
    quiet = sync(account, calls=0)
    assert sync(account).calls <= quiet.calls + most
    assert ranges(account) == []
    assert account.one("select syncs_per_round from raw.refresh_rounds where stream = 'users'") is None


@pytest.mark.full
def test_a_server_with_small_pages_takes_more_syncs(account: Account) -> None:
    account.world.set_quirks(Quirks(ignore_per_page=True))
    change(account, user_at(account, 0.05))
    reports = [sync(account, calls=4) for _ in range(2)]
    assert repaired(reports[-1]) == ("refresh", Repair(changed=1))
    rows = int(account.one("select count(*) from raw.users"))
    assert account.query("select page_rows, syncs_per_round from raw.refresh_rounds where stream = 'users'") == [
        (25, -(-rows // 100))
    ]
    sync(account, after=60, calls=0)
    assert account.one("select page_rows from raw.refresh_rounds where stream = 'users'") == 25, "it is remembered"


def test_times_of_a_wrong_clock_do_not_count(account: Account) -> None:
    with account.connection() as connection:
        connection.execute("insert into raw.refresh_ranges values ('users', null, null, timestamp '2099-01-01')")
    change(account, user_at(account, 0))
    assert repaired(sync(account)) == ("refresh", Repair(changed=1))
    assert account.one("select max(seen_at) < timestamp '2099-01-01' from raw.refresh_ranges")


def test_a_load_file_of_an_earlier_version_begins_with_its_last_sweep(account: Account) -> None:
    with account.connection() as connection:
        connection.execute("drop table raw.refresh_ranges")
        connection.execute("drop table raw.refresh_rounds")
    change(account, user_at(account, 0))
    assert repaired(sync(account)) == ("refresh", Repair(changed=1))


def test_an_unexplained_counter_of_a_row_read_again_is_checked(account: Account) -> None:
    """A referral of one person becomes one of another; both keep others, so that only their counters show it."""
    people = [row["id"] for row in account.world.rows("users")]
    one, other, moved = people[10], people[20], user_at(account, 0.8)
    for referrer, referrals in ((one, (moved, people[-6])), (other, (people[-7], people[-8]))):
        for referral in referrals:
            account.tamper("update users set referrer_id = ? where id = ?", referrer, referral)
    account.count_referrals()
    account.world.wait(60)
    account.load(*PEOPLE, sweep=True)
    account.tamper("update users set referrer_id = ? where id = ?", other, moved)
    account.count_referrals()
    sync(account, calls=1)
    assert account.differences()["users"].keys() == {moved}, "the first page has the counters, a later one the referral"
    assert "referrers" in str(repaired(sync(account, after=60, calls=3))[0])
    assert account.differences() == {}


def _killed(*_: Any) -> None:
    raise KeyboardInterrupt


def _killed_with_users(writer: Any) -> None:
    if "users" in writer._pending.tables:
        raise KeyboardInterrupt
