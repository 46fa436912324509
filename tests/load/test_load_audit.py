"""Counts are compared: one change without a date is found by halving ranges of ids; many changes lead to a sweep."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.load.reconcile.bisect import LEAF_ROWS, Budget, Span, TooManyDifferences, locate
from referral_warehouse.load.reconcile.repair import Repair
from referral_warehouse.load.runner import LoadReport
from referral_warehouse.sandbox import Quirks
from tests.load.accounts import Account
from tests.sampling import sampled

PEOPLE = ("users", "coupons")
EVERYBODY = Span(0, 10**9)


# -- halving ----------------------------------------------------------------------------------------------------------


class Ids:
    """The local ids."""

    def __init__(self, ids: set[int]) -> None:
        self.ids = sorted(ids)

    def within(self, span: Span) -> list[int]:
        return self.ids[bisect_right(self.ids, span.above) : bisect_right(self.ids, span.upto)]

    def rows(self, span: Span) -> int:
        return bisect_right(self.ids, span.upto) - bisect_right(self.ids, span.above)

    def agrees(self, span: Span, _flag: str | None, api_count: int) -> bool:
        return api_count == self.rows(span)

    def middle(self, span: Span, rows: int) -> int:
        return self.within(span)[(rows - 1) // 2]


def found(local: set[int], at_api: set[int], budget: int = 10**6) -> tuple[list[Span], int]:
    known, account, counted = Ids(local), Ids(at_api), []

    def count(span: Span, _flag: str | None) -> int:
        counted.append(span)
        return account.rows(span)

    limit = Budget(0)
    limit.left = budget
    return list(locate(known, count, EVERYBODY, None, len(at_api), limit)), len(counted)


@given(st.sets(st.integers(1, 5_000), max_size=8), st.sampled_from(["gone", "new"]))
def test_rows_that_were_only_deleted_or_only_added_are_found_at_any_id(changed: set[int], what: str) -> None:
    everybody = set(range(1, 5_001))
    local, at_api = (everybody, everybody - changed) if what == "gone" else (everybody - changed, everybody)
    spans, counts = found(local, at_api)
    assert all(any(span.above < i <= span.upto for span in spans) for i in changed)
    assert all(Ids(local).rows(span) <= LEAF_ROWS for span in spans)
    assert counts <= 5 * max(len(changed), 1)  # 5,000 rows are halved five times


def test_what_cancels_out_in_every_range_shows_in_no_count() -> None:
    """One deleted row and one late row in the same range change no count. The sweep finds them."""
    assert found({1, 3, 5}, {1, 4, 5}) == ([], 0)


def test_giving_up_costs_at_most_half_a_sweep() -> None:
    assert Budget(1_000).left == 0  # four pages are read again at once
    assert Budget(100_000).left == 200
    with pytest.raises(TooManyDifferences):
        found(set(range(50_000)), set(range(0, 50_000, 2)), budget=Budget(50_000).left)


# -- an account -------------------------------------------------------------------------------------------------------


def repaired(report: LoadReport, stream: str = "users") -> tuple[str | None, Repair]:
    return report.streams[stream].reconciliation.repaired_by, report.streams[stream].reconciliation.repair


def unsubscribed(account: Account) -> int:
    return next(row["id"] for row in account.world.rows("users")[700:] if row["unsubscribed"])


def alone(account: Account, condition: Callable[[dict[str, object]], object] = lambda _row: True) -> int:
    """A user whose change changes no other row."""
    return next(row["id"] for row in account.world.rows("users")[700:] if not row["referrer_id"] and condition(row))


def delete(account: Account) -> Repair:
    account.world.delete_user(alone(account))
    return Repair(vanished=1)


def unqualify(account: Account) -> Repair:
    account.tamper(
        "update users set qualified = 0, qualified_at = null where id = (select id from users where qualified limit 1)"
    )
    return Repair(changed=1)


def subscribe_again(account: Account) -> Repair:
    account.tamper("update users set unsubscribed = 0, unsubscribed_at = null where id = ?", unsubscribed(account))
    return Repair(changed=1)


def qualify_in_the_past(account: Account) -> Repair:
    user = alone(account, lambda row: not row["qualified"])
    account.tamper("update users set qualified = 1, qualified_at = date where id = ?", user)
    return Repair(changed=1)


@pytest.mark.parametrize("change", sampled([delete, unqualify, subscribe_again, qualify_in_the_past], 2))
def test_one_silent_change_is_repaired_alone(larger: Account, change: Callable[[Account], Repair]) -> None:
    expected = change(larger)
    report = larger.load()
    assert repaired(report) == ("ids", expected)
    assert not report.swept
    assert report.calls <= 30
    assert larger.differences() == {}
    quiet = larger.load()
    assert (quiet.rows_written, quiet.differences) == (0, [])


def test_a_row_that_was_gone_and_one_that_came_late_are_fetched(larger: Account) -> None:
    person = alone(larger)
    low = max(row["id"] for row in larger.world.rows("users") if row["id"] < person)  # is found with the same counts
    larger.tamper("create table kept as select * from users where id = ?", person)
    larger.tamper("delete from users where id in (?, ?)", person, low)
    assert repaired(larger.load(*PEOPLE)) == ("ids", Repair(vanished=2))
    larger.world.wait(60)
    larger.tamper("insert into users select * from kept")
    assert repaired(larger.load(*PEOPLE)) == ("ids", Repair(reappeared=1))
    larger.tamper("update kept set id = ?, code = 'late', email = 'late@example.com'", low)
    larger.world.wait(60)
    larger.tamper("insert into users select * from kept")
    assert repaired(larger.load(*PEOPLE))[0] == "ids"
    assert larger.differences() == {}


def test_several_changes_in_several_places_are_all_repaired(larger: Account) -> None:
    for change in (delete, unqualify, subscribe_again, qualify_in_the_past):
        change(larger)
    gone = larger.world.rows("users")
    for row in (gone[10], gone[1_400]):
        larger.tamper("delete from users where id = ?", row["id"])
    report = larger.load(*PEOPLE)
    assert report.differences != []
    assert "users" not in larger.differences()
    assert larger.load(*PEOPLE).rows_written == 0


def test_too_many_changes_are_swept(larger: Account) -> None:
    larger.tamper("delete from users where id % 4 = 1")
    report = larger.load(*PEOPLE, accept_deletions=True)
    assert report.swept
    assert report.streams["users"].reconciliation.repaired_by in ("sweep", "ids and sweep")
    assert "users" not in larger.differences()


@pytest.mark.parametrize(
    "quirks", sampled([{"ignore_filter_field": "id"}, {"refuse_id_filters": True}, {"ignore_filters": True}], 1)
)
def test_a_server_without_id_filters_is_swept(larger: Account, quirks: dict[str, object]) -> None:
    larger.world.set_quirks(Quirks().changed(quirks))
    delete(larger)
    report = larger.load(*PEOPLE)
    assert report.swept
    assert larger.differences() == {}


def test_rows_in_quarantine_are_known_where_ids_are_halved(larger: Account) -> None:
    odd = [row["id"] for row in larger.world.rows("users")[100:900:200]]
    for user in odd:
        larger.tamper("update users set reach = 'many' where id = ?", user)
    stranger = larger.world.add_user(1)
    larger.tamper("update users set reach = 'many' where id = ?", stranger)
    larger.load(*PEOPLE, sweep=True)
    assert not larger.load(*PEOPLE).differences
    larger.world.wait(60)
    delete(larger)
    assert repaired(larger.load(*PEOPLE)) == ("ids", Repair(vanished=1))
    larger.tamper("delete from users where id = ?", stranger)
    assert repaired(larger.load(*PEOPLE)) == ("ids", Repair(vanished=1))
    quiet = larger.load(*PEOPLE)
    assert (quiet.differences, quiet.swept) == ([], False)


def test_rewards_issued_are_repaired_by_their_ids(larger: Account) -> None:
    larger.tamper(
        "insert into issued select null, reward_id, reward_name, reward_for, reward_type, reward_when_referral, "
        "reward_value_mills, recipient_id, recipient_first_name, recipient_email, total_due, status, "
        "datetime(issued_at, '-60 days') "  # younger ones are read again by their dates
        "from issued, (with recursive n(i) as (select 1 union all select i + 1 from n where i < 40) select i from n) "
        "where issued_at is not null"
    )
    assert larger.load().streams["rewards_issued"].rows_written > 1_000
    middle = larger.world.rows("rewards_issued")[600]["id"]
    larger.tamper("delete from issued where id = ?", middle)
    report = larger.load()
    assert repaired(report, "rewards_issued") == ("ids", Repair(vanished=1))
    assert larger.calls_to("rewards/issued") <= 20
    assert larger.query("select stream, id, what from raw.observations") == [("rewards_issued", middle, "vanished")]


def test_the_result_of_a_reconciliation_is_recorded(larger: Account) -> None:
    delete(larger)
    report = larger.load()
    found = larger.query(
        "select compared_by, api_count, our_count, found, repaired_by, rows_vanished, in_flight, calls > 5 "
        f"from raw.reconciliation where run_id = '{report.run_id}' and stream = 'users'"
    )
    total = len(larger.world.rows("users"))
    assert found == [
        ("counts", total, total, f"total: API reports {total}, local {total + 1}", "ids", 1, None, True)
    ]  # fmt: skip
    lists = larger.query(
        f"select stream from raw.reconciliation where run_id = '{report.run_id}' and compared_by = 'list' order by all"
    )
    assert lists == [("campaigns",), ("rewards",), ("rewards_due",)]


COPIES = "with recursive copies(n) as (select 1 union all select n + 1 from copies where n < 67)"


@pytest.mark.full
def test_one_silent_change_among_a_hundred_thousand_users_takes_forty_calls_at_most(larger: Account) -> None:
    """Both sides hold each of the 1,500 users 67 times more, so that no time goes into loading them."""
    names = ", ".join(list(larger.world._store.one("select group_concat(name) from pragma_table_info('users')") or ()))
    copied = ", ".join(
        {"id": "id + n * 10000", "code": "code || '-' || n"}.get(name, name) for name in names.split(",")
    )
    larger.tamper(f"insert into users ({names}) {COPIES} select {copied} from users, copies")
    with larger.connection() as connection:
        connection.execute(
            f"insert into raw.users {COPIES} select users.* replace (id + n * 10000 as id, code || '-' || n as code) "
            "from raw.users, copies"
        )
    idle = larger.load()
    assert (idle.rows_written, idle.differences) == (0, [])
    assert larger.one("select count(*) from raw.users") > 100_000
    for change in (delete, unqualify):
        expected = change(larger)
        report = larger.load()
        assert repaired(report) == ("ids", expected)
        assert report.calls - idle.calls <= 40
        assert not report.swept
