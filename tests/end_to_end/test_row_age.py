"""ops.freshness of a real account: what the rolling re-read, sweeps and complete lists make of the age of rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from referral_warehouse.sandbox import Sandbox
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.checks import run_checks
from referral_warehouse.warehouse.connection import connect_draft
from referral_warehouse.warehouse.models import load_checks
from tests.load.accounts import Account

pytestmark = pytest.mark.usefixtures("few_models_in_module")
HOUR, A_DAY = 3_600, 86_400


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """600 users, loaded once: three pages."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "machine"))
    with Sandbox(users=600, seed=4, calls_per_minute=0) as world:
        account = Account(world, tmp_path)
        account.load()
        yield account


def sync(account: Account, after: int, calls: int = 1) -> datetime:
    """A sync after some seconds that does not sweep; returns the time of the account then."""
    account.world.wait(after)
    account.load(refresh_calls=calls, sweep_every_days=30)
    return account.world.now.replace(tzinfo=None)


def freshness(account: Account) -> tuple[dict[str, dict[str, Any]], int]:
    """The rows of ops.freshness by stream, and how many of them ``warn_row_age`` reports."""
    build(account.settings)
    with connect_draft(account.settings) as connection:
        found = connection.execute("from ops.freshness")
        names = [column[0] for column in found.description or []]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        (check,) = run_checks(connection, [check for check in load_checks() if check.name == "warn_row_age"])
    return {row["stream"]: row for row in rows}, check.violations_count


def test_the_oldest_row_is_the_one_that_the_next_sync_reads(account: Account) -> None:
    read_at = [sync(account, A_DAY + HOUR) for _ in range(4)]
    found, warnings = freshness(account)
    users = found["users"]
    assert users["rows_count"] == account.one("select count(*) from raw.users")
    assert abs(users["oldest_seen_at"] - read_at[1]) < timedelta(minutes=5), "three pages, one in each sync"
    assert users["oldest_age_days"] == users["p95_age_days"] == pytest.approx(2.08, abs=0.01)
    assert users["syncs_per_round"] == 3
    assert users["max_age_days"] == pytest.approx(2.08 + 20 / 24, abs=0.02)
    assert {stream for stream, row in found.items() if row["max_age_days"] == row["oldest_age_days"] == 0} == {
        "campaigns", "rewards", "rewards_due",
    }  # fmt: skip
    for stream in ("coupons", "rewards_issued"):
        assert found[stream]["max_age_days"] == 30
    assert warnings == 0


def test_rows_that_are_never_read_again_are_reported(account: Account) -> None:
    account.world.wait(35 * A_DAY)
    account.load("campaigns")  # the time goes on
    found, warnings = freshness(account)
    assert found["users"]["oldest_age_days"] == pytest.approx(35, abs=0.1)
    assert found["users"]["max_age_days"] == 7
    assert warnings == len([row for row in found.values() if row["max_age_days"]])
