"""One case per example of the API documentation, sent as its curl line sends it (as GET where it forgot ``-G``)."""

from __future__ import annotations

import re

import pytest

from referral_warehouse.sandbox import Sandbox

CAMPAIGN = ["id", "name", "url", "code", "reach", "live", "status", "starts_at", "ends_at"]
USER = [
    "id", "campaign_id", "referrer_id", "qualified", "qualified_at", "unsubscribed", "unsubscribed_at", "first_name",
    "email", "code", "reach", "referrals_count", "converted_referrals_count", "source", "date", "url", "meta",
    "sharing", "sharing_message",
]  # fmt: skip
REWARD = ["id", "campaign_id", "name", "reward_for", "type", "value", "when_referral"]
OWED = [
    "id", "reward_id", "reward_for", "reward_type", "reward_when_referral", "reward_value", "recipient_id",
    "recipient_first_name", "recipient_email", "total_due", "total_value", "status", "issued_at",
]  # fmt: skip
RIDING = [
    "reward_id", "reward_name", "reward_value", "rewards_total", "rewards_value", "referrer_name", "referrer_email",
    "issued_at", "in_cart",
]  # fmt: skip
COUPON = ["id", "name", "referral_id", "batch_id", "issued_at", "used_at"]
META = ["current_page", "from", "last_page", "path", "per_page", "to", "total"]
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000000Z")
JANUARY = (
    "filters[0][field]=qualified_at&filters[0][operator]=gt&filters[0][value]=2025-11-30"
    "&filters[1][field]=qualified_at&filters[1][operator]=lt&filters[1][value]=2026-01-01"
)


def test_campaigns_that_have_been_launched(world: Sandbox, data):
    rows = data(world, "/campaigns?filters[0][field]=status&filters[0][value]=launched")
    assert {row["id"] for row in rows} == {r["id"] for r in world.rows("campaigns") if r["status"] == "launched"}
    assert 0 < len(rows) < len(world.rows("campaigns"))


def test_campaigns_with_a_reach_of_more_than_ten(world: Sandbox, data):
    rows = data(world, "/campaigns?filters[0][field]=reach&filters[0][operator]=gt&filters[0][value]=10")
    assert {row["id"] for row in rows} == {r["id"] for r in world.rows("campaigns") if r["reach"] > 10}
    assert rows


def test_campaigns_whose_name_contains_amp(world: Sandbox, data):
    rows = data(world, "/campaigns?filters[0][field]=name&filters[0][operator]=like&filters[0][value]=amp")
    assert rows
    assert all("amp" in row["name"].lower() for row in rows)


def test_campaigns_ordered_by_reach(world: Sandbox, data):
    reaches = [row["reach"] for row in data(world, "/campaigns?order[field]=reach&order[direction]=desc")]
    assert reaches == sorted(reaches, reverse=True)
    assert len(set(reaches)) > 3


def test_users_with_a_relation_as_a_string(world: Sandbox, data):
    for row in data(world, "/users?with=campaign"):
        assert list(row) == [*USER, "campaign"]
        assert list(row["campaign"]) == CAMPAIGN
        assert row["campaign"]["id"] == row["campaign_id"]


def test_users_with_all_relations(world: Sandbox, data):
    rows = data(world, "/users?with=all&per_page=250")
    assert all(
        list(row)[len(USER) :] == ["campaign", "referrer", "coupon", "rewards_due", "rewards_issued"] for row in rows
    )
    due = [item for row in rows for item in row["rewards_due"]]
    issued = [item for row in rows for item in row["rewards_issued"]]
    assert due
    assert issued
    assert all(list(item) == RIDING for item in due + issued)


def test_users_with_several_relations(world: Sandbox, data):
    rows = data(world, "/users?with[]=campaign&with[]=referrer&per_page=250")
    referred = [row for row in rows if row["referrer"]]
    assert referred
    assert all(list(row["referrer"]) == USER and row["referrer"]["id"] == row["referrer_id"] for row in referred)
    assert all(row["referrer"] is None for row in rows if row["referrer_id"] is None)


def test_users_with_their_rewards(world: Sandbox, data):
    query = "with[]=campaign&with[]=referrer&with[]=rewards_due&with[]=rewards_issued&per_page=250"
    rows = data(world, f"/users?{query}")
    truth = {(r["recipient_id"], r["reward_id"]): r["total_due"] for r in world.rows("rewards_due")}
    shown = {(row["id"], item["reward_id"]): item["rewards_total"] for row in rows for item in row["rewards_due"]}
    assert shown
    assert shown.items() <= truth.items()


def test_users_with_their_coupon(world: Sandbox, data):
    rows = data(world, "/users?with[]=campaign&with[]=coupon&with[]=referrer&per_page=250")
    holders = [row for row in rows if row["coupon"]]
    assert holders
    assert all(list(row["coupon"]) == COUPON and row["coupon"]["referral_id"] == row["id"] for row in holders)


def test_only_some_fields_of_campaigns(world: Sandbox, data):
    assert all(list(row) == ["id", "name"] for row in data(world, "/campaigns?fields=id,name"))


def test_only_some_fields_of_a_relation(world: Sandbox, data):
    for row in data(world, "/users?with=campaign&fields.campaign=id,name"):
        assert list(row) == [*USER, "campaign"]
        assert list(row["campaign"]) == ["id", "name"]


@pytest.mark.parametrize(
    ("path", "closing"),
    [
        ("/campaigns", {"code": 200, "message": None}),
        ("/users", {"code": 200, "message": None}),
        ("/rewards", {"code": 200, "message": "Paginated rewards response"}),
        ("/rewards/due", {}),
        ("/rewards/issued", {}),
    ],
)
def test_the_envelope_of_each_list(world: Sandbox, ask, path: str, closing: dict[str, object]):
    body = ask(world, "GET", path).json()
    assert list(body) == ["data", "links", "meta", *closing]
    assert closing.items() <= body.items()
    url, last = world.base_url + path, body["meta"]["last_page"]
    assert body["links"] == {
        "first": f"{url}?page=1",
        "last": f"{url}?page={last}",
        "prev": None,
        "next": f"{url}?page=2" if last > 1 else None,
    }
    assert list(body["meta"]) == META
    total = body["meta"]["total"]
    assert body["meta"] == {
        "current_page": 1, "from": 1, "last_page": -(-total // 25), "path": url, "per_page": 25,
        "to": min(total, 25), "total": total,
    }  # fmt: skip
    assert len(body["data"]) == min(total, 25)


@pytest.mark.parametrize(("path", "message"), [("/campaigns/1", None), ("/rewards/1", "Single Reward Response")])
def test_one_campaign_and_one_reward(world: Sandbox, ask, path: str, message: str | None):
    body = ask(world, "GET", path).json()
    assert list(body) == ["data", "code", "message"]
    assert (body["data"]["id"], body["code"], body["message"]) == (1, 200, message)


def test_all_users_in_chunks_of_a_hundred(world: Sandbox, ask):
    body = ask(world, "GET", "/users?per_page=100").json()
    assert len(body["data"]) == body["meta"]["per_page"] == body["meta"]["to"] == 100
    assert all(list(row) == USER for row in body["data"])
    assert {type(row["meta"]) for row in ask(world, "GET", "/users?per_page=250").json()["data"]} == {dict, list}


def test_one_user(world: Sandbox, ask):
    rich = next(r["recipient_id"] for r in world.rows("rewards_due"))
    body = ask(world, "GET", f"/users/{rich}").json()
    assert (body["code"], body["message"]) == (200, None)
    assert list(body["data"]) == [*USER, "rewards_due", "rewards_issued"]
    assert list(body["data"]["rewards_due"][0]) == RIDING
    assert body["data"]["rewards_due"][0]["in_cart"] is False
    shared = next(row for row in world.rows("users") if row["sharing"])["sharing"][0]
    assert list(shared) == ["social", "url"]
    assert shared["url"].endswith(f"/socials/{shared['social']}")
    assert list(body["data"]["sharing_message"]) == ["subject", "text"]


def test_rewards(world: Sandbox, data):
    rows = data(world, "/rewards")
    assert all(list(row) == REWARD for row in rows)
    assert {row["reward_for"] for row in rows} == {"Person Invited (Referred User)", "Person Referring (Direct User)"}
    assert {row["when_referral"] for row in rows} == {"invited", "converted"}
    assert {type(row["value"]) for row in rows} == {int, float}


def test_rewards_with_their_campaign(world: Sandbox, data):
    assert all(list(row["campaign"]) == CAMPAIGN for row in data(world, "/rewards?with=campaign"))


def test_rewards_with_some_fields_of_their_campaign(world: Sandbox, data):
    rows = data(world, "/rewards?with=campaign&fields.campaign=id,name")
    assert all(list(row["campaign"]) == ["id", "name"] for row in rows)


def test_rewards_due(world: Sandbox, data):
    rows = data(world, "/rewards/due?per_page=250")
    assert all(list(row) == OWED and row["status"] == "Due" and row["issued_at"] is None for row in rows)
    assert all(round(row["total_due"] * row["reward_value"], 2) == row["total_value"] for row in rows)
    assert any(row["total_due"] > 1 for row in rows)


def test_rewards_issued(world: Sandbox, data):
    rows = data(world, "/rewards/issued?per_page=250")
    assert all(list(row) == OWED for row in rows)
    in_process = [row for row in rows if row["status"] == "Invoice Due"]
    assert in_process
    assert all(row["issued_at"] is None for row in in_process)
    issued = [row for row in rows if row["status"] == "Issued"]
    assert issued
    assert all(ISO.fullmatch(row["issued_at"]) for row in issued)


@pytest.mark.parametrize("path", ["/rewards/due", "/rewards/issued"])
def test_user_rewards_with_relations(world: Sandbox, data, path: str):
    for row in data(world, f"{path}?with[]=reward&with[]=recipient"):
        assert list(row) == [*OWED, "reward", "recipient"]
        assert list(row["reward"]) == REWARD
        assert list(row["recipient"]) == USER


@pytest.mark.parametrize("path", ["/rewards/due", "/rewards/issued"])
def test_a_repeated_relation_keeps_the_last_as_php_does(world: Sandbox, data, path: str):
    rows = data(world, f"{path}?with=reward&with=recipient")
    assert all("recipient" in row and "reward" not in row for row in rows)


@pytest.mark.parametrize("path", ["/rewards/due", "/rewards/issued"])
def test_user_rewards_with_some_fields_of_relations(world: Sandbox, data, path: str):
    query = "with[]=reward&with[]=recipient&fields.reward=id,name&fields.recipient=id,first_name"
    for row in data(world, f"{path}?{query}"):
        assert list(row["reward"]) == ["id", "name"]
        assert list(row["recipient"]) == ["id", "first_name"]


def test_qualified_users_of_a_month(world: Sandbox, data):
    rows = data(world, f"/users?{JANUARY}&per_page=250")
    truth = {r["id"] for r in world.rows("users") if (r["qualified_at"] or "").startswith("2025-12")}
    assert truth
    assert {row["id"] for row in rows} == truth


def test_qualified_users_of_a_month_with_their_referrers(world: Sandbox, data):
    rows = data(world, f"/users?{JANUARY}&with=referrer&per_page=250")
    assert any(row["referrer"] and row["referrer"]["converted_referrals_count"] > 0 for row in rows)
