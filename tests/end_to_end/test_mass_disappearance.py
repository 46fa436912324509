"""Lists that come back empty or halved are neither published nor stored as history; the next response corrects them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest

from tests.end_to_end.small_api import Row, campaign, issued, reward
from tests.end_to_end.small_warehouse import SmallWarehouse
from tests.sampling import sampled

Lists = dict[str, list[Row]]
STREAMS = {
    "campaigns": "campaigns",
    "rewards": "rewards",
    "users": "users",
    "rewards/due": "rewards_due",
    "rewards/issued": "rewards_issued",
}
LEDGER = "select * exclude (sync_no) from marts.reward_ledger order by all"
DUE = "select due_id, first_seen_at, due_value from core.rewards_due order by due_id"


@pytest.mark.parametrize(("path", "share"), sampled(product(STREAMS, ("all", "half")), 1))
def test_a_list_that_lost_its_rows_is_refused_and_right_again_afterwards(
    ours: SmallWarehouse, path: str, share: str
) -> None:
    if path in ("campaigns", "rewards") and share == "half":
        ours.api.lists[path] = [campaign(i) if path == "campaigns" else reward(i) for i in range(1, 31)]
        assert ours.sync().returncode == 0
    before, due, ledger = ours.live(), ours.published(DUE), ours.published(LEDGER)
    right = ours.api.lists[path]
    kept = right[: len(right) // 3] if share == "half" else []
    ours.api.lists[path] = kept
    for command in {"users": ("sync", "sync", "publish"), "rewards/due": ("sync", "sync")}.get(path, ("sync",)):
        refused = ours.run(command)
        assert refused.returncode == 5, refused.stderr
        assert f"{STREAMS[path]}: {len(right) - len(kept)} of {len(right)} records are gone" in refused.stderr
        assert "WAREHOUSE__MAX_VANISHED_PERCENT" in refused.stderr
        assert "--accept-deletions" in refused.stderr
        assert ours.live() == before
    ours.api.lists[path] = right
    ended = ours.sync()
    assert ended.returncode == 0, ended.stderr
    assert (ours.live(), ours.published(DUE), ours.published(LEDGER)) == (before, due, ledger), "nothing happened"


def test_everything_gone_is_refused_and_accepted_by_whoever_says_so(ours: SmallWarehouse) -> None:
    before = ours.live()
    ours.api.lists = {path: [] for path in ours.api.lists}
    ours.api.coupons.clear()
    assert ours.sync().returncode == 5
    assert ours.live() == before
    ended = ours.sync("--accept-deletions")
    assert ended.returncode == 0, ended.stderr
    assert ours.live() == dict.fromkeys(before, 0) | {"coupons": 30}, "without users no response contains coupons"
    assert ours.sync().returncode == 0, "what is published now is compared from now on"


def test_users_that_are_gone_can_be_accepted_when_publishing(ours: SmallWarehouse) -> None:
    ours.api.lists["users"] = ours.api.lists["users"][:5]
    refused = ours.sync()
    assert refused.returncode == 5
    assert "users: 25 of 30 records are gone" in refused.stderr
    ended = ours.run("publish", "--accept-deletions")
    assert ended.returncode == 0, ended.stderr
    assert ours.live()["users"] == 5


def test_coupons_that_are_gone_are_counted_too(ours: SmallWarehouse) -> None:
    ours.api.lists["users"] = [row | {"coupon": None} for row in ours.api.lists["users"]]
    ours.api.coupons.clear()
    refused = ours.sync("--sweep")
    assert refused.returncode == 5, refused.stderr
    assert "coupons: 30 of 30 records are gone" in refused.stderr


def all_issued(lists: Lists) -> Lists:
    return lists | {"rewards/due": [], "rewards/issued": [issued(i) for i in range(1, 31)]}


def in_process(lists: Lists) -> Lists:
    waiting = [issued(i, issued_at=None, status="Invoice Due") for i in range(1, 16)]
    waiting = [row | {"id": row["id"] + 100} for row in waiting]
    return lists | {"rewards/due": [], "rewards/issued": [*lists["rewards/issued"], *waiting]}


def some_users_left(lists: Lists) -> Lists:
    return lists | {"users": lists["users"][:24]}


def six_rewards_reversed(lists: Lists) -> Lists:
    return lists | {"rewards/due": lists["rewards/due"][:9]}


def other_ids_of_what_is_due(lists: Lists) -> Lists:
    return lists | {"rewards/due": [row | {"id": row["id"] + 500} for row in lists["rewards/due"]]}


LEGITIMATE: dict[str, Callable[[Lists], Lists]] = {
    "all that was due was issued": all_issued,
    "all that was due is in process": in_process,
    "a fifth of the users": some_users_left,
    "six of fifteen rewards due": six_rewards_reversed,
    "what is due has other ids": other_ids_of_what_is_due,
}


@pytest.mark.parametrize("what", sampled(LEGITIMATE, 1))
def test_what_an_account_does_in_a_day_is_published(ours: SmallWarehouse, what: str) -> None:
    ours.api.lists = LEGITIMATE[what](ours.api.lists)
    ended = ours.sync()
    assert ended.returncode == 0, ended.stderr
    expected = {name: len(rows) for name, rows in ours.api.lists.items()}
    assert {name: ours.live()[name] for name in expected} == expected


@pytest.mark.parametrize(("percent", "code"), sampled([("0", 5), ("79", 5), ("80", 0), ("100", 0)], 2))
def test_the_setting_is_the_limit(ours: SmallWarehouse, percent: str, code: int) -> None:
    ours.api.lists["users"] = ours.api.lists["users"][:6]
    ours.api.lists["rewards/due"] = ours.api.lists["rewards/due"][:12]
    ended = ours.sync(WAREHOUSE__MAX_VANISHED_PERCENT=percent)
    assert ended.returncode == code, ended.stderr


@pytest.mark.full  # half a minute
def test_several_loads_together_cannot_exceed_the_limit(ours: SmallWarehouse) -> None:
    """Each load loses little beside the load before it; beside what is published it is too much."""
    for left in (26, 22, 18):
        ours.api.lists["users"] = ours.api.lists["users"][:left]
        assert ours.run("load").returncode == 0
    refused = ours.run("publish")
    assert refused.returncode == 5
    assert "users: 12 of 30 records are gone" in refused.stderr
