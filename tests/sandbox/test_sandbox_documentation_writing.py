"""Documentation examples that write or name coupons, and error codes; test_sandbox_documentation.py has the others."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from referral_warehouse.sandbox import Quirks, Sandbox

USER = [
    "id", "campaign_id", "referrer_id", "qualified", "qualified_at", "unsubscribed", "unsubscribed_at", "first_name",
    "email", "code", "reach", "referrals_count", "converted_referrals_count", "source", "date", "url", "meta",
    "sharing", "sharing_message",
]  # fmt: skip
COUPON = ["id", "name", "referral_id", "batch_id", "issued_at", "used_at"]
BATCH = ["id", "name", "campaign_id", "created_at"]
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000000Z")


def test_create_a_user(fresh: Sandbox, ask):
    reply = ask(fresh, "POST", "/users", form="campaign_id=1&&first_name=John&email=john@example.com")
    body = reply.json()
    assert (reply.status_code, body["code"], body["message"]) == (201, 201, "User successfully added.")
    assert list(body["data"]) == [*USER, "campaign", "referrer"]
    assert body["data"]["meta"] == {}
    assert body["data"]["source"] == "API"
    assert body["data"]["qualified"] is False
    assert body["data"]["date"] == f"{fresh.now:%Y-%m-%dT%H:%M:%S}.000000Z"
    assert next(row for row in fresh.rows("users") if row["id"] == body["data"]["id"])["first_name"] == "John"


def test_update_a_user(fresh: Sandbox, ask):
    user = next(row for row in fresh.rows("users") if not row["qualified"] and row["referrer_id"])
    reply = ask(fresh, "PUT", f"/users/{user['id']}", form="qualified=1")
    body = reply.json()
    assert (reply.status_code, body["code"], body["message"]) == (200, 200, "User successfully updated.")
    assert list(body["data"]) == [*USER, "campaign", "referrer"]
    assert body["data"]["qualified"] is True
    assert ISO.fullmatch(body["data"]["qualified_at"])


def test_delete_a_user(fresh: Sandbox, ask):
    user_id = fresh.rows("users")[0]["id"]
    body = ask(fresh, "DELETE", f"/users/{user_id}").json()
    assert (body["code"], body["message"]) == (200, "User successfully deleted.")
    assert list(body["data"]) == USER
    assert body["data"]["id"] == user_id
    assert ask(fresh, "GET", f"/users/{user_id}").status_code == 404


def _issued(world: Sandbox) -> dict[str, object]:
    return next(row for row in world.rows("coupons") if row["referral_id"])


def test_a_coupon_by_its_name(world: Sandbox, ask):
    coupon = _issued(world)
    body = ask(world, "GET", f"/coupons/{quote(str(coupon['name']), safe='')}").json()
    assert (body["code"], body["message"]) == (200, "Single Coupon Response")
    assert body["data"] == {name: coupon[name] for name in COUPON}


def test_a_coupon_with_its_relations(world: Sandbox, data):
    coupon = _issued(world)
    row = data(world, f"/coupons/{quote(str(coupon['name']), safe='')}?with[]=referral&with[]=batch&")
    assert list(row) == [*COUPON, "referral", "batch"]
    assert list(row["referral"]) == USER
    assert list(row["batch"]) == BATCH
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", row["batch"]["created_at"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", row["issued_at"])


def test_a_coupon_with_some_fields_of_its_relations(world: Sandbox, data):
    query = "with[]=referral&with[]=batch&fields.referral=id,first_name,email&fields.batch=id,name"
    row = data(world, f"/coupons/{quote(str(_issued(world)['name']), safe='')}?{query}")
    assert list(row["referral"]) == ["id", "first_name", "email"]
    assert list(row["batch"]) == ["id", "name"]


@pytest.mark.parametrize("parameter", ["qualified", "qualifed"])
def test_qualify_with_a_coupon(fresh: Sandbox, ask, parameter: str):
    user = next(r for r in fresh.rows("users") if not r["qualified"] and r["campaign_id"] == 1)
    held = {row["referral_id"]: row for row in fresh.rows("coupons")}
    coupon_id = held[user["id"]]["id"] if user["id"] in held else fresh.issue_coupon(user["id"])
    coupon = next(row for row in fresh.rows("coupons") if row["id"] == coupon_id)
    path = f"/coupons/{quote(coupon['name'], safe='')}/qualification"
    reply = ask(fresh, "POST", path, form=f"{parameter}=1")
    assert reply.json() == {
        "code": 200,
        "message": "Coupon marked as used and related user marked as qualified successfully.",
    }
    after = next(row for row in fresh.rows("users") if row["id"] == user["id"])
    used = next(row for row in fresh.rows("coupons") if row["id"] == coupon_id)
    assert after["qualified"]
    assert used["used_at"] == f"{fresh.now:%Y-%m-%d}"


def test_the_inbound_webhook_with_a_code(fresh: Sandbox, ask):
    user = next(row for row in fresh.rows("users") if not row["qualified"])
    reply = ask(fresh, "POST", fresh.inbound_webhook_url, form=f"code={user['code']}", headers={"Authorization": ""})
    assert (reply.status_code, reply.json()) == (201, {"code": 201, "message": "User has now been qualified."})
    assert next(row for row in fresh.rows("users") if row["id"] == user["id"])["qualified"]


def test_the_inbound_webhook_with_a_coupon(fresh: Sandbox, ask):
    held = {row["referral_id"]: row for row in fresh.rows("coupons") if row["referral_id"]}
    user = next(row for row in fresh.rows("users") if row["id"] in held and not row["qualified"])
    form = f"coupon={quote(held[user['id']]['name'], safe='')}"
    reply = ask(fresh, "POST", fresh.inbound_webhook_url, form=form, headers={"Authorization": ""})
    assert (reply.status_code, reply.json()) == (201, {"code": 201, "message": "User has now been qualified."})
    assert next(row for row in fresh.rows("users") if row["id"] == user["id"])["qualified"]
    assert next(row for row in fresh.rows("coupons") if row["referral_id"] == user["id"])["used_at"]


def test_validation_errors(fresh: Sandbox, ask):
    reply = ask(fresh, "POST", "/users", form="campaign_id=1&first_name=John")
    assert reply.status_code == 400
    assert reply.json() == {
        "code": 400,
        "message": "Validation errors in your request",
        "errors": {"email": [{"field": "email", "message": "The email field is required."}]},
    }


@pytest.mark.parametrize(
    ("method", "path", "headers", "quirks", "code"),
    [
        ("GET", "/users?per_page=0", {}, Quirks(), 400),
        ("GET", "/users", {"Authorization": "Bearer wrong"}, Quirks(), 401),
        ("GET", "/users", {}, Quirks(blocked=True), 403),
        ("GET", "/nothing", {}, Quirks(), 404),
        ("GET", "/users/999999999", {}, Quirks(), 404),
        ("PATCH", "/users/1", {}, Quirks(), 405),
        ("GET", "/users", {"Accept": "text/html"}, Quirks(), 406),
        ("GET", "/users", {}, Quirks(fail_every=1, fail_status=410), 410),
        ("GET", "/users", {}, Quirks(throttle_every=1), 429),
        ("GET", "/users", {}, Quirks(fail_every=1), 500),
        ("GET", "/users", {}, Quirks(fail_every=1, fail_status=503), 503),
    ],
)
def test_each_error_code(
    world: Sandbox, ask, method: str, path: str, headers: dict[str, str], quirks: Quirks, code: int
):
    world.set_quirks(quirks)
    reply = ask(world, method, path, headers=headers)
    assert reply.status_code == code
    assert reply.headers["content-type"] == "application/json"
    assert reply.json()["code"] == code
    assert reply.json()["message"]
