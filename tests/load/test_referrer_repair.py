"""Referrals that were moved to another referrer leave no date: counting finds them, within a limit of calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from referral_warehouse.load.reconcile.repair import Repair
from referral_warehouse.sandbox import Quirks, Sandbox
from tests.load.accounts import WORLD, Account, reopened

USERS = 2_000


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, clean_environment: None) -> Path:
    """An account of 2,000 people in which two of one campaign have many referrals each, loaded an hour ago."""
    folder = tmp_path_factory.mktemp("referrers")
    with Sandbox(folder / WORLD, users=USERS, seed=5, calls_per_minute=0) as world:
        account = Account(world, folder)
        people = [row["id"] for row in world.rows("users") if row["campaign_id"] == 1]
        one, other = people[100], people[400]
        account.tamper(
            "update users set referrer_id = null where id in (?, ?) or referrer_id in (?, ?)", one, other, one, other
        )
        for referrer, referrals in ((one, people[101:161]), (other, people[401:474])):
            for person in referrals:
                account.tamper("update users set referrer_id = ? where id = ?", referrer, person)
        account.count_referrals()
        account.load()
        world.wait(3_600)
        account.load()  # what a first load leaves to the second one
    return folder


@pytest.fixture
def account(template: Path, tmp_path: Path) -> Iterator[Account]:
    with reopened(template, tmp_path / "copy") as account:
        yield account


def two_referrers(account: Account) -> tuple[int, int]:
    """The two people who were given many referrals."""
    counts = Counter(row["referrer_id"] for row in account.world.rows("users") if row["referrer_id"])
    (one, _), (other, _) = counts.most_common(2)
    return min(one, other), max(one, other)


def referrals(account: Account, referrer: int) -> int:
    return int(account.one(f"select count(*) from raw.users where referrer_id = {referrer}"))


def merge(account: Account) -> tuple[int, int]:
    gone, heir = two_referrers(account)
    account.world.merge_users(gone, heir)
    return gone, heir


def merge_and_delete(account: Account) -> tuple[int, int]:
    gone, heir = merge(account)
    account.world.delete_user(gone)
    return gone, heir


@pytest.mark.parametrize("change", [merge, merge_and_delete])
def test_merged_people_are_right_after_the_next_sync(
    account: Account, change: Callable[[Account], tuple[int, int]]
) -> None:
    idle = account.load().calls
    gone, heir = change(account)
    before = referrals(account, heir)
    report = account.load()
    assert not report.swept
    assert referrals(account, heir) == before + 60
    assert referrals(account, gone) == 0
    differences = account.differences().get("users", {})
    assert set(differences) <= {gone}, "a tombstone keeps the last row of who is gone"
    deletion = 8 if change is merge_and_delete else 0  # found by its own count
    assert report.calls <= idle + 10 + deletion
    assert "referrers" in str(report.streams["users"].reconciliation.repaired_by)
    quiet = account.load()
    assert (quiet.rows_written, quiet.calls) == (0, idle)


def test_a_referrer_who_left_and_whose_referrals_stayed_costs_one_call(account: Account) -> None:
    gone, _ = two_referrers(account)
    account.world.delete_user(gone)
    report = account.load()
    assert report.streams["users"].reconciliation.repair == Repair(changed=0, vanished=1)
    assert referrals(account, gone) == 60
    assert account.load().rows_written == 0


def test_a_counter_that_the_rows_do_not_explain_is_checked(account: Account) -> None:
    """Some referrals move between two people who both keep others: no count of people changes."""
    one, other = two_referrers(account)
    account.tamper(
        "update users set referrer_id = ? where id in "
        "(select id from users where referrer_id = ? order by id limit 20)",
        other, one,
    )  # fmt: skip
    for person in (one, other):
        account.tamper(
            "update users set referrals_count = (select count(*) from users as r where r.referrer_id = users.id), "
            "unsubscribed = 1, unsubscribed_at = ? where id = ?", f"{account.world.now:%Y-%m-%d %H:%M:%S}", person,
        )  # fmt: skip
    account.load()
    assert (referrals(account, one), referrals(account, other)) == (40, 93)


def test_referrers_for_whom_no_call_was_left_wait_for_the_next_run(account: Account) -> None:
    gone, heir = merge(account)
    calls = [account.load(refresh_calls=1) for _ in range(4)]
    assert referrals(account, gone) == 0
    assert referrals(account, heir) == 133
    assert all(report.calls <= calls[-1].calls + 8 for report in calls), "each run spends little"


def test_nothing_is_spent_where_the_setting_says_so(account: Account) -> None:
    gone, _ = merge(account)
    assert account.load(refresh_calls=0).rows_written == 0
    assert referrals(account, gone) == 60


@pytest.mark.parametrize(
    "quirks",
    [
        Quirks(ignore_filter_field="referrals_count"),
        Quirks(refuse_id_filters=True),
        pytest.param(Quirks(ignore_filters=True), marks=pytest.mark.full),
    ],
)
def test_a_server_that_does_not_filter_costs_nothing_more_and_fails_nothing(account: Account, quirks: Quirks) -> None:
    account.world.set_quirks(quirks)
    account.load()
    quiet = account.load()
    assert quiet.rows_written == 0
    assert account.differences() == {}
