"""The seeded account and simulated days: realistic shapes, the same for the same seed, totals exact to the cent."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime
from decimal import Decimal
from math import exp, sqrt
from pathlib import Path
from typing import Any

import pytest

from referral_warehouse.sandbox import Sandbox

TABLES = ("campaigns", "users", "rewards", "rewards_due", "rewards_issued", "coupons")
Key = tuple[int, int]


def everything(sandbox: Sandbox) -> dict[str, Any]:
    return {name: sandbox.rows(name) for name in TABLES} | {"events": sandbox.events(), "now": sandbox.now}


def simulated(days: int, users: int = 200, seed: int = 5, path: Path | None = None) -> dict[str, Any]:
    with Sandbox(path, users=users, seed=seed) as sandbox:
        sandbox.advance(days)
        return everything(sandbox)


@pytest.fixture(scope="module")
def month() -> dict[str, Any]:
    return simulated(30)


def test_the_same_seed_makes_the_same_month(month: dict[str, Any]):
    assert simulated(30) == month


def test_another_seed_makes_another_account():
    assert simulated(0, seed=5)["users"] != simulated(0, seed=6)["users"]


def test_an_account_in_a_file_continues_where_it_stopped(tmp_path: Path, month: dict[str, Any]):
    path = tmp_path / "world.sqlite"
    first = simulated(12, path=path)
    again = simulated(0, path=path, users=9, seed=99)  # users and seed apply to new accounts only
    assert again == first
    assert simulated(18, path=path) == month


def test_actions_between_days_do_not_change_the_calendar():
    with Sandbox(users=50, seed=1) as sandbox:
        start = sandbox.now
        for user in sandbox.rows("users")[:20]:
            sandbox.grow_reach(user["id"])
        sandbox.advance(2)
        assert (sandbox.now - start).days == 2
        times = [event["at"] for event in sandbox.events()]
        assert times == sorted(times)


def owed(events: list[dict[str, Any]]) -> tuple[dict[Key, list[Any]], dict[Key, list[Any]], dict[Key, list[Any]]]:
    """Due, in process and issued per reward and recipient, from the event log alone."""
    signs = {
        "accrued": (1, 0, 0), "repriced": (1, 0, 0), "reversed": (-1, 0, 0), "issued": (-1, 0, 1),
        "in_process": (-1, 1, 0), "completed": (0, -1, 1),
    }  # fmt: skip
    books: tuple[dict[Key, list[Any]], ...] = tuple(defaultdict(lambda: [0, Decimal(0)]) for _ in range(3))
    for event in events:
        for sign, book in zip(signs.get(event["kind"], (0, 0, 0)), books, strict=True):
            if sign:
                entry = book[(event["reward_id"], event["recipient_id"])]
                entry[0] += sign * event["count"]
                entry[1] += sign * Decimal(event["value"])
    due, in_process, issued = ({key: entry for key, entry in book.items() if entry[0]} for book in books)
    return due, in_process, issued


def table(rows: list[dict[str, Any]]) -> dict[Key, list[Any]]:
    book: dict[Key, list[Any]] = defaultdict(lambda: [0, Decimal(0)])
    for row in rows:
        entry = book[(row["reward_id"], row["recipient_id"])]
        entry[0] += row["total_due"]
        entry[1] += row["total_value"]
    return dict(book)


@pytest.mark.parametrize(("users", "seed", "days"), [(200, 5, 0), (200, 5, 30), (0, 1, 30), (900, 2, 12), (30, 9, 40)])
def test_the_event_log_adds_up_to_the_tables(users: int, seed: int, days: int):
    world = simulated(days, users, seed)
    due, in_process, issued = owed(world["events"])
    assert due == table(world["rewards_due"])
    assert in_process == table([row for row in world["rewards_issued"] if row["issued_at"] is None])
    assert issued == table([row for row in world["rewards_issued"] if row["issued_at"]])
    assert all(row["total_value"] == row["total_due"] * row["reward_value"] for row in world["rewards_due"])


@pytest.mark.parametrize(("users", "seed", "days"), [(200, 5, 0), (200, 5, 30), (900, 2, 12)])
def test_counts_and_references_are_consistent(users: int, seed: int, days: int):
    world = simulated(days, users, seed)
    people = {row["id"]: row for row in world["users"]}
    referrals = Counter(row["referrer_id"] for row in people.values())
    converted = Counter(row["referrer_id"] for row in people.values() if row["qualified"])
    campaigns = {row["id"]: row for row in world["campaigns"]}
    now = f"{world['now']:%Y-%m-%dT%H:%M:%S}"
    for row in people.values():
        assert (row["referrals_count"], row["converted_referrals_count"]) == (
            referrals[row["id"]],
            converted[row["id"]],
        )
        assert row["qualified"] is (row["qualified_at"] is not None)
        assert row["unsubscribed"] is (row["unsubscribed_at"] is not None)
        assert row["campaign_id"] in campaigns
        assert all(row["date"] <= (row[name] or now) <= f"{now}Z" for name in ("qualified_at", "unsubscribed_at"))
        referrer = people.get(row["referrer_id"])
        if referrer:
            assert (referrer["campaign_id"], referrer["id"] < row["id"]) == (row["campaign_id"], True)
    holders = [row["referral_id"] for row in world["coupons"] if row["referral_id"]]
    assert len(holders) == len(set(holders))
    assert set(holders) <= set(people)
    assert all(row["issued_at"] for row in world["coupons"] if row["used_at"] or row["referral_id"])
    assert {row["recipient_id"] for row in world["rewards_due"]} <= set(people)
    keys = [(row["reward_id"], row["recipient_id"]) for row in world["rewards_due"]]
    assert len(keys) == len(set(keys))
    for row in campaigns.values():
        started = row["starts_at"] is None or row["starts_at"][:19] <= now
        over = row["ends_at"] is not None and row["ends_at"][:19] <= now
        assert row["live"] is (row["status"] == "launched" and started and not over)


def test_ids_of_due_rows_are_never_reused():
    with Sandbox(users=150, seed=4) as sandbox:
        keys: dict[int, Key] = {}
        for _ in range(25):
            for row in sandbox.rows("rewards_due"):
                key = (row["reward_id"], row["recipient_id"])
                assert keys.setdefault(row["id"], key) == key
            sandbox.advance()
        events = [event for event in sandbox.events() if event["due_id"]]
        for event in events:
            key = (event["reward_id"], event["recipient_id"])
            assert keys.setdefault(event["due_id"], key) == key


def test_a_month_has_everything_that_can_happen(month: dict[str, Any]):
    kinds = Counter(event["kind"] for event in month["events"] if event["at"] > "2026-01-05T08")
    assert {
        "user_joined", "user_qualified", "user_unqualified", "user_unsubscribed", "user_edited", "user_deleted",
        "reach_grown", "accrued", "reversed", "issued", "in_process", "completed", "reward_priced", "coupon_issued",
        "coupon_used",
    } <= set(kinds)  # fmt: skip
    assert kinds["user_joined"] >= 90
    assert any(kind.startswith("campaign_") for kind in kinds)


def test_people_qualify_on_simulated_days_by_the_distribution_of_the_past():
    with Sandbox(users=3000, seed=3) as sandbox:
        start = sandbox.now
        waiting = {
            row["id"]: (start - datetime.fromisoformat(row["date"])).total_seconds() / 86_400
            for row in sandbox.rows("users") if row["referrer_id"] and not row["qualified"]
        }  # fmt: skip
        sandbox.advance(28)
        qualified = {event["user_id"] for event in sandbox.events() if event["kind"] == "user_qualified"}
    open_after = {age: 1 - 0.4 * (1 - exp(-age / 12)) for days in waiting.values() for age in (days, days + 28)}
    chances = [1 - open_after[days + 28] / open_after[days] for days in waiting.values()]
    deviation = sqrt(sum(chance * (1 - chance) for chance in chances))
    assert sum(chances) > 30
    assert abs(len(qualified & waiting.keys()) - sum(chances)) < 3 * deviation


def test_the_account_has_the_shape_of_a_real_one():
    with Sandbox(users=2000, seed=7) as sandbox:
        people = {row["id"]: row for row in sandbox.rows("users")}
        campaigns, rewards, coupons = sandbox.rows("campaigns"), sandbox.rows("rewards"), sandbox.rows("coupons")
    assert {row["status"] for row in campaigns} == {"launched", "draft", "paused"}
    assert any(row["starts_at"] for row in campaigns)
    assert any(row["ends_at"] for row in campaigns)
    assert {row["source"] for row in people.values()} == {"Direct", "Referred", "Added", "API"}
    counts = sorted((row["referrals_count"] for row in people.values()), reverse=True)
    assert sum(counts[: len(counts) // 10]) > 0.5 * sum(counts)  # a tenth of the people bring half of the referrals
    depth: dict[int, int] = {}
    for row in people.values():
        depth[row["id"]] = depth.get(row["referrer_id"], -1) + 1
    assert max(depth.values()) >= 100
    assert any(row["referrer_id"] not in people for row in people.values() if row["referrer_id"])  # orphans
    assert any(not row["first_name"].isascii() for row in people.values())
    assert {type(row["meta"]) for row in people.values()} == {dict, list}
    assert any(len(str(row["meta"])) > 2000 for row in people.values())
    assert any(None in row["meta"].values() for row in people.values() if row["meta"])
    assert any(row["sharing"] == [] for row in people.values())
    assert all(
        row["email"].lower().rpartition("@")[2].startswith(("example.", "mail.example.")) for row in people.values()
    )
    assert len({row["type"] for row in rewards}) == 4
    assert any(row["value"] != row["value"].to_integral_value() for row in rewards)
    names = "".join(row["name"] for row in coupons)
    assert all(sign in names for sign in ("/", "%", "?", "#", " ", "🎁", "&", "+"))
    assert any(row["referral_id"] is None for row in coupons)


@pytest.mark.parametrize("users", [0, 1, 2])
def test_tiny_accounts_can_be_simulated(users: int):
    world = simulated(5, users)
    assert len(world["users"]) > users
    assert len({row["id"] for row in world["users"]}) == len(world["users"])


def test_rows_that_are_committed_late():
    with Sandbox(users=5) as sandbox:
        late = sandbox.now.replace(day=3)
        user_id = sandbox.add_user(1, "Late", "late@example.com", joined_at=late)
        sandbox.qualify(user_id, at=late)
        (row,) = [row for row in sandbox.rows("users") if row["id"] == user_id]
        assert (row["date"], row["qualified_at"]) == ("2026-01-03T08:00:00.000000Z",) * 2
