"""Amounts that the loader accepts one by one, from bytes to `referrals status`: published and added up exactly."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from referral_warehouse.sandbox import Sandbox
from tests.end_to_end.fronting import FrontServer
from tests.kills.forks import run_referrals
from tests.sampling import sampled

PREFIX = "SOURCES__REFERRAL_FACTORY__"
MOST, LARGEST = "9999999999999999.99", 2**63 - 1
TOO_LARGE = 10**24
CASES: dict[str, dict[str, Any]] = {
    "every total is the largest amount": {"total_value": MOST, "reward_value": MOST},
    "every total is the smallest amount": {"total_value": f"-{MOST}", "reward_value": f"-{MOST}"},
    "no totals, three times the largest amount": {"total_due": 3, "total_value": None, "reward_value": MOST},
    "every count is the largest": {"total_due": LARGEST},
    "every count is the smallest": {"total_due": -LARGEST - 1},
    "no totals, products that no sum could hold": {"total_due": LARGEST, "total_value": None, "reward_value": MOST},
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(users=60, seed=9, calls_per_minute=0) as running:
        yield running


@pytest.mark.full
@pytest.mark.parametrize("case", sampled(CASES, 1))
def test_a_sync_publishes_exact_sums(case: str, sandbox: Sandbox, tmp_path: Path) -> None:
    rows = {row["id"]: dict(row) for row in sandbox.rows("rewards_due")}
    assert len(rows) > 2

    def change_body(path: str, _parameters: dict[str, str], body: bytes) -> bytes:
        payload = json.loads(body)
        if path == "rewards/due":
            for row in payload["data"]:
                row |= CASES[case]
                rows[row["id"]] = row
        return json.dumps(payload).encode()

    with FrontServer(sandbox.base_url, change_body=change_body) as front:
        done = referrals("sync", front, sandbox, tmp_path)
        assert done.returncode == 0, done.stderr
        status = referrals("status", front, sandbox, tmp_path, "--json")
        table = referrals("status", front, sandbox, tmp_path)
    count = sum(row["total_due"] for row in rows.values())
    value = sum((value_of(row) for row in rows.values()), Decimal(0))
    owed = json.loads(status.stdout)["liability"]
    assert sum(row["due_count"] for row in owed) == count
    assert sum(Decimal(row["due_value"]) for row in owed) == value
    shown = "".join(table.stdout.split())
    assert all(f"{row['due_count']:,}" in shown and f"{Decimal(row['due_value']):,f}" in shown for row in owed)
    with duckdb.connect() as connection:
        feed = tmp_path / "data" / "feeds" / "marts.reward_liability_daily.parquet"
        closing = connection.execute(
            f"select sum(closing_count - closing_in_process_count), sum(closing_value - closing_in_process_value) "
            f"from '{feed}' where not is_estimated and day_on = (select max(day_on) from '{feed}')"
        ).fetchone()
    assert closing == (count, value)
    assert ("warn_value_too_large" in done.stdout) == ("no sum could hold" in case)


def value_of(row: dict[str, Any]) -> Decimal:
    if row["total_value"] is not None:
        return Decimal(str(row["total_value"]))
    product = row["total_due"] * Decimal(row["reward_value"])
    return product if abs(product) < TOO_LARGE else Decimal(0)


def referrals(
    command: str, front: FrontServer, sandbox: Sandbox, folder: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("SOURCES__", "WAREHOUSE__"))} | {
        f"{PREFIX}BASE_URL": front.base_url,
        f"{PREFIX}API_TOKEN": sandbox.token,
        f"{PREFIX}CALLS_PER_MINUTE": "0",
        "WAREHOUSE__DIR": str(folder / "data"),
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder / "machine"),
    }
    return run_referrals([command, *options], environ, folder)
