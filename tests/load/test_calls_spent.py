"""What a first load costs, and what each call was for: by the log of runs and by what the server received."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import duckdb
import pytest

from referral_warehouse.api.client import Client
from referral_warehouse.api.retry import RetryPolicy
from referral_warehouse.sandbox import Quirks
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.connection import draft_path
from tests.load.accounts import Account

MORE = 12
"""Calls of a first load beside the pages of the lists and one a batch: counts, ends of lists, the list of coupons."""
LISTS = ("campaigns", "users", "rewards/issued", "rewards/due", "rewards")


@pytest.fixture(autouse=True)
def models_on_runs(models_of: Callable[..., None]) -> None:
    models_of("ops.run_streams", "ops.runs")


def purpose(path: str, query: str) -> str:
    """What a call was for, by its path and parameters."""
    parameters = dict(parse_qsl(query))
    if path.startswith("coupons/"):
        return "name"
    if parameters.get("per_page") == "1":
        return "count"
    if any(value == "lte" for value in parameters.values()) and "page" not in parameters:
        return "bounded"
    return "page"


def seen(account: Account) -> list[str]:
    prefix = "/api/v1/"
    return [purpose(call.path.removeprefix(prefix), str(call.query)) for call in account.world.calls]


def logged(account: Account) -> dict[str, int]:
    """Calls by purpose, of the last run, as the published table has them."""
    build(account.settings)
    columns = ["page", "count", "name", "reread", "retry"]
    sums = ", ".join(f"sum({name}_calls_count)::bigint" for name in columns)
    with duckdb.connect(str(draft_path(account.settings)), read_only=True) as connection:
        row: Any = connection.execute(
            f"select {sums}, sum(calls_count)::bigint from ops.run_streams "
            "where run_id = (select max(run_id) from ops.runs)"
        ).fetchone()
    assert sum(row[:-1]) == row[-1]
    return dict(zip(columns, row[:-1], strict=True))


def test_a_first_load_costs_its_pages_and_a_call_for_each_batch_and_little_more(fresh: Callable[..., Account]) -> None:
    account = fresh(users=1_300)
    left: list[int] = []
    report = account.load(
        slice_rows=500,
        progress=lambda stage, facts: left.append(facts.get("calls_left", 0)) if stage == "users" else None,
    )
    assert left == sorted(left, reverse=True)
    assert 1 <= left[0] <= 4, "progress reports how many of the six pages are left"
    assert left[-1] == 0
    rows = {"rewards/issued": "rewards_issued", "rewards/due": "rewards_due"}
    pages = sum(max(1, -(-len(account.world.rows(rows.get(path, path))) // 250)) for path in LISTS)
    batches = account.one("select count(distinct batch_id) from raw.coupons")
    assert batches > 1
    assert report.calls <= pages + batches + MORE
    calls = seen(account)
    assert calls.count("name") == batches
    found = logged(account)
    assert (found["name"], found["count"], found["retry"]) == (batches, calls.count("count"), 0)
    assert found["reread"] == 0
    assert account.differences() == {}


def test_repairs_and_repetitions_are_counted_apart(larger: Account) -> None:
    account = larger
    people = [row["id"] for row in account.world.rows("users") if not row["referrer_id"]]
    account.world.delete_user(people[len(people) // 2])
    account.world.set_quirks(Quirks(reset_every=9))
    account.world.wait(86_400)
    account.load(refresh_calls=3, client=Client(account.settings, policy=RetryPolicy(base_s=0.0)))
    resets = sum(call.status == 0 for call in account.world.calls)
    found = logged(account)
    assert found["retry"] == resets > 1
    assert found["reread"] >= 4, "the page of who is gone, and three of those that were read longest ago"
    assert found["count"] >= 4
    assert account.differences().keys() <= {"users"}
