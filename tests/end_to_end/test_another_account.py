"""The token of another account is refused before a row is written, also where files of the directory are lost."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.end_to_end.small_api import Row, account, campaign, user
from tests.end_to_end.small_warehouse import SmallWarehouse
from tests.sampling import sampled

Small = Callable[..., SmallWarehouse]
Lists = dict[str, list[Row]]


def shifted(lists: Lists, by: int) -> Lists:
    """Another account: every id, code, address and e-mail is another one."""
    found = deepcopy(lists)
    for rows in found.values():
        for row in rows:
            for name in ("id", "campaign_id", "reward_id", "recipient_id"):
                if name in row:
                    row[name] += by
            for name in ("code", "url", "email", "recipient_email"):
                if name in row:
                    row[name] = f"{by}-{row[name]}"
            if row.get("coupon"):
                row["coupon"] = {**row["coupon"], "id": row["coupon"]["id"] + by, "name": f"{by}-{row['id']}",
                                 "referral_id": row["id"]}  # fmt: skip
    return found


def same_ids(lists: Lists) -> Lists:
    """Another account whose ids happen to be the same."""
    found = deepcopy(lists)
    for row in found["campaigns"]:
        row |= {"code": f"other-{row['code']}", "url": f"https://example.org/{row['id']}"}
    for row in found["users"]:
        row |= {"code": f"other-{row['code']}", "email": f"other{row['id']}@example.org"}
    return found


def without_codes(lists: Lists) -> Lists:
    found = deepcopy(lists)
    for row in found["campaigns"]:
        row |= {"code": None, "url": None}
    return found


def rows_of(small: SmallWarehouse) -> dict[str, list[tuple[Any, ...]]]:
    tables = ("campaigns", "users", "rewards", "rewards_due", "rewards_issued", "coupons", "observations")
    return {name: small.loaded(f"from raw.{name} order by all") for name in tables}


OTHERS: dict[str, Callable[[], Lists]] = {
    "other ids": lambda: shifted(account(40), 1000),
    "ids in between": lambda: shifted(account(40), 20),
    "the same ids": lambda: same_ids(account(40)),
    "the same ids, campaigns without codes": lambda: without_codes(same_ids(account(40))),
    "other ids, campaigns without codes": lambda: without_codes(shifted(account(40), 1000)),
    "campaigns and no user yet": lambda: shifted(account(0), 1000),
    "users and no campaign": lambda: shifted(account(40), 1000) | {"campaigns": []},
    "a campaign with the code of ours": lambda: shifted(account(40), 1000) | {"campaigns": [campaign(77, code="C1")]},
}
LOSSES: dict[str, tuple[str, ...]] = {
    "nothing": (),
    "state": ("state",),
    "the load file": ("load.duckdb",),
    "state and the load file": ("state", "load.duckdb"),
    "the load file and the link": ("state", "load.duckdb", "warehouse.duckdb"),
}


@pytest.mark.parametrize("other", sampled(OTHERS, 1))
def test_another_account_is_refused_before_a_row_is_written(ours: SmallWarehouse, other: str) -> None:
    before, live = rows_of(ours), ours.live()
    ours.api.lists = OTHERS[other]()
    refused = ours.sync()
    assert refused.returncode == 5, refused.stderr
    assert "another account" in refused.stderr
    assert "--accept-account" in refused.stderr
    assert (rows_of(ours), ours.live()) == (before, live)


@pytest.mark.parametrize(
    ("lost", "command"),
    sampled(
        [
            ("nothing", "sync --streams users"),
            ("state", "load"),
            ("the load file", "sync --streams rewards_due"),
            ("state and the load file", "load --streams users,coupons"),
            ("the load file and the link", "sync"),
        ],
        2,
    ),
)
@pytest.mark.full
def test_another_account_is_refused_with_chosen_streams_and_lost_files(
    ours: SmallWarehouse, lost: str, command: str
) -> None:
    ours.lose(*LOSSES[lost])
    ours.api.lists = shifted(account(40), 1000)
    refused = ours.run(*command.split())
    assert refused.returncode == 5, refused.stderr
    assert "another account" in refused.stderr
    ours.api.lists = account()
    ended = ours.sync("--accept-shorter-history")
    assert ended.returncode == 0, "with its own token again the directory goes on"
    assert ours.live() == {name: len(rows) for name, rows in account().items()} | {"coupons": 30}


def test_nothing_is_written_where_the_load_file_was_lost(ours: SmallWarehouse) -> None:
    ours.lose("load.duckdb")
    ours.api.lists = shifted(account(40), 1000)
    for _ in range(2):
        assert ours.run("load").returncode == 5
        assert all(rows == [] for rows in rows_of(ours).values())


@pytest.mark.full
def test_a_directory_of_users_alone_belongs_to_one_account(small: Small) -> None:
    ours = small(account())
    assert ours.run("load", "--streams", "users").returncode == 0
    assert ours.run("load", "--streams", "users").returncode == 0
    ours.lose("state")
    for other in (shifted(account(40), 1000), same_ids(account(40))):
        ours.api.lists = other
        assert ours.run("load", "--streams", "users").returncode == 5
        assert ours.run("load").returncode == 5


def edited(lists: Lists) -> Lists:
    for row in lists["campaigns"]:
        row |= {"name": "New", "code": f"new-{row['code']}", "url": f"https://example.com/new/{row['id']}"}
    return lists


def one_left(lists: Lists) -> Lists:
    return lists | {"campaigns": [*lists["campaigns"][:1], campaign(50), campaign(51)]}


SAME: dict[str, Callable[[], Lists]] = {
    "as it was": lambda: account(30),
    "every campaign was edited": lambda: edited(account(30)),
    "one campaign is left among new ones": lambda: one_left(account(30)),
    "all campaigns were replaced, the users stayed": lambda: account(30) | {"campaigns": [campaign(50), campaign(51)]},
    "users were edited": lambda: (
        account(30) | {"users": [user(i, email="new@example.com", code=f"new{i}") for i in range(1, 31)]}
    ),
    "campaigns have no codes any more": lambda: without_codes(account(30)),
}


@pytest.mark.parametrize("change", sampled(SAME, 1))
def test_the_same_account_is_recognised_whatever_was_edited(ours: SmallWarehouse, change: str) -> None:
    ours.api.lists = SAME[change]()
    for _ in range(2):
        ended = ours.run("load", "--accept-deletions", SOURCES__REFERRAL_FACTORY__API_TOKEN="a-new-token")
        assert ended.returncode == 0, ended.stderr
        ours.lose("state")


@pytest.mark.full
def test_an_account_that_is_new_to_everything_is_loaded(small: Small) -> None:
    ours = small(shifted(account(0), 5) | {"campaigns": []})
    assert ours.sync().returncode == 0
    ours.api.lists = account(30)
    assert ours.sync().returncode == 0, "there was nothing that it could differ from"
    assert ours.live()["users"] == 30


def test_who_accepts_another_account_has_its_data_and_the_directory_belongs_to_it(ours: SmallWarehouse) -> None:
    for other in (shifted(account(30), 1000), same_ids(shifted(account(30), 1000))):
        ours.api.become(other)
        assert ours.sync().returncode == 5
        accepted = ours.sync("--accept-account")
        assert accepted.returncode == 0, accepted.stderr
        assert ours.live() == {name: len(rows) for name, rows in other.items()} | {"coupons": 30}
        codes = ours.published("select code from core.users where deleted_at is null order by user_id")
        assert [code for (code,) in codes] == [row["code"] for row in other["users"]]
        assert ours.published("select count(*) from core.users where deleted_at is not null") == [(30,)]
        assert ours.sync().returncode == 0
    ours.api.lists = account(30)
    assert ours.sync().returncode == 5, "the first account is the other one now"


def test_an_idle_sync_costs_no_call_more(ours: SmallWarehouse) -> None:
    assert ours.sync().returncode == 0
    assert ours.api.calls.count("campaigns") == 1
    assert ours.api.calls[0] == "campaigns", "it is asked before anything else"
