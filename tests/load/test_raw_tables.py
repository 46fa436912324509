"""The raw tables exist before dlt has loaded anything, as dlt would create them, and dlt is imported ahead of use."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.registry import TABLES
from referral_warehouse.load.storage import load_pipeline
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
PREPARED_RUN = """
import sys
from referral_warehouse.load.runner import load
from referral_warehouse.load.storage.load_pipeline import LoadPipeline
from referral_warehouse.settings import load_settings
commit, found = LoadPipeline.commit, []
def observed(self, batch):
    found.append(self._importing is not None and self._dlt is None)
    commit(self, batch)
LoadPipeline.commit = observed
load(load_settings())
print(found[0], "dlt" in sys.modules)
"""


def run(script: str, account: Account, folder: Path, token: str) -> list[str]:
    """What a script prints that loads the account in a process of its own."""
    prefix = "SOURCES__REFERRAL_FACTORY__"
    environ = os.environ | {
        f"{prefix}API_TOKEN": token, f"{prefix}BASE_URL": account.world.base_url,
        f"{prefix}CALLS_PER_MINUTE": "0", f"{prefix}SIMULATED_TIME": "true",
        "WAREHOUSE__DIR": str(account.settings.warehouse_dir),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", script], env=environ, cwd=folder, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


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
    assert run(FAILED_RUN, account, tmp_path, "a-token-that-is-refused") == ["refused", "False"]
    assert {name for (name,) in account.query("select table_name from duckdb_tables()")} >= set(TABLES)
    assert not (account.settings.state_dir / "dlt").exists()
    account.close()
    report = account.load()
    assert (report.drained, report.recovered) == (False, [])
    assert account.packages() == 1
    assert account.differences() == {}


def test_dlt_is_imported_while_responses_are_awaited(fresh: Callable[..., Account], tmp_path: Path) -> None:
    account = fresh()
    assert run(PREPARED_RUN, account, tmp_path, account.world.token) == ["True", "True"]
    assert run(PREPARED_RUN, account, tmp_path, account.world.token) == ["False", "False"], "nothing was new"
    account.world.advance(days=1)
    assert run(PREPARED_RUN, account, tmp_path, account.world.token) == ["True", "True"]


def test_an_import_that_fails_ahead_is_repeated_where_dlt_is_used(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported: list[str] = []

    def fail(name: str) -> None:
        imported.append(name)
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(load_pipeline, "importlib", SimpleNamespace(import_module=fail))
    account.world.advance(days=1)
    assert account.load().rows_written > 0
    assert imported == ["referral_warehouse.load.storage.dlt_pipeline"]
    assert account.differences() == {}
