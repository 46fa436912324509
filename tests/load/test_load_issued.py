"""Rewards issued: history without dates, and which versions a complete list keeps, ends and refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from referral_warehouse.errors import IncompleteList, MassDisappearance
from referral_warehouse.sandbox import Quirks
from tests.load.accounts import Account, reopened

LISTS = ("rewards_issued", "rewards_due", "rewards", "campaigns")
IN_PROCESS = ("completed", "renamed", "backdated", "vanished", "kept", "amount", "status", "recipient")
DATED = ("young", "old", "undated", "gone")


@pytest.fixture(scope="module")
def payouts_once(loaded_once: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """An account, and the ids of its rewards issued by what a test does with them; a load has seen them all."""
    folder = tmp_path_factory.mktemp("payouts")
    with reopened(loaded_once, folder) as account:
        dues = [row["id"] for row in account.world.rows("rewards_due")]
        ids = {
            name: account.world.issue(due, count=1, in_process=name in IN_PROCESS)
            for name, due in zip((*IN_PROCESS, *DATED), dues, strict=False)
        }
        account.tamper("update issued set issued_at = datetime(issued_at, '-40 days') where id = ?", ids["old"])
        account.load(*LISTS)
    return folder, ids


@pytest.fixture
def paid(payouts_once: tuple[Path, dict[str, int]], tmp_path: Path) -> Iterator[Account]:
    with reopened(payouts_once[0], tmp_path) as copy:
        yield copy


@pytest.fixture
def payouts(payouts_once: tuple[Path, dict[str, int]]) -> dict[str, int]:
    """The rewards issued of ``paid``: what a test does with one → its id."""
    return payouts_once[1]


def history(account: Account, stream: str, columns: str, identifier: int) -> list[tuple[object, ...]]:
    return account.query(
        f"select {columns}, _dlt_valid_to is null from raw.{stream} where id = {identifier} order by _dlt_valid_from"
    )


def test_in_process_then_issued_stays_readable_as_two_versions(paid: Account, payouts: dict[str, int]) -> None:
    account, issued = paid, payouts["completed"]
    account.world.wait(3600)
    account.world.complete(issued)
    account.load(*LISTS)
    assert history(account, "rewards_issued", "status, issued_at is null", issued) == [
        ("Invoice Due", True, False), ("Issued", False, True),
    ]  # fmt: skip
    assert account.differences() == {}
    assert account.query(
        f"select count(distinct _dlt_valid_from) from raw.rewards_issued where id = {issued}"
    ) == [(2,)]  # fmt: skip


def test_changes_of_status_that_leave_no_date_are_found(paid: Account, payouts: dict[str, int]) -> None:
    """A first status to an unknown one, a date far in the past, and one that vanished: all by counting."""
    account = paid
    renamed, backdated, vanished, kept = (payouts[name] for name in ("renamed", "backdated", "vanished", "kept"))
    account.tamper("update issued set status = 'On Hold' where id = ?", renamed)
    account.tamper("update issued set status = 'Issued', issued_at = '2025-01-01 00:00:00' where id = ?", backdated)
    account.tamper("delete from issued where id = ?", vanished)
    account.load(*LISTS)
    assert history(account, "rewards_issued", "status", renamed) == [("Invoice Due", False), ("On Hold", True)]
    assert history(account, "rewards_issued", "status", backdated) == [("Invoice Due", False), ("Issued", True)]
    assert history(account, "rewards_issued", "status", kept) == [("Invoice Due", True)]
    assert history(account, "rewards_issued", "status", vanished) == [("Invoice Due", True)]
    assert account.load(*LISTS).rows_written == 0


def test_what_is_retired_added_again_and_changed_has_a_version_each(account: Account) -> None:
    due = account.world.rows("rewards_due")[0]
    others = account.query(f"select * from raw.rewards_due where id <> {due['id']} order by id")
    account.tamper("create table kept as select * from dues where id = ?", due["id"])
    account.tamper("delete from dues where id = ?", due["id"])
    assert account.load("rewards_due").streams["rewards_due"].rows_written == 1
    account.tamper("insert into dues select * from kept")
    account.load("rewards_due")
    account.tamper("update dues set total_due = total_due + 1 where id = ?", due["id"])
    account.load("rewards_due")
    total = due["total_due"]
    assert history(account, "rewards_due", "total_due", due["id"]) == [
        (total, False), (total, False), (total + 1, True),
    ]  # fmt: skip
    assert account.query(f"select * from raw.rewards_due where id <> {due['id']} order by id") == others
    ordered = account.query(
        "select bool_and(_dlt_valid_to is null or _dlt_valid_to > _dlt_valid_from), "
        "bool_and(following is null or _dlt_valid_to <= following) from (select *, lead(_dlt_valid_from) over "
        "(partition by id order by _dlt_valid_from) as following from raw.rewards_due)"
    )
    assert ordered == [(True, True)]
    assert account.differences() == {}


def test_a_reprice_changes_the_reward_and_what_is_due_but_not_what_was_issued(account: Account) -> None:
    due = account.world.rows("rewards_due")[0]
    account.world.reprice(due["reward_id"], "19.99")
    report = account.load(*LISTS)
    assert account.differences() == {}
    versions = history(account, "rewards", "value", due["reward_id"])
    assert versions[-1] == (Decimal("19.99"), True)
    assert len(versions) == 2
    assert report.streams["rewards_issued"].rows_written == 0


def test_views_of_a_campaign_make_no_version(account: Account) -> None:
    account.tamper("update campaigns set reach = reach + 5 where id = 1")
    account.load("campaigns")
    assert account.one("select count(*) from raw.campaigns where id = 1") == 1
    assert account.differences() == {}


@pytest.mark.full  # as one of another history does, and leaves the quarantine: test_load_quarantine
def test_a_row_in_quarantine_keeps_its_last_good_version(account: Account) -> None:
    account.tamper("update dues set total_due = 'some' where id = (select min(id) from dues)")
    first = account.one("select min(id) from raw.rewards_due")
    before = account.query("select * from raw.rewards_due order by id")
    report = account.load("rewards_due")
    assert report.streams["rewards_due"].rows_quarantined == 1
    assert account.query("select * from raw.rewards_due order by id") == before
    assert account.query("select stream, record_id, reason, raw ->> '$.total_due' from raw.quarantine") == [
        ("rewards_due", str(first), "total_due: 'some' is not a whole number", "some")
    ]
    account.tamper("update dues set total_due = 7 where id = ?", first)
    account.load("rewards_due")
    assert history(account, "rewards_due", "total_due", first)[-1] == (7, True)


def test_an_empty_list_ends_all_versions_only_if_the_server_reports_a_total_of_0(account: Account) -> None:
    count = account.one("select count(*) from raw.rewards_due where _dlt_valid_to is null")
    account.tamper("delete from dues")
    account.world.set_quirks(Quirks(no_total=True))
    with pytest.raises(IncompleteList, match="rewards_due: the list is empty"):
        account.load("rewards_due")
    assert account.one("select count(*) from raw.rewards_due where _dlt_valid_to is null") == count
    account.world.set_quirks(Quirks())
    with pytest.raises(
        MassDisappearance, match=f"rewards_due: {count} of {count} records are gone without having been"
    ):
        account.load("rewards_due")
    assert account.one("select count(*) from raw.rewards_due where _dlt_valid_to is null") == count
    account.load("rewards_due", accept_deletions=True)
    assert account.one("select count(*) from raw.rewards_due where _dlt_valid_to is null") == 0
    assert account.one("select count(*) from raw.rewards_due") == count
    assert account.load("rewards_due").rows_written == 0


def test_an_id_sent_as_text_is_no_change(account: Account) -> None:
    account.world.set_quirks(Quirks(ids_as_strings=True, numbers_as_strings=True, booleans_as="text"))
    assert account.load().rows_written == 0


def test_a_clock_that_does_not_move_results_in_growing_boundaries(fresh: Callable[..., Account]) -> None:
    account = fresh(users=40)
    for price in ("1.00", "2.00"):
        account.load("rewards")
        account.tamper(f"update rewards set value_mills = {price.replace('.', '')}0 where id = 1")
    account.load("rewards")
    times = account.query("select _dlt_valid_from, _dlt_valid_to from raw.rewards where id = 1 order by 1")
    assert len(times) == 3
    assert times[0][1] == times[1][0] < times[1][1] == times[2][0]


def amended(account: Account, identifier: int, cents: int) -> None:
    account.tamper("update issued set reward_value_mills = ? where id = ?", cents * 10, identifier)


def value_of(account: Account, identifier: int) -> object:
    return account.one(f"select total_value from raw.rewards_issued where id = {identifier} and _dlt_valid_to is null")


@pytest.mark.parametrize(
    "quirks",
    [
        Quirks(),
        pytest.param(Quirks(ignore_filter_field="status"), marks=pytest.mark.full),
        Quirks(refuse_id_filters=True),
        pytest.param(Quirks(ignore_filters=True), marks=pytest.mark.full),
    ],
    ids=["documented", "status filter ignored", "id filters refused", "all filters ignored"],
)
def test_undated_rewards_are_read_again_whatever_the_server_filters(
    paid: Account, payouts: dict[str, int], quirks: Quirks
) -> None:
    """Amount, status and recipient of a reward in process change without changing any count."""
    account = paid
    account.world.set_quirks(quirks)
    by_amount, by_status, by_recipient = (payouts[name] for name in ("amount", "status", "recipient"))
    account.load(*LISTS)
    account.world.amend_payout(by_amount, "100.01")
    account.world.cancel_payout(by_status)
    account.tamper("update issued set recipient_id = 1 where id = ?", by_recipient)
    account.load(*LISTS)
    assert value_of(account, by_amount) == Decimal("100.01")
    assert history(account, "rewards_issued", "status", by_status) == [("Invoice Due", False), ("Cancelled", True)]
    assert history(account, "rewards_issued", "recipient_id", by_recipient)[-1] == (1, True)
    assert account.differences() == {}
    assert account.load(*LISTS).rows_written == 0


def test_undated_rewards_among_many_with_their_status_cost_a_call_each_at_most(account: Account) -> None:
    first, second = (account.world.issue(row["id"], count=1) for row in account.world.rows("rewards_due")[:2])
    account.tamper(
        "insert into issued with recursive copies (k) as (select 1 union all select k + 1 from copies where k < 600) "
        "select id + 100000 + k, reward_id, reward_name, reward_for, reward_type, reward_when_referral, "
        "reward_value_mills, recipient_id, recipient_first_name, recipient_email, total_due, status, "
        "'2025-01-01 00:00:00' from issued, copies where id = ?", first,
    )  # fmt: skip
    account.tamper("update issued set issued_at = null where id in (?, ?)", first, second)
    account.load(*LISTS)
    calls_before = account.load(*LISTS).streams["rewards_issued"].calls
    amended(account, first, 4_321)
    report = account.load(*LISTS)
    assert value_of(account, first) == Decimal("43.21")
    assert report.streams["rewards_issued"].rows_seen <= 550, "not the whole list for two rows"
    assert report.streams["rewards_issued"].calls <= calls_before


def test_dated_rewards_are_read_again_while_they_are_young(paid: Account, payouts: dict[str, int]) -> None:
    account, young, old = paid, payouts["young"], payouts["old"]
    account.world.wait(30 * 86_400)
    amended(account, young, 777)
    amended(account, old, 777)
    account.load(*LISTS, sweep_every_days=3_660)
    assert value_of(account, young) == Decimal("7.77")
    assert value_of(account, old) != Decimal("7.77")
    account.load(*LISTS)
    assert value_of(account, old) == Decimal("7.77"), "the list is due to be read completely, with users or without"


def test_a_dated_reward_that_loses_its_date_or_is_replaced_is_found(paid: Account, payouts: dict[str, int]) -> None:
    """One row without its date, and one that went while another came: the counts stay as they were."""
    account, undated, gone = paid, payouts["undated"], payouts["gone"]
    account.tamper("update issued set issued_at = null, status = 'Invoice Due' where id = ?", undated)
    account.world.fail_payout(gone)
    account.world.issue(account.world.rows("rewards_due")[0]["id"], count=1)
    account.load(*LISTS)
    assert history(account, "rewards_issued", "issued_at is null", undated) == [(False, False), (True, True)]
    assert account.query(f"select what from raw.observations where stream = 'rewards_issued' and id = {gone}") == [
        ("vanished",)
    ]


def test_the_list_alone_is_read_completely_only_when_that_is_due(account: Account) -> None:
    report = account.load("rewards_issued")
    assert not report.streams["rewards_issued"].is_complete
    account.world.wait(7 * 24 * 3600)
    report = account.load("rewards_issued")
    assert report.streams["rewards_issued"].is_complete
    assert account.differences() == {}
