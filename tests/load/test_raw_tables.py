"""The raw tables are there before dlt has loaded anything, as dlt itself would create them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.registry import TABLES
from referral_warehouse.load.storage.dlt_pipeline import DltPipeline
from referral_warehouse.load.storage.load_file import LoadFile
from referral_warehouse.load.storage.raw_tables import create_missing_tables
from tests.load.accounts import Account

COLUMNS = (
    "select table_name, column_name, data_type from duckdb_columns() "
    "where schema_name = 'raw' and table_name not like '\\_dlt\\_%' escape '\\' and table_name in ({}) order by all"
)
FAILED_RUN = """
import os, sys
from referral_warehouse.errors import AuthenticationError
from referral_warehouse.load.runner import load
from referral_warehouse.settings import load_settings
try:
    load(load_settings())
except AuthenticationError:
    print("refused", "dlt" in sys.modules)
"""


def columns(load_file: LoadFile) -> list[tuple[str, str, str]]:
    names = ", ".join(f"'{name}'" for name in TABLES)
    return load_file.connection.execute(COLUMNS.format(names)).fetchall()


def test_they_have_the_columns_and_types_that_dlt_gives_them(tmp_path: Path) -> None:
    with LoadFile(tmp_path / "ours" / "load.duckdb") as load_file:
        create_missing_tables(load_file, TABLES)
        created = columns(load_file)
    batch = LoadBatch()
    for schema in TABLES.values():
        batch.replace_rows(schema, schema.stored.empty_table())
    with LoadFile(tmp_path / "dlt" / "load.duckdb") as load_file:
        DltPipeline(load_file, tmp_path / "dlt" / "state", TABLES, []).commit(batch)
        assert created == columns(load_file)
    assert len({table for table, _, _ in created}) == len(TABLES)


@pytest.mark.parametrize("table", ["users", "rewards_due", "quarantine"])
def test_a_table_that_is_missing_is_created_and_the_others_stay(account: Account, table: str) -> None:
    others = [name for name in ("users", "rewards_due", "coupons") if name != table]
    before = [account.query(f"from raw.{name} order by all") for name in others]
    with LoadFile(account.settings.load_path) as load_file:
        load_file.connection.execute(f"drop table raw.{table}")
        create_missing_tables(load_file, TABLES)
        assert load_file.rows.row_count(table) == 0
    account.close()
    assert [account.query(f"from raw.{name} order by all") for name in others] == before
    account.close()
    account.load(rebuild=True)
    assert account.differences() == {}


def test_a_first_run_that_ends_before_its_first_package_has_not_imported_dlt_and_the_next_is_exact(
    fresh: Callable[..., Account], tmp_path: Path
) -> None:
    account = fresh()
    prefix = "SOURCES__REFERRAL_FACTORY__"
    environ = os.environ | {
        f"{prefix}API_TOKEN": "a-token-that-is-refused", f"{prefix}BASE_URL": account.world.base_url,
        f"{prefix}CALLS_PER_MINUTE": "0", f"{prefix}SIMULATED_TIME": "true",
        "WAREHOUSE__DIR": str(account.settings.warehouse_dir),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", FAILED_RUN], env=environ, cwd=tmp_path, text=True, capture_output=True, check=False
    )
    assert done.stdout.split() == ["refused", "False"], done.stderr
    assert {name for (name,) in account.query("select table_name from duckdb_tables()")} >= set(TABLES)
    assert not (account.settings.state_dir / "dlt").exists()
    account.close()
    report = account.load()
    assert (report.drained, report.recovered) == (False, [])
    assert account.packages() == 1
    assert account.differences() == {}
