"""The value of what is owed is compared with what the API listed, and not only with our own copy of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from referral_warehouse.errors import ChecksFailed
from referral_warehouse.load import run_log
from referral_warehouse.load.runner import load
from referral_warehouse.load.storage.load_file import LoadFile
from referral_warehouse.sandbox import Quirks, Sandbox
from referral_warehouse.settings import Settings, Token
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.publish import publish

pytestmark = pytest.mark.usefixtures("few_models_in_module")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, Settings]]:
    """An account with rewards due and in process, loaded and not published."""
    with pytest.MonkeyPatch.context() as patch, Sandbox(users=80, seed=5, calls_per_minute=0) as sandbox:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("machine")))
        for due in sandbox.rows("rewards_due")[:3]:
            sandbox.issue(due["id"], count=1, in_process=True)
        settings = Settings(
            api_token=Token(sandbox.token), base_url=sandbox.base_url, calls_per_minute=0, simulated_time=True,
            warehouse_dir=tmp_path_factory.mktemp("value") / "data",
        )  # fmt: skip
        load(settings)
        yield sandbox, settings


@pytest.fixture
def copied(loaded: tuple[Sandbox, Settings], tmp_path: Path) -> Settings:
    shutil.copytree(loaded[1].warehouse_dir, tmp_path / "data")
    return replace(loaded[1], warehouse_dir=tmp_path / "data")


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("rewards_issued", "update {} set total_value = total_value + 100 where issued_at is null"),
        ("rewards_issued", "update {} set total_due = total_due + 1 where issued_at is null"),
        ("rewards_issued", "delete from {} where issued_at is null"),
        ("rewards_due", "update {} set total_value = total_value - 0.01 where id = (select min(id) from {})"),
    ],
)
def test_a_copy_that_differs_from_the_list_is_not_published(copied: Settings, table: str, change: str) -> None:
    with duckdb.connect(str(copied.load_path)) as connection:
        connection.execute(change.replace("{}", f"raw.{table}"))
    with pytest.raises(ChecksFailed, match=f"fail_value_is_not_the_list: 1 row, e.g. stream={table}"):
        publish(copied, build(copied))


def test_what_the_api_listed_is_published(copied: Settings) -> None:
    publish(copied, build(copied))
    with duckdb.connect(str(copied.warehouse_path), read_only=True) as connection:
        owed = connection.execute("select count(*), sum(due_value) from core.rewards_due").fetchone()
    with duckdb.connect(str(copied.load_path), read_only=True) as connection:
        listed = connection.execute(
            "select rows, value::decimal(38, 2) from raw.list_totals where stream = 'rewards_due'"
        ).fetchone()
    assert owed == listed
    assert owed is not None
    assert owed[0] > 0


def test_rows_of_a_run_that_did_not_end_are_not_compared_with_older_sums(copied: Settings) -> None:
    with LoadFile(copied.load_path) as load_file:
        run_log.start(load_file, "killed", "load")
        load_file.connection.execute("update raw.rewards_due set total_value = total_value + 1")
    publish(copied, build(copied))


def test_a_list_with_an_unreadable_row_is_not_compared(loaded: tuple[Sandbox, Settings], copied: Settings) -> None:
    sandbox, _ = loaded
    sandbox.set_quirks(Quirks())
    with sandbox._store.transaction():
        sandbox._store.run("update dues set total_due = 'many' where id = (select min(id) from dues)")
    report = load(copied)
    assert report.streams["rewards_due"].totals is None
    assert report.streams["rewards_issued"].totals is not None
    publish(replace(copied, max_quarantine_percent=100), build(copied))
