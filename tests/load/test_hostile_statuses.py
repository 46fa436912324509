"""A status may be any text: a parameter in SQL, encoded in URLs, and where it is odd, rows are read by their ids."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from referral_warehouse.load.runner import load
from referral_warehouse.settings import Settings, Token
from tests.account_server import AccountServer, issued, small_account
from tests.hostile_text import HOSTILE

STATUSES = [*HOSTILE.values(), "it's", "Invoice Due"]


@pytest.fixture
def server() -> Iterator[AccountServer]:
    lists = small_account()
    lists["rewards/issued"] = [issued(number, status=text) for number, text in enumerate(STATUSES, start=1)]
    with AccountServer(lists) as running:
        yield running


def statuses(settings: Settings) -> dict[int, str]:
    """id → status of what is current in the load file."""
    with duckdb.connect(str(settings.load_path), read_only=True) as connection:
        return dict(
            connection.execute("select id, status from raw.rewards_issued where _dlt_valid_to is null").fetchall()
        )


def test_rewards_in_process_are_read_again_whatever_their_status(server: AccountServer, tmp_path: Path) -> None:
    settings = Settings(
        api_token=Token("status-test-token"), base_url=server.base_url, calls_per_minute=0, warehouse_dir=tmp_path
    )
    load(settings)
    assert statuses(settings) == dict(enumerate(STATUSES, start=1))
    load(settings)
    assert statuses(settings) == dict(enumerate(STATUSES, start=1))

    for row in server.lists["rewards/issued"]:
        row["status"] = "Paid"  # without a date: nothing but the status finds it
    load(settings)
    assert statuses(settings) == {n: "Paid" for n, _ in enumerate(STATUSES, start=1)}
