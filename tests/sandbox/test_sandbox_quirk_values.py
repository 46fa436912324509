"""Each quirk of values, switched on, against the account's rows."""

from __future__ import annotations

from typing import Any

import pytest

from referral_warehouse.sandbox import Quirks, Sandbox


def test_ids_as_strings(world: Sandbox, ask):
    world.set_quirks(Quirks(ids_as_strings=True))
    row = ask(world, "GET", "/users?per_page=250&with[]=coupon&with[]=rewards_due").json()["data"][0]
    assert (row["id"], row["campaign_id"], row["referrer_id"]) == (
        "1",
        str(world.rows("users")[0]["campaign_id"]),
        None,
    )
    assert type(row["rewards_due"][0]["reward_id"]) is str
    assert type(row["reach"]) is int


def test_numbers_as_strings(world: Sandbox, ask):
    world.set_quirks(Quirks(numbers_as_strings=True))
    shown = ask(world, "GET", "/rewards/due").json()["data"][0]
    truth = world.rows("rewards_due")[0]
    assert shown["total_value"] == f"{truth['total_value']:.2f}"
    assert shown["total_due"] == str(truth["total_due"])
    assert type(shown["id"]) is int


def test_reward_id_as_string(world: Sandbox, ask):
    before = ask(world, "GET", "/rewards/due").json()["data"]
    world.set_quirks(Quirks(reward_id_as_string=True))
    after = ask(world, "GET", "/rewards/due").json()["data"]
    assert after == [row | {"reward_id": str(row["reward_id"])} for row in before]


@pytest.mark.parametrize(("word", "values"), [("int", {0, 1}), ("text", {"0", "1"}), ("", {True, False})])
def test_booleans_as(world: Sandbox, ask, word: str, values: set[Any]):
    world.set_quirks(Quirks(booleans_as=word))
    shown = {row["qualified"] for row in ask(world, "GET", "/users?per_page=250").json()["data"]}
    assert shown == values
    assert {type(value) for value in shown} == {type(value) for value in values}


def test_null_values(world: Sandbox, ask):
    world.set_quirks(Quirks(null_values=True))
    for path, name, key in (("/rewards", "value", "id"), ("/rewards/due", "reward_value", "reward_id")):
        rows = ask(world, "GET", f"{path}?per_page=250").json()["data"]
        assert {row[key] % 2 for row in rows} == {0, 1}
        assert all((row[name] is None) == (row[key] % 2 == 0) for row in rows)


def test_meta_shapes_and_sharing_as_object(world: Sandbox, ask):
    world.set_quirks(Quirks(meta_shape="pairs", sharing_as_object=True))
    rows = ask(world, "GET", "/users?per_page=250").json()["data"]
    truth = {row["id"]: row for row in world.rows("users")}
    assert all({item["field"]: item["value"] for item in row["meta"]} == dict(truth[row["id"]]["meta"]) for row in rows)
    assert any(row["meta"] for row in rows)
    assert all(row["sharing"] == {item["social"]: item["url"] for item in truth[row["id"]]["sharing"]} for row in rows)
    world.set_quirks(Quirks(meta_shape="list"))
    assert all(row["meta"] == [] for row in ask(world, "GET", "/users").json()["data"])


def test_extra_and_vanished_fields(world: Sandbox, ask):
    world.set_quirks(Quirks(extra_fields=True, vanished_field="code"))
    for path in ("/users", "/campaigns"):
        row = ask(world, "GET", path).json()["data"][0]
        assert "code" not in row
        assert row["loyalty_tier"] == "gold"
    world.set_quirks(Quirks(vanished_field="users.code"))
    assert "code" not in ask(world, "GET", "/users").json()["data"][0]
    assert "code" in ask(world, "GET", "/campaigns").json()["data"][0]


def test_quirks_never_change_the_stored_rows(world: Sandbox):
    before = {name: world.rows(name) for name in ("users", "rewards", "rewards_due")}
    world.set_quirks(Quirks(ids_as_strings=True, numbers_as_strings=True, null_values=True, extra_fields=True))
    assert {name: world.rows(name) for name in before} == before
