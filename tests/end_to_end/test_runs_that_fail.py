"""A run that fails after it has stored the reward lists: its movements belong to the next sync. Also a first run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from referral_warehouse.errors import ApiUnavailable
from referral_warehouse.load.runner import load
from referral_warehouse.load.streams.users import Users
from referral_warehouse.sandbox import Sandbox
from referral_warehouse.settings import Settings, Token
from referral_warehouse.warehouse.build import prepare_draft_dir, run_models
from referral_warehouse.warehouse.connection import connect_draft, substitute_missing_tables
from referral_warehouse.warehouse.reward_units import declare_terms, declare_units
from tests.end_to_end.small_api import account
from tests.end_to_end.small_warehouse import SmallWarehouse
from tests.sql.test_cases import MODELS, needed_for

Row = tuple[int, int, int]


def ledger(settings: Settings) -> dict[int, list[Row]]:
    """Sync → issued, reversed and closing count of each balance in which something moved."""
    prepare_draft_dir(settings)
    with connect_draft(settings) as connection:
        substitute_missing_tables(connection)
        declare_units(connection, ())
        declare_terms(connection, settings)
        run_models(connection, needed_for(MODELS["reward_ledger"]))
        rows = connection.execute(
            "select sync_no, issued_count, reversed_count, closing_count from marts.reward_ledger "
            "order by campaign_id, reward_id, recipient_id"
        ).fetchall()
    found: dict[int, list[Row]] = {}
    for sync_no, *counts in rows:
        found.setdefault(int(sync_no), []).append((int(counts[0]), int(counts[1]), int(counts[2])))
    return found


def fail(*_: Any) -> None:
    raise ApiUnavailable("The server does not answer.")


def test_what_a_failed_run_stored_belongs_to_the_next_sync(empty: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison of counts comes after the lists were stored. Days that were published before must not change."""
    with Sandbox(users=40, seed=5, calls_per_minute=0) as sandbox:
        settings = replace(empty, api_token=Token(sandbox.token), base_url=sandbox.base_url, timeout_s=60.0)
        load(settings)
        first = ledger(settings)
        due = next(row for row in sandbox.rows("rewards_due") if row["total_due"] == 1)
        sandbox.wait(86_400)
        sandbox.issue(due["id"], 1)
        with monkeypatch.context() as patch:
            patch.setattr(Users, "reconcile", fail)
            with pytest.raises(ApiUnavailable):
                load(settings)
        assert ledger(settings) == first, "no run has finished since"
        sandbox.wait(86_400)
        load(settings)
        assert ledger(settings) == {**first, 2: [(1, 0, 0)]}


@pytest.mark.parametrize(("place", "has_rows"), [("call users", False), (r"call coupons\?", True)])
def test_what_an_interrupted_first_run_stored_is_not_published(
    small: Callable[[dict[str, list[dict[str, Any]]]], SmallWarehouse], place: str, has_rows: bool
) -> None:
    """The raw tables exist from the start: lists that were not stored yet would be published as empty ones."""
    warehouse = small(account(users=300))
    small_packages = {"SOURCES__REFERRAL_FACTORY__SLICE_ROWS": "250"}
    assert warehouse.killed(1, "sync", pattern=place, **small_packages).returncode == -9
    assert warehouse.loaded("select count(*) > 0, (select count(*) from raw.rewards_due) from raw.users") == [
        (has_rows, 0)
    ]
    for command in ("build", "publish"):
        ended = warehouse.run(command)
        assert ended.returncode == 5, ended.stderr
        assert "No load has been completed yet" in ended.stderr
    assert not (warehouse.data / "warehouse.duckdb").exists()
    assert warehouse.sync().returncode == 0
    assert warehouse.live()["users"] == 300
    assert warehouse.run("publish").returncode == 0
