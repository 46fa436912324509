"""Filters, order, fields and pages against the account's rows; refusals; PHP query strings; coupon names."""

from __future__ import annotations

import operator
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest

from referral_warehouse.sandbox import Quirks, Sandbox

COMPARE = {"gt": operator.gt, "lt": operator.lt, "gte": operator.ge, "lte": operator.le, "equal": operator.eq}
PATHS = {
    "campaigns": "/campaigns", "users": "/users", "rewards": "/rewards", "rewards_due": "/rewards/due",
    "rewards_issued": "/rewards/issued",
}  # fmt: skip


def read_pages(ask, sandbox: Sandbox, path: str, query: str = "") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    page = 1
    while True:
        body = ask(sandbox, "GET", f"{path}?per_page=250&page={page}&{query}").json()
        rows += body["data"]
        if page >= body["meta"]["last_page"]:
            return rows
        page += 1


def plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with money as the JSON numbers of the API."""
    return [{k: float(v) if isinstance(v, Decimal) else v for k, v in row.items()} for row in rows]


@pytest.mark.parametrize("name", PATHS)
def test_every_list_equals_the_rows_of_the_account(world: Sandbox, ask, name: str):
    assert read_pages(ask, world, PATHS[name]) == plain(world.rows(name))
    assert len(world.rows(name)) > 5


FILTERS = [
    ("users", "id", 57),
    ("users", "referrals_count", 2),
    ("users", "reach", 5),
    ("users", "qualified", 1),
    ("users", "source", "Added"),
    ("users", "first_name", "Maximiliana Theodora"),
    ("rewards", "value", "25.5"),
    ("rewards", "value", "3.33"),
    ("rewards_due", "total_value", 150),
    ("rewards_due", "reward_value", "19.99"),
    ("rewards_issued", "status", "Issued"),
    ("campaigns", "live", 1),
]


@pytest.mark.parametrize("word", COMPARE)
@pytest.mark.parametrize(("name", "field", "value"), FILTERS)
def test_filters_compare(world: Sandbox, ask, name: str, field: str, value: Any, word: str):
    query = f"filters[a][field]={field}&filters[a][operator]={word}&filters[a][value]={value}"
    wanted = Decimal(str(value)) if field in ("value", "total_value", "reward_value") else value
    expected = [r for r in world.rows(name) if r[field] is not None and COMPARE[word](r[field], wanted)]
    assert read_pages(ask, world, PATHS[name], query) == plain(expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("2025-11-03", "day"), ("2025-11-03 12:00:00", "noon"), ("2025-11-03T14:00:00%2B02:00", "noon")],
)
@pytest.mark.parametrize("word", COMPARE)
def test_filters_on_times_accept_days_and_times(world: Sandbox, ask, value: str, expected: str, word: str):
    rows = read_pages(
        ask, world, "/users", f"filters[0][field]=date&filters[0][operator]={word}&filters[0][value]={value}"
    )
    cut, at = (10, "2025-11-03") if expected == "day" else (19, "2025-11-03T12:00:00")
    compared = [r["id"] for r in world.rows("users") if COMPARE[word](r["date"][:cut], at)]
    assert [row["id"] for row in rows] == compared


def test_like_is_literal_and_ignores_case(world: Sandbox, ask):
    rows = read_pages(
        ask, world, "/users", "filters[0][field]=email&filters[0][operator]=like&filters[0][value]=PERSON1"
    )
    assert {r["id"] for r in rows} == {r["id"] for r in world.rows("users") if "person1" in r["email"].lower()}
    assert rows
    for sign in ("%25", "_"):
        query = f"filters[0][field]=email&filters[0][operator]=like&filters[0][value]={sign}"
        assert read_pages(ask, world, "/users", query) == []


def test_several_filters_are_combined_with_and(world: Sandbox, ask):
    query = (
        "filters[0][field]=id&filters[0][operator]=gte&filters[0][value]=50&"
        "filters[x][field]=id&filters[x][operator]=lt&filters[x][value]=90&filters[2][field]=qualified&filters[2][value]=1"
    )
    expected = [r["id"] for r in world.rows("users") if 50 <= r["id"] < 90 and r["qualified"]]
    assert expected
    assert [row["id"] for row in read_pages(ask, world, "/users", query)] == expected


def test_order_defaults_to_ascending_and_ties_are_broken_by_id(world: Sandbox, ask):
    rows = read_pages(ask, world, "/users", "order[field]=referrals_count")
    assert [(r["referrals_count"], r["id"]) for r in rows] == sorted((r["referrals_count"], r["id"]) for r in rows)


REFUSED = [
    "campaign_id=5",
    "per_pge=10",
    "per_page=251",
    "per_page=x",
    "with=friends",
    "with=users",
    "with=campaign,referrer",
    "fields=id,nme",
    "with=campaign&fields.campaign=id,nme",
    "fields.friends=id",
    "order=id",
    "order[field]=shoe_size",
    "order[field]=meta",
    "order[field]=id&order[direction]=down",
    "order[field]=id&order[sense]=desc",
    "filters=1",
    "filters[0]=id",
    "filters[0][value]=1",
    "filters[0][field]=id",
    "filters[0][field]=id&filters[0][value]=",
    "filters[0][field]=shoe_size&filters[0][value]=1",
    "filters[0][field]=meta&filters[0][value]=1",
    "filters[0][field]=id&filters[0][operator]=eq&filters[0][value]=1",
    "filters[0][field]=id&filters[0][value]=abc",
    "filters[0][field]=id&filters[0][value]=NaN",
    "filters[0][field]=qualified&filters[0][value]=maybe",
    "filters[0][field]=date&filters[0][value]=yesterday",
    "filters[0][field]=id&filters[0][vlaue]=1&filters[0][value]=1",
    "filters[field]=id&filters[value]=1",
]


@pytest.mark.parametrize("query", REFUSED)
def test_undocumented_parameters_are_refused(world: Sandbox, ask, query: str):
    reply = ask(world, "GET", f"/users?{query}")
    assert reply.status_code == 400
    body = reply.json()
    assert body["message"] == "Validation errors in your request"
    assert all(item["field"] == field and item["message"] for field, items in body["errors"].items() for item in items)


@pytest.mark.parametrize("path", ["/users/1", "/campaigns/1", "/rewards/1"])
def test_single_rows_refuse_unknown_parameters_too(world: Sandbox, ask, path: str):
    assert ask(world, "GET", f"{path}?page=1").status_code == 400
    world.set_quirks(Quirks(ignore_unknown_parameters=True))
    assert ask(world, "GET", f"{path}?page=1").status_code == 200


@pytest.mark.parametrize(("page", "shown"), [("0", 1), ("1", 1), ("-3", 1), ("x", 1), ("2", 2)])
def test_an_invalid_page_number_means_the_first_page(world: Sandbox, ask, page: str, shown: int):
    assert ask(world, "GET", f"/users?page={page}").json()["meta"]["current_page"] == shown


def test_a_page_past_the_end_is_empty(world: Sandbox, ask):
    reply = ask(world, "GET", "/users?page=9999")
    body = reply.json()
    assert (reply.status_code, body["data"]) == (200, [])
    assert (body["meta"]["from"], body["meta"]["to"], body["meta"]["current_page"]) == (None, None, 9999)
    assert (body["links"]["next"], body["meta"]["total"]) == (None, len(world.rows("users")))


def test_an_empty_list_has_one_page(world: Sandbox, ask):
    body = ask(world, "GET", "/users?filters[0][field]=id&filters[0][value]=0").json()
    assert (body["data"], body["meta"]["last_page"], body["meta"]["total"]) == ([], 1, 0)
    assert body["links"]["last"].endswith("?page=1")


@pytest.mark.parametrize(
    "query",
    [
        "filters%5B0%5D%5Bfield%5D=id&filters%5B0%5D%5Bvalue%5D=7",
        "filters[0][field]=id&&filters[0][operator]=equal&&filters[0][value]=7",
        "filters[][field]=id&filters[0][value]=7",
        "filters[0][field]=name&filters[0][field]=id&filters[0][value]=3&filters[0][value]=7",
    ],
)
def test_query_strings_are_read_as_php_reads_them(world: Sandbox, data, query: str):
    assert [row["id"] for row in data(world, f"/users?{query}")] == [7]


def test_a_dot_in_a_name_is_an_underscore_to_php(world: Sandbox, data):
    assert data(world, "/users?with=campaign&fields_campaign=id")[0]["campaign"].keys() == {"id"}


def test_the_fields_of_a_relation_may_hide_its_key(world: Sandbox, data):
    rows = data(world, "/users?fields=email&with[]=referrer&fields.referrer=email&per_page=250")
    assert all(list(row) == ["email", "referrer"] for row in rows)
    assert any(row["referrer"] for row in rows)


@pytest.mark.parametrize("accept", ["*/*", "application/*", "text/html, application/json;q=0.5", "", None])
def test_accept_headers_that_permit_json(world: Sandbox, http, accept: str | None):
    headers = {"Authorization": f"Bearer {world.token}"}
    request = http.build_request("GET", f"{world.base_url}/campaigns", headers=headers)
    del request.headers["Accept"]
    if accept is not None:
        request.headers["Accept"] = accept
    assert http.send(request).status_code == 200


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "application/json;q=0"])
def test_accept_headers_that_exclude_json(world: Sandbox, ask, accept: str):
    assert ask(world, "GET", "/campaigns", headers={"Accept": accept}).status_code == 406


@pytest.mark.parametrize("header", ["", "Bearer", "Basic sandbox-token", "Bearer sandbox-tokén", "sandbox-token"])
def test_without_the_token_nothing_is_shown(world: Sandbox, ask, header: str):
    reply = ask(world, "GET", "/users", headers={"Authorization": header.encode()})
    assert (reply.status_code, reply.json()["code"]) == (401, 401)
    assert not world.calls[-1].authorized


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/campaigns"), ("PUT", "/users"), ("POST", "/users/1"), ("DELETE", "/rewards/1"),
     ("POST", "/rewards/due"), ("POST", "/coupons/x"), ("GET", "/coupons/x/qualification"), ("PUT", "/coupons/x")],
)  # fmt: skip
def test_methods_that_a_path_does_not_have(world: Sandbox, ask, method: str, path: str):
    reply = ask(world, method, path)
    assert (reply.status_code, reply.json()["code"]) == (405, 405)
    assert reply.headers["allow"]


@pytest.mark.parametrize(
    "path", ["/users/abc", "/users/1/x", f"/users/{10**30}", "/rewards/x", "/coupons", "/", "/coupons/%FF"]
)
def test_unknown_paths(world: Sandbox, ask, path: str):
    assert ask(world, "GET", path).status_code == 404


NAMES = [
    "plain", "two words", "a/b", "100%", "50%25", "what?", "#1", "🎁", "a+b=c&d", "x/qualification", "/", "ends/",
    ";,:@", "日本 語", "quote\"'<>", "back\\slash", "%2F", "..x",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_coupon_names_of_every_kind(fresh: Sandbox, ask, name: str):
    fresh.add_coupon(name, 1)
    path = f"/coupons/{quote(name, safe='')}"
    assert ask(fresh, "GET", path).json()["data"]["name"] == name
    refused = ask(fresh, "POST", f"{path}/qualification", form="qualified=1")
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["coupon"])  # it is not issued yet
    coupon_id = next(row["id"] for row in fresh.rows("coupons") if row["name"] == name)
    free = {row["id"] for row in fresh.rows("users")} - {row["referral_id"] for row in fresh.rows("coupons")}
    fresh.issue_coupon(min(free), coupon_id)
    assert ask(fresh, "POST", f"{path}/qualification", form="qualified=1").status_code == 200
    assert ask(fresh, "GET", path).json()["data"]["used_at"] == f"{fresh.now:%Y-%m-%d}"


def test_every_seeded_coupon_is_found_by_its_name(world: Sandbox, data):
    for coupon in world.rows("coupons")[::7]:
        assert data(world, f"/coupons/{quote(coupon['name'], safe='')}")["id"] == coupon["id"]
