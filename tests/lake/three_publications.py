"""A warehouse directory with three small snapshots, which tests of lakes and of destinations copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb

from referral_warehouse.cli.publication import publish_draft
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import build
from referral_warehouse.workspace.current_snapshot import folder_name
from tests.lake.lakes import altered
from tests.operate.deliveries import switch_to
from tests.warehouse.planting import plant

KEPT = {
    "core.users", "core.campaigns", "core.rewards", "core.rewards_due", "core.rewards_issued", "core.coupons",
    "ops.runs", "ops.checks", "ops.run_streams", "marts.reward_ledger",
}  # fmt: skip

EMPTY = (
    "core.campaigns",
    "core.rewards",
    "core.rewards_due",
    "core.rewards_issued",
    "core.coupons",
    "marts.reward_ledger",
)
"""Tables without rows after the build. They get one of nulls: a question to an empty table of a lake asks the catalog
for each of its columns, which takes DuckLake a hundred times as long as reading a row."""


def publish_three(folder: Path) -> Settings:
    """Three snapshots of ten tables with rows: the second has one user more, and the third other statuses."""
    settings = plant(folder, {"users": [{"id": 1, "campaign_id": 5}]}, syncs=["2026-01-01 08:00:00"])
    publish_draft(settings, build(settings))
    whole = settings.snapshots_dir / folder_name(1)
    with duckdb.connect(str(whole / "warehouse.duckdb"), read_only=True) as connection:
        tables = connection.execute("select schema_name || '.' || table_name from duckdb_tables()").fetchall()
    filled = [f"insert into {name} default values" for name in EMPTY]
    altered(settings, 1, 9, *(f"drop table {name}" for (name,) in tables if name not in KEPT), *filled)
    shutil.rmtree(whole)
    altered(settings, 9, 1)
    altered(settings, 9, 2, "insert into core.users by name select * replace (2 as user_id) from core.users")
    altered(settings, 2, 3, "update core.users set code = 'third'")
    shutil.rmtree(settings.snapshots_dir / folder_name(9))
    return switch_to(settings, 1)
