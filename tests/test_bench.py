"""The bench's server returns the requested rows, and its simplest loader (the floor) loses none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from tests.bench import floor
from tests.bench.account import Account
from tests.bench.server import Desk
from tests.bench.serving import Server, serving

USERS = 1200


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(USERS) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.base_url, headers={"Authorization": "Bearer made-up"}) as client:
        yield client


@pytest.fixture(scope="module")
def users(client: httpx.Client) -> list[dict[str, Any]]:
    return _walk(client, "users", {"with[]": "coupon", "order[field]": "id"})


def _walk(client: httpx.Client, path: str, params: dict[str, Any]) -> list[dict[str, Any]]:
    rows, page, last_page = [], 1, 1
    while page <= last_page:
        answer = client.get(path, params={**params, "per_page": 250, "page": page}).raise_for_status().json()
        assert answer["meta"]["per_page"] == 250
        last_page, page = answer["meta"]["last_page"], page + 1
        rows += answer["data"]
    assert len(rows) == answer["meta"]["total"]
    return rows


def _filters(*filters: tuple[str, str, object]) -> dict[str, Any]:
    parts = ("field", "operator", "value")
    return {f"filters[{n}][{part}]": v for n, f in enumerate(filters) for part, v in zip(parts, f, strict=True)}


def test_every_row_is_read_once(client: httpx.Client, users: list[dict[str, Any]], server: Server) -> None:
    assert [row["id"] for row in users] == list(range(1, USERS + 1))
    for path in ("campaigns", "rewards", "rewards/due", "rewards/issued"):
        ids = [row["id"] for row in _walk(client, path, {})]
        assert ids == list(range(1, server.rows[path] + 1)), path
    assert (server.rows["rewards/due"], server.rows["rewards/issued"]) == (USERS * 4 // 100, USERS * 6 // 100)
    assert server.rows["coupons"] == USERS // 10


def test_the_envelope_is_the_documented_one(client: httpx.Client, server: Server) -> None:
    page = client.get("users", params={"page": 3, "per_page": 100}).json()
    url = f"{server.base_url}/users"
    assert page["links"] == {
        "first": f"{url}?page=1",
        "last": f"{url}?page=12",
        "prev": f"{url}?page=2",
        "next": f"{url}?page=4",
    }
    assert page["meta"] == {
        **{"current_page": 3, "from": 201, "last_page": 12, "path": url, "per_page": 100, "to": 300, "total": USERS}
    }
    assert (page["code"], page["message"]) == (200, None)
    assert set(client.get("rewards/due").json()) == {"data", "links", "meta"}
    beyond = client.get("users", params={"page": 99}).json()
    assert (beyond["data"], beyond["meta"]["from"], beyond["meta"]["per_page"]) == ([], None, 25)
    nothing = client.get("users", params=_filters(("id", "gt", USERS))).json()
    assert (nothing["data"], nothing["meta"]["last_page"], nothing["meta"]["total"]) == ([], 1, 0)
    assert client.get("users", params={"per_page": 1000}).json()["meta"]["per_page"] == 250


@pytest.mark.parametrize(
    ("filters", "keeps"),
    [
        ([("id", "gt", 250)], lambda r: r["id"] > 250),
        ([("id", "gt", 100), ("id", "lte", 777)], lambda r: 100 < r["id"] <= 777),
        ([("id", "gte", 100), ("id", "lt", 101)], lambda r: r["id"] == 100),
        ([("id", "equal", 7)], lambda r: r["id"] == 7),
        ([("qualified_at", "gte", "2024-05-01")], lambda r: (r["qualified_at"] or "") >= "2024-05-01"),
        (
            [("date", "gte", "2024-01-01"), ("date", "lt", "2024-01-15")],
            lambda r: "2024-01-01" <= r["date"] < "2024-01-15",
        ),
        ([("date", "gt", "2023-12-31"), ("id", "lte", 500)], lambda r: r["date"] > "2023-12-31T0" and r["id"] <= 500),
        (
            [("unsubscribed_at", "lte", "2024-01-01")],
            lambda r: "" < (r["unsubscribed_at"] or "") <= "2024-01-01T00:00:00.0",
        ),
        ([("qualified", "equal", 1)], lambda r: r["qualified"]),
        (
            [("unsubscribed", "equal", 0), ("qualified", "equal", "true")],
            lambda r: r["qualified"] and not r["unsubscribed"],
        ),
    ],
)
def test_filters_keep_what_they_say(
    client: httpx.Client, users: list[dict[str, Any]], filters: list[Any], keeps: Callable[[Any], bool]
) -> None:
    expected = [row for row in users if keeps(row)]
    assert expected
    assert _walk(client, "users", {**_filters(*filters), "with[]": "coupon"}) == expected
    falling = _walk(
        client, "users", {**_filters(*filters), "with": "coupon", "order[field]": "id", "order[direction]": "desc"}
    )
    assert falling == expected[::-1]


def test_the_numbers_agree_with_each_other(client: httpx.Client, users: list[dict[str, Any]]) -> None:
    by_id = {row["id"]: row for row in users}
    rewards = {row["id"]: row for row in _walk(client, "rewards", {})}
    for row in users:
        own = [other for other in users if other["referrer_id"] == row["id"]]
        assert row["referrals_count"] == len(own)
        assert row["converted_referrals_count"] == sum(other["qualified"] for other in own)
        assert row["campaign_id"] == by_id[row["referrer_id"] or row["id"]]["campaign_id"]
        assert row["qualified"] == (row["qualified_at"] is not None)
        assert row["date"] <= (row["qualified_at"] or "9")
    owed = _walk(client, "rewards/due", {}) + _walk(client, "rewards/issued", {})
    assert len({(row["reward_id"], row["recipient_id"], row["status"], row["id"]) for row in owed}) == len(owed)
    for row in owed:
        reward = rewards[row["reward_id"]]
        assert row["total_value"] == pytest.approx(row["total_due"] * reward["value"])
        assert (row["reward_for"], row["reward_type"]) == (reward["reward_for"], reward["type"])
        assert reward["campaign_id"] == by_id[row["recipient_id"]]["campaign_id"]


def test_coupons_are_returned_with_users_and_by_name(client: httpx.Client, users: list[dict[str, Any]]) -> None:
    assert "coupon" not in client.get("users").json()["data"][0]
    held = [row["coupon"] for row in users if row["coupon"]]
    answer = client.get("coupons/" + held[5]["name"].replace(" ", "%20"), params={"with[]": "batch"}).json()
    assert answer["data"].pop("batch")["id"] == held[5]["batch_id"]
    assert answer["data"] == held[5]


@pytest.mark.parametrize(
    ("method", "path", "params", "status"),
    [
        ("GET", "coupons/nobody's", {}, 404),
        ("GET", "orders", {}, 404),
        ("POST", "users", {}, 405),
        ("GET", "users", {"campaign_id": 5}, 400),
        ("GET", "users", {"with[]": "referrer"}, 400),
        ("GET", "users", {"order[field]": "reach"}, 400),
        ("GET", "users", _filters(("first_name", "like", "a")), 400),
        ("GET", "users", _filters(("date", "gte", "yesterday")), 400),
        ("GET", "users", _filters(("id", "like", 1)), 400),
    ],
)
def test_the_server_of_the_bench_refuses_unknown_requests(
    client: httpx.Client, method: str, path: str, params: dict[str, Any], status: int
) -> None:
    assert client.request(method, path, params=params).status_code == status
    assert httpx.get(str(client.base_url) + "users").status_code == 401


def test_a_server_has_short_pages_of_rewards_a_batch_for_each_campaign_and_users_who_come_later() -> None:
    desk = Desk(Account(400, campaigns=40, reward_page_rows=7, later=30))

    def get(target: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(desk.answer("GET", f"/api/v1/{target}", True)[1])
        return found

    rewards = get("rewards?per_page=250")
    assert (rewards["meta"]["per_page"], rewards["meta"]["total"], len(rewards["data"])) == (7, 82, 7)
    assert get("users?per_page=250")["meta"]["per_page"] == 250
    assert len({coupon["batch_id"] for coupon in desk.account.coupons.values()}) > 15
    for row in (get(f"rewards/issued?page={page}") for page in (1, 2, 3)):
        assert {issued["reward_id"] for issued in row["data"]} <= set(range(1, 83))
    filters = "filters[0][field]=date&filters[0][operator]=gte&filters[0][value]=2025-06-24"
    assert (get("users")["meta"]["total"], get(f"users?{filters}")["meta"]["total"]) == (400, 0)
    assert desk.answer("GET", "/_bench/grow", True)[0] == 200
    assert (get("users")["meta"]["total"], get(f"users?{filters}")["meta"]["total"]) == (430, 30)


def test_calls_beyond_the_limit_of_a_minute_are_refused() -> None:
    now = [0.0]
    desk = Desk(Account(10), calls_per_minute=2, clock=lambda: now[0])
    found = []
    for now[0] in (0, 30, 59.9, 60, 61, 90):
        found.append(desk.answer("GET", "/api/v1/users", True)[0])
    assert found == [200, 200, 429, 200, 429, 200]
    assert json.loads(desk.answer("GET", "/_bench/stats", True)[1])["refused"] == 2


def test_calls_are_counted_between_two_requests(server: Server, client: httpx.Client) -> None:
    server.answered()
    client.get("users")
    client.get("campaigns")
    assert [server.answered(), server.answered()] == [2, 0]


def test_the_same_size_is_the_same_account() -> None:
    first, second = (Desk(Account(60)).answer("GET", "/api/v1/users?per_page=250", True) for _ in range(2))
    assert first == second


def test_the_floor_loads_every_row(server: Server, client: httpx.Client, tmp_path: Path) -> None:
    counts = floor.run(server.base_url, tmp_path / "floor.duckdb")
    assert counts == {path: rows for path, rows in server.rows.items() if path != "coupons"}
    issued = _walk(client, "rewards/issued", {})
    with duckdb.connect(tmp_path / "floor.duckdb", read_only=True) as database:
        total, nulls = database.execute(
            "select sum(total_value), count(*) - count(issued_at) from rewards_issued"
        ).fetchall()[0]
        coupons = database.execute("select count(*) from users where coupon is not null").fetchall()[0][0]
    assert float(total) == pytest.approx(sum(row["total_value"] for row in issued))
    assert nulls == sum(row["issued_at"] is None for row in issued) > 0
    assert coupons == server.rows["coupons"]
