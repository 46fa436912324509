"""Effects of each action, through the API and directly: counts, rewards, coupons and the event log."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from referral_warehouse.sandbox import NoSuchRow, Sandbox

INVITED, REFERRING = "Person Invited (Referred User)", "Person Referring (Direct User)"


def user(sandbox: Sandbox, user_id: int) -> dict[str, Any]:
    return next(row for row in sandbox.rows("users") if row["id"] == user_id)


def due(sandbox: Sandbox, recipient_id: int) -> dict[int, tuple[int, Decimal]]:
    """reward → (units, value) due to a recipient."""
    return {
        row["reward_id"]: (row["total_due"], row["total_value"])
        for row in sandbox.rows("rewards_due")
        if row["recipient_id"] == recipient_id
    }


def rewards_for(sandbox: Sandbox, campaign_id: int, reward_for: str, when: str) -> dict[int, Decimal]:
    return {
        row["id"]: row["value"]
        for row in sandbox.rows("rewards")
        if (row["campaign_id"], row["reward_for"], row["when_referral"]) == (campaign_id, reward_for, when)
    }


def pair(sandbox: Sandbox, campaign_id: int = 1) -> tuple[int, int]:
    """A new referrer and their new referral."""
    referrer = sandbox.add_user(campaign_id, "Referrer", "referrer@example.com")
    return referrer, sandbox.add_user(campaign_id, "Friend", "friend@example.com", referrer_id=referrer)


def test_a_referral_raises_the_referrers_count(fresh: Sandbox, ask):
    referrer, _ = pair(fresh)
    assert user(fresh, referrer)["referrals_count"] == 1
    code = user(fresh, referrer)["code"]
    for form in (f"referrer_id={referrer}", f"referrer_code={code}"):
        reply = ask(fresh, "POST", "/users", form=f"campaign_id=1&first_name=Eve&email=eve@example.com&notify=0&{form}")
        assert reply.json()["data"]["referrer"]["id"] == referrer
    assert user(fresh, referrer)["referrals_count"] == 3


def test_qualifying_makes_both_sides_due(fresh: Sandbox, ask):
    referrer, friend = pair(fresh)
    assert ask(fresh, "PUT", f"/users/{friend}", json={"qualified": True}).status_code == 200
    assert user(fresh, referrer)["converted_referrals_count"] == 1
    for recipient, reward_for in ((referrer, REFERRING), (friend, INVITED)):
        rewards = rewards_for(fresh, 1, reward_for, "converted")
        assert rewards
        assert due(fresh, recipient) == {reward: (1, value) for reward, value in rewards.items()}


def test_joining_by_referral_makes_invited_rewards_due(fresh: Sandbox):
    _, friend = pair(fresh, campaign_id=4)
    rewards = rewards_for(fresh, 4, INVITED, "invited")
    assert rewards
    assert due(fresh, friend) == {reward: (1, value) for reward, value in rewards.items()}
    direct = fresh.add_user(4, "Direct", "direct@example.com")
    assert due(fresh, direct) == {}


def test_due_rows_grow_under_a_stable_id(fresh: Sandbox):
    referrer, first = pair(fresh)
    second = fresh.add_user(1, "Second", "second@example.com", referrer_id=referrer)
    fresh.qualify(first)
    (before,) = [row for row in fresh.rows("rewards_due") if row["recipient_id"] == referrer]
    fresh.qualify(second)
    (after,) = [row for row in fresh.rows("rewards_due") if row["recipient_id"] == referrer]
    assert (after["id"], after["total_due"]) == (before["id"], 2)
    assert after["total_value"] == 2 * after["reward_value"]


def test_qualifying_twice_changes_nothing(fresh: Sandbox, ask):
    referrer, friend = pair(fresh)
    assert fresh.qualify(friend)
    before = user(fresh, friend), due(fresh, referrer)
    assert not fresh.qualify(friend)
    assert ask(fresh, "PUT", f"/users/{friend}", form="qualified=1").status_code == 200
    assert (user(fresh, friend), due(fresh, referrer)) == before


def test_unqualifying_reverses_what_is_due(fresh: Sandbox, ask):
    referrer, friend = pair(fresh)
    fresh.qualify(friend)
    ids = {row["id"] for row in fresh.rows("rewards_due")}
    assert ask(fresh, "PUT", f"/users/{friend}", form="qualified=0").json()["data"]["qualified_at"] is None
    assert due(fresh, referrer) == due(fresh, friend) == {}
    assert user(fresh, referrer)["converted_referrals_count"] == 0
    fresh.qualify(friend)
    new = {row["id"] for row in fresh.rows("rewards_due") if row["recipient_id"] == referrer}
    assert new
    assert not new & ids  # a deleted id is never used again


@pytest.mark.parametrize("in_process", [False, True])
def test_issued_units_are_never_reversed_nor_issued_twice(fresh: Sandbox, in_process: bool):
    referrer, friend = pair(fresh)
    fresh.qualify(friend)
    (row,) = [row for row in fresh.rows("rewards_due") if row["recipient_id"] == referrer]
    issued_id = fresh.issue(row["id"], in_process=in_process)
    assert due(fresh, referrer) == {}
    fresh.unqualify(friend)
    fresh.qualify(friend)
    assert due(fresh, referrer) == {}
    (issued,) = [row for row in fresh.rows("rewards_issued") if row["id"] == issued_id]
    assert issued["total_value"] == row["total_value"]
    assert issued["status"] == ("Invoice Due" if in_process else "Issued")
    assert (issued["issued_at"] is None) is in_process
    fresh.complete(issued_id)
    (done,) = [row for row in fresh.rows("rewards_issued") if row["id"] == issued_id]
    assert (done["status"], done["issued_at"] is None) == ("Issued", False)
    fresh.complete(issued_id)
    assert [row for row in fresh.rows("rewards_issued") if row["id"] == issued_id] == [done]


def test_issuing_a_part_leaves_the_rest(fresh: Sandbox):
    referrer, first = pair(fresh)
    for number in range(3):
        fresh.qualify(fresh.add_user(1, "More", f"more{number}@example.com", referrer_id=referrer))
    fresh.qualify(first)
    (row,) = [row for row in fresh.rows("rewards_due") if row["recipient_id"] == referrer]
    fresh.issue(row["id"], 3)
    assert [units for units, _ in due(fresh, referrer).values()] == [1]
    with pytest.raises(ValueError, match="cannot be issued"):
        fresh.issue(row["id"], 2)
    fresh.issue(row["id"])
    assert due(fresh, referrer) == {}
    assert [r["total_due"] for r in fresh.rows("rewards_issued") if r["recipient_id"] == referrer] == [3, 1]


def test_a_new_price_counts_for_what_is_due_alone(fresh: Sandbox):
    referrer, first = pair(fresh)
    fresh.qualify(first)
    (row,) = [row for row in fresh.rows("rewards_due") if row["recipient_id"] == referrer]
    second = fresh.add_user(1, "Second", "second@example.com", referrer_id=referrer)
    issued_id = fresh.issue(row["id"])
    fresh.qualify(second)
    fresh.reprice(row["reward_id"], "12.34")
    assert due(fresh, referrer) == {row["reward_id"]: (1, Decimal("12.34"))}
    (issued,) = [r for r in fresh.rows("rewards_issued") if r["id"] == issued_id]
    assert issued["total_value"] == row["total_value"]
    with pytest.raises(ValueError, match="decimals"):
        fresh.reprice(row["reward_id"], "0.0001")


def test_deleting_a_user(fresh: Sandbox, ask):
    grand = fresh.add_user(1, "Grand", "grand@example.com")
    referrer = fresh.add_user(1, "Parent", "parent@example.com", referrer_id=grand)
    friend = fresh.add_user(1, "Friend", "friend@example.com", referrer_id=referrer)
    fresh.qualify(friend)
    fresh.qualify(referrer)
    first = next(row for row in fresh.rows("rewards_due") if row["recipient_id"] == referrer)
    issued_id = fresh.issue(first["id"])
    coupon_id = fresh.issue_coupon(referrer)
    assert ask(fresh, "DELETE", f"/users/{referrer}").status_code == 200
    assert due(fresh, referrer) == {}
    assert any(row["id"] == issued_id for row in fresh.rows("rewards_issued"))
    assert user(fresh, friend)["referrer_id"] == referrer
    assert user(fresh, grand)["referrals_count"] == user(fresh, grand)["converted_referrals_count"] == 0
    assert due(fresh, grand) != {}  # what was earned stays
    (coupon,) = [row for row in fresh.rows("coupons") if row["id"] == coupon_id]
    assert (coupon["referral_id"], coupon["issued_at"]) == (None, f"{fresh.now:%Y-%m-%d}")
    assert ask(fresh, "GET", f"/users/{friend}?with=referrer").json()["data"]["referrer"] is None
    assert ask(fresh, "GET", "/rewards/issued?with=recipient&per_page=250").status_code == 200
    fresh.unqualify(friend)  # there is no unit left to reverse
    fresh.qualify(friend)
    assert due(fresh, referrer) == {}


def test_ids_of_deleted_users_are_not_reused(fresh: Sandbox):
    last = fresh.add_user(1)
    fresh.delete_user(last)
    assert fresh.add_user(1) > last


def test_actions_change_their_rows(fresh: Sandbox, ask):
    referrer, friend = pair(fresh)
    fresh.unsubscribe(friend)
    fresh.grow_reach(friend, 5)
    ask(fresh, "PUT", f"/users/{friend}", form="first_name=New&email=new@example.com")
    row = user(fresh, friend)
    assert (row["unsubscribed"], row["reach"], row["first_name"], row["email"]) == (True, 5, "New", "new@example.com")
    fresh.pause_campaign(1)
    assert [(r["status"], r["live"]) for r in fresh.rows("campaigns") if r["id"] == 1] == [("paused", False)]
    fresh.launch_campaign(1)
    assert [(r["status"], r["live"]) for r in fresh.rows("campaigns") if r["id"] == 1] == [("launched", True)]
    coupon_id = fresh.issue_coupon(friend)
    with pytest.raises(ValueError, match="already"):
        fresh.issue_coupon(friend)
    assert fresh.use_coupon(coupon_id)
    assert not fresh.use_coupon(coupon_id)
    assert due(fresh, referrer) != {}
    fresh.return_coupon(coupon_id)
    assert due(fresh, referrer) == {}
    fresh.delete_coupon(coupon_id)
    assert all(row["id"] != coupon_id for row in fresh.rows("coupons"))
    kinds = [event["kind"] for event in fresh.events() if event["at"] > "2026-01-05T08:00:00Z"]
    assert kinds[:5] == ["user_joined", "user_joined", "user_unsubscribed", "reach_grown", "user_edited"]
    assert {"coupon_issued", "coupon_used", "coupon_returned", "coupon_deleted", "campaign_paused"} <= set(kinds)


@pytest.mark.parametrize(
    "form",
    [
        "first_name=A&email=a@example.com",
        "first_name=A&email=a@example.com&campaign_id=x",
        "first_name=A&email=a@example.com&campaign_id=9999",
        "first_name=&email=a@example.com&campaign_id=1",
        "first_name=A&email=nobody&campaign_id=1",
        "first_name=A&email=a@example.com&campaign_id=1&referrer_id=9999",
        "first_name=A&email=a@example.com&campaign_id=1&referrer_code=nope",
        "first_name=A&email=a@example.com&campaign_id=1&notify=often",
        "first_name=A&email=a@example.com&campaign_id=1&shoe_size=43",
        "first_name[]=A&email=a@example.com&campaign_id=1",
    ],
)
def test_users_that_cannot_be_created(fresh: Sandbox, ask, form: str):
    before = fresh.rows("users"), fresh.now
    reply = ask(fresh, "POST", "/users", form=form)
    assert (reply.status_code, reply.json()["message"]) == (400, "Validation errors in your request")
    assert (fresh.rows("users"), fresh.now) == before


@pytest.mark.parametrize(
    ("form", "status"), [("code=nope", 404), ("coupon=nope", 404), ("", 400), ("code=x&shoe=1", 400)]
)
def test_inbound_webhooks_without_a_known_user(fresh: Sandbox, ask, form: str, status: int):
    assert ask(fresh, "POST", fresh.inbound_webhook_url, form=form).status_code == status


def test_the_inbound_webhook_needs_its_own_token(fresh: Sandbox, ask):
    code = fresh.rows("users")[0]["code"]
    url = f"{fresh.host_url}/webhook/{fresh.token}/qualify"
    assert ask(fresh, "POST", url, form=f"code={code}").status_code == 401


@pytest.mark.parametrize(
    "act",
    [
        lambda sandbox: sandbox.qualify(10**6),
        lambda sandbox: sandbox.issue(10**6),
        lambda sandbox: sandbox.complete(10**6),
        lambda sandbox: sandbox.reprice(10**6, 1),
        lambda sandbox: sandbox.use_coupon(10**6),
        lambda sandbox: sandbox.add_user(10**6),
        lambda sandbox: sandbox.pause_campaign(10**6),
    ],
)
def test_actions_on_missing_rows_change_nothing(fresh: Sandbox, act):
    before = fresh.events(), fresh.now
    with pytest.raises(NoSuchRow):
        act(fresh)
    assert (fresh.events(), fresh.now) == before


def test_every_action_moves_the_clock_and_reading_does_not(fresh: Sandbox, ask):
    start = fresh.now
    assert ask(fresh, "GET", "/users").headers["date"] == "Mon, 05 Jan 2026 08:00:00 GMT"
    fresh.grow_reach(fresh.rows("users")[0]["id"])
    assert ask(fresh, "GET", "/users").headers["date"] == "Mon, 05 Jan 2026 08:00:01 GMT"
    fresh.wait(3600)
    fresh.advance(days=2)
    assert (fresh.now - start).total_seconds() == 2 * 86_400
    assert ask(fresh, "GET", "/nothing").headers["date"] == "Wed, 07 Jan 2026 08:00:00 GMT"
