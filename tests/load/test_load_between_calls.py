"""Changes between two calls or two runs: a clock that advances, rows that are deleted, a run that is interrupted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from referral_warehouse.errors import ApiUnavailable, DataRefused
from referral_warehouse.sandbox import Quirks
from tests.load.accounts import Account
from tests.sampling import sampled

REWARDS = ("rewards_issued", "rewards_due")


def ticking(account: Account) -> Callable[[dict[str, Any]], None]:
    """The server's clock advances with every request."""
    return lambda event: account.world.wait(1) if event["kind"] == "request" else None


def observations_of(account: Account, stream: str) -> list[tuple[object, ...]]:
    return account.query(f"select id, what from raw.observations where stream = '{stream}' order by observed_at, id")


@pytest.mark.full
def test_a_row_quarantined_early_stays_known_though_the_clock_advances(
    fresh: Callable[..., Account],
) -> None:
    account = fresh(users=120, quirks=Quirks(ignore_per_page=True))
    account.load()
    stranger = account.world.add_user(1)
    first = min(row["id"] for row in account.world.rows("users"))
    account.tamper("update users set reach = 'many' where id in (?, ?)", first, stranger)
    account.load(sweep=True, on_event=ticking(account))
    for _ in range(2):
        report = account.load(on_event=ticking(account))
        assert report.differences == []
        assert not report.swept


@pytest.mark.parametrize("options", sampled([{}, {"sweep": True}], 1))
def test_a_reward_that_leaves_the_issued_list_gets_a_tombstone(account: Account, options: dict[str, bool]) -> None:
    issued = account.world.issue(account.world.rows("rewards_due")[0]["id"], in_process=True)
    account.load(*REWARDS)
    account.tamper("create table kept as select * from issued where id = ?", issued)
    account.tamper("delete from issued where id = ?", issued)
    account.world.wait(60)
    account.load(*REWARDS, **options)
    assert observations_of(account, "rewards_issued") == [(issued, "vanished")]
    idle = account.load(*REWARDS)
    assert idle.rows_written == 0
    assert account.calls_to("rewards/issued") <= 5, "what is known to be gone is not requested again"
    account.tamper("insert into issued select * from kept")
    account.world.wait(60)
    account.load(*REWARDS, sweep=True)
    assert observations_of(account, "rewards_issued") == [(issued, "vanished"), (issued, "reappeared")]


def test_a_reward_that_is_completed_and_taken_back_in_one_run_is_gone_after_its_last_version(account: Account) -> None:
    issued = account.world.issue(account.world.rows("rewards_due")[0]["id"], in_process=True)
    account.load(*REWARDS)
    account.world.wait(60)
    account.world.complete(issued)

    def take_back(event: dict[str, Any]) -> None:
        if event["kind"] == "request" and event["path"].startswith("rewards/due"):  # read after the rewards issued
            account.tamper("delete from issued where id = ?", issued)

    account.load(*REWARDS, on_event=take_back)
    ((version,),) = account.query(f"select max(_dlt_valid_from) from raw.rewards_issued where id = {issued}")
    ((gone,),) = account.query(f"select observed_at from raw.observations where id = {issued}")
    assert gone >= version.replace(tzinfo=None)
    assert account.one(f"select count(*) from raw.rewards_issued where id = {issued}") == 2


def test_a_reward_that_no_incremental_query_finds_is_found_by_counting(account: Account) -> None:
    issued = [account.world.issue(row["id"], in_process=True) for row in account.world.rows("rewards_due")[:2]]
    account.tamper("create table kept as select * from issued where id = ?", issued[0])
    account.tamper("delete from issued where id = ?", issued[0])
    account.load(*REWARDS)
    account.tamper("update kept set status = 'Never heard of'")
    account.tamper("insert into issued select * from kept")  # an id below the newest, no date, an unknown status
    account.load(*REWARDS)
    assert issued[0] in [row[0] for row in account.query("select id from raw.rewards_issued")]
    assert account.load(*REWARDS).rows_written == 0


def test_issued_rewards_that_cannot_be_counted_up_are_refused(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    from referral_warehouse.api.pagination.paginator import Paginator

    count = Paginator.count
    monkeypatch.setattr(
        Paginator, "count", lambda self, query: (count(self, query) or 0) + (query.path == "rewards/issued")
    )
    with pytest.raises(DataRefused, match="rewards_issued: total: API reports"):
        account.load(*REWARDS)


def test_a_coupon_in_quarantine_keeps_its_last_good_version(account: Account) -> None:
    coupon = next(row["id"] for row in account.world.rows("coupons") if row["referral_id"] is not None)
    account.tamper("update coupons set issued_at = 'some day' where id = ?", coupon)
    report = account.load("users", "coupons", sweep=True)
    assert report.streams["coupons"].rows_quarantined == 1
    assert observations_of(account, "coupons") == []
    assert account.one(f"select count(*) from raw.coupons where id = {coupon} and issued_at is not null") == 1


def test_what_changed_before_a_first_load_was_resumed_is_there_when_it_is_through(
    fresh: Callable[..., Account],
) -> None:
    account = fresh(users=700)

    with pytest.raises(ApiUnavailable):
        account.load(slice_rows=250, progress=stop)
    world = account.world
    world.wait(60)
    early = world.rows("users")[:200]
    world.delete_user(next(row["id"] for row in early if row["referrer_id"] is None))
    world.unqualify(next(row["id"] for row in early if row["qualified"]))
    world.qualify(next(row["id"] for row in early if row["referrer_id"] and not row["qualified"]))
    account.load()
    assert account.differences() == {}


def stop(stage: str, facts: dict[str, Any]) -> None:
    """Ends a first load when the first slice was committed."""
    if stage == "users" and facts["rows"] >= 250:
        raise ApiUnavailable("the connection broke")


def test_a_failed_run_does_not_count_as_an_observation(account: Account) -> None:
    def fail(stage: str, _facts: dict[str, Any]) -> None:
        if stage == "rewards":
            raise ApiUnavailable("the connection broke")

    account.world.wait(60)
    account.world.issue(account.world.rows("rewards_due")[0]["id"])
    with pytest.raises(ApiUnavailable):
        account.load(progress=fail)
    run_id, status, observed_at = account.query("select run_id, status, observed_at from raw.runs order by started_at")[
        -1
    ]
    assert (status, observed_at) == ("failed", None)
    assert account.query(f"select stream from raw.run_streams where run_id = '{run_id}'") == []


def test_coupons_missed_by_a_choice_of_streams_are_found_by_a_sweep(account: Account) -> None:
    world = account.world
    world.add_user(1)
    account.tamper("update users set date = '2025-01-01 00:00:00' where id = (select max(id) from users)")
    newest = max(row["id"] for row in world.rows("users"))
    free = next(row["id"] for row in world.rows("coupons") if row["referral_id"] is None)
    account.tamper("update coupons set referral_id = ? where id = ?", newest, free)
    account.load("users")
    assert account.load().swept
    assert account.differences() == {}
