"""Changes of the counts of past days are recorded with the values before and after; nothing else is."""

from __future__ import annotations

import json
from datetime import UTC, timedelta
from typing import Any

from referral_warehouse.load.streams.user_changes import COUNTED
from referral_warehouse.load.streams.user_schema import USERS
from referral_warehouse.sandbox.domain.store import stamp
from tests.load.accounts import Account

CHANGES = "select id, what, before, after from raw.observations where stream = 'users' order by observed_at, id"


def changes(account: Account) -> list[tuple[int, str, dict[str, Any] | None, dict[str, Any]]]:
    """The recorded changes, decoded; of a change only the fields that differ."""
    found = []
    for user, what, before, after in account.query(CHANGES):
        old, new = json.loads(before) if before else None, json.loads(after) if after else {}
        if old is not None:
            differing = [name for name in COUNTED if old[name] != new[name]]
            old, new = {name: old[name] for name in differing}, {name: new[name] for name in differing}
        found.append((user, what, old, new))
    return found


def one(account: Account, condition: str) -> int:
    return next(int(row[0]) for row in account.world._store.all(f"select id from users where {condition} order by id"))


def test_counted_fields_are_no_personal_data() -> None:
    assert not set(USERS.personal) & set(COUNTED)


def test_a_first_load_records_nothing(account: Account) -> None:
    assert changes(account) == []
    assert account.load("users").rows_written == 0
    assert changes(account) == []


def test_an_unqualified_user_is_recorded_with_both_states(account: Account) -> None:
    user = one(account, "qualified = 1")
    ((since,),) = account.query(f"select qualified_at from raw.users where id = {user}")
    account.world.wait(86_400)
    account.world.unqualify(user)
    account.load("users")
    before = {"qualified": True, "qualified_at": since.isoformat()}
    assert changes(account) == [(user, "changed", before, {"qualified": False, "qualified_at": None})]
    ((observed, fetched),) = account.query(
        "select o.observed_at, u._fetched_at from raw.observations as o join raw.users as u using (id) "
        f"where id = {user}"
    )
    assert observed == fetched


def test_other_fields_and_people_of_today_are_not_recorded(account: Account) -> None:
    world = account.world
    user = one(account, "qualified = 1")
    world.edit_user(user, first_name="Zoë", email="zoe@example.com")
    world.grow_reach(user, 3)
    world.add_user(1)
    world.qualify(one(account, "qualified = 0"))
    world.unsubscribe(one(account, "unsubscribed = 0"))
    assert account.load("users", sweep=True).rows_written >= 2
    assert changes(account) == []


def test_who_joined_before_the_day_of_the_last_run_was_seen_late(account: Account) -> None:
    world = account.world
    last = account.one("select max(observed_at) from raw.run_streams where stream = 'users'")
    midnight = last.replace(hour=0, minute=0, second=0, microsecond=0)
    world.wait(2 * 86_400)
    in_time = world.add_user(1, joined_at=midnight.replace(tzinfo=world.now.tzinfo))
    late = world.add_user(1, joined_at=midnight.replace(tzinfo=world.now.tzinfo) - timedelta(seconds=1))
    account.load("users")
    assert account.one(f"select count(*) from raw.users where id in ({in_time}, {late})") == 2
    assert [(user, what, before) for user, what, before, _ in changes(account)] == [(late, "seen late", None)]


def test_a_change_that_two_queries_return_is_recorded_once(account: Account) -> None:
    """Unsubscribed today and joined another day than before: the row is not stored between the queries."""
    user = one(account, "qualified = 0 and unsubscribed = 0")
    account.world.wait(86_400)
    joined = account.one(f"select date from raw.users where id = {user}")
    account.world.qualify(user)
    account.world.unsubscribe(user)
    earlier = stamp(joined.replace(tzinfo=UTC) - timedelta(days=1))
    account.tamper("update users set date = ? where id = ?", earlier, user)
    account.load("users")
    assert [(u, what) for u, what, *_ in changes(account)] == [(user, "changed")]
