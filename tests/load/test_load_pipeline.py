"""Packages that a crash left behind: loaded first, recovered where dlt cannot, and never counted twice."""

# ruff: noqa: DTZ001 - times are naive UTC in the load file

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from referral_warehouse.errors import AnotherSyncRunning, DataRefused
from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.records.coercion import coerce
from referral_warehouse.load.records.row_version import with_row_versions
from referral_warehouse.load.registry import TABLES
from referral_warehouse.load.storage.dlt_pipeline import DltPipeline
from referral_warehouse.load.storage.dlt_recovery import recover
from referral_warehouse.load.storage.dlt_resources import batch_source
from referral_warehouse.load.storage.dlt_state import PIPELINE_NAME
from referral_warehouse.load.storage.load_file import LoadFile
from tests.load.accounts import Account

LATER = datetime(2026, 1, 6, 8)
PROJECT = Path(__file__).parents[2]


def working_dir(account: Account) -> Path:
    return account.settings.state_dir / "dlt" / PIPELINE_NAME


def repriced(account: Account) -> LoadBatch:
    """A package: the first reward has another price, one user another name, and a cursor is new."""
    rewards = account.world.rows("rewards")
    rewards[0]["value"] = "77.77"
    users = [row | {"first_name": "Changed"} for row in account.world.rows("users")[:1]]
    part = LoadBatch(states={"users": {"cursors": {"date": "2026-01-05T08:00:00"}}}, boundary=LATER)
    part.add(
        TABLES["rewards"],
        with_row_versions(TABLES["rewards"], coerce(TABLES["rewards"], rewards, LATER, "rewards").table),
    )
    part.add(TABLES["users"], coerce(TABLES["users"], users, LATER, "users").table)
    return part


@contextmanager
def opened(account: Account) -> Iterator[DltPipeline]:
    with LoadFile(account.settings.load_path) as load_file:
        pipeline = DltPipeline(load_file, account.settings.state_dir / "dlt", TABLES, [])
        with pipeline._configuration.applied():  # for the steps of dlt that the tests take one by one
            yield pipeline


def assert_loaded_once(account: Account) -> None:
    prices = account.query("select value = 77.77, _dlt_valid_to is null from raw.rewards where id = 1 order by 2")
    assert prices == [(False, False), (True, True)]
    count, ids = account.query("select count(*), count(distinct id) from raw.rewards")[0]
    assert count == ids + 1
    assert account.query("select count(*) = count(distinct id) from raw.users") == [(True,)]
    assert account.one("select count(*) from raw.users where first_name = 'Changed'") == 1


def test_a_pending_package_is_loaded_first(account: Account) -> None:
    with opened(account) as pipeline:
        pipeline._pipeline.extract(batch_source(repriced(account), TABLES))
        pipeline._pipeline.normalize()
    with opened(account) as pipeline:
        assert pipeline.drain()
        assert pipeline.state("users") == {"cursors": {"date": "2026-01-05T08:00:00"}}
        assert not pipeline.drain()
    assert_loaded_once(account)


def test_a_package_that_was_only_extracted_is_read_again(account: Account) -> None:
    """dlt would normalise it with the boundary that it saved last, and date its versions back."""
    with opened(account) as pipeline:
        before = pipeline.state("users")
        pipeline._pipeline.extract(batch_source(repriced(account), TABLES))
        assert pipeline.state("users") != before
    with opened(account) as pipeline:
        assert not pipeline.drain()
        assert pipeline.state("users") == before
    assert account.load().rows_written == 0
    assert account.differences() == {}


def test_a_run_that_loads_a_pending_package_reports_it(account: Account) -> None:
    with opened(account) as pipeline:
        part = repriced(account)
        part.take(TABLES["rewards"])
        part.states.clear()
        pipeline._pipeline.extract(batch_source(part, TABLES))
        pipeline._pipeline.normalize()
    report = account.load(sweep=True)
    assert report.drained
    assert account.differences() == {}
    assert not account.load().drained


def test_a_kill_between_rename_and_delete_is_recovered(account: Account) -> None:
    """A package is in load/normalized and still in normalize/extracted: dlt cannot continue from there."""
    extracted = working_dir(account) / "normalize" / "extracted"
    with opened(account) as pipeline:
        pipeline._pipeline.extract(batch_source(repriced(account), TABLES))
        (package,) = extracted.iterdir()
        shutil.copytree(package, working_dir(account).parent / "aside")
        pipeline._pipeline.normalize()
    shutil.move(working_dir(account).parent / "aside", package)
    assert (working_dir(account) / "load" / "normalized" / package.name).is_dir()
    with opened(account) as pipeline:
        assert not package.exists()
        assert pipeline.drain()
    assert_loaded_once(account)


def test_recovery_keeps_normalised_packages_and_no_incomplete_one(tmp_path: Path) -> None:
    recover(tmp_path / "never used")
    kept = ["load/loaded/0.1", "load/normalized/1.1", "load/normalized/3.3"]
    for place in (
        *kept,
        "normalize/extracted/1.1",
        "normalize/extracted/2.2",
        "normalize/4f2a97c1/5.5",
        "load/new/2.2",
    ):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "0a1b2c3d4e5f").touch()  # a file before its rename
    (tmp_path / "state.json").touch()
    recover(tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob("*/*/*")) == kept
    assert {path.name for path in tmp_path.iterdir()} == {"load", "normalize", "state.json"}


def load_twice(account: Account, batch: LoadBatch) -> None:
    """Load a package, and again as if the process had been killed before dlt recorded that it is loaded."""
    normalized = working_dir(account) / "load" / "normalized"
    with opened(account) as pipeline:
        pipeline._pipeline.extract(batch_source(batch, TABLES))
        pipeline._pipeline.normalize()
        (package,) = normalized.iterdir()
        shutil.copytree(package, working_dir(account).parent / "aside")
        pipeline._pipeline.load()
    shutil.rmtree(working_dir(account) / "load" / "loaded" / package.name)
    shutil.move(working_dir(account).parent / "aside", package)
    with opened(account) as pipeline:
        assert pipeline.drain()


def test_a_package_that_is_loaded_twice_counts_once(account: Account) -> None:
    load_twice(account, repriced(account))
    assert_loaded_once(account)


def test_a_lost_state_folder_is_restored_from_the_load_file(account: Account) -> None:
    with opened(account) as pipeline:
        before = pipeline.state("users"), pipeline.state("rewards_issued")
    assert set(before[0]) >= {"cursors", "swept_at"}
    shutil.rmtree(account.settings.state_dir)
    with opened(account) as pipeline:
        pipeline.drain()
        assert (pipeline.state("users"), pipeline.state("rewards_issued")) == before
    shutil.rmtree(account.settings.state_dir)
    packages = account.packages()
    report = account.load()
    assert (report.rows_written, report.swept) == (0, False)
    assert account.packages() == packages
    assert account.differences() == {}


def test_a_merge_is_one_transaction(account: Account) -> None:
    """dlt merges statement by statement otherwise, and a kill between delete and insert leaves an empty table."""
    with opened(account) as pipeline, pipeline._pipeline.destination_client() as client:
        assert client.capabilities.supports_transactions


def test_an_empty_slice_is_no_package(account: Account) -> None:
    packages = account.packages()
    with opened(account) as pipeline:
        pipeline.commit(LoadBatch())
    assert account.packages() == packages


def test_of_rows_in_one_package_the_later_one_counts() -> None:
    def users(*rows: tuple[int, str]) -> pa.Table:
        return pa.table({"id": [i for i, _ in rows], "first_name": [name for _, name in rows]})

    part = LoadBatch()
    part.add(TABLES["users"], users((1, "first"), (2, "only")))
    later = LoadBatch(states={"users": {"cursors": {}}})
    later.add(TABLES["users"], users((1, "second")))
    later.add(TABLES["users"], users())
    part.merge(later)
    part.deduplicate()
    (rows,) = part.tables["users"]
    assert sorted(rows.to_pylist(), key=lambda row: row["id"]) == [
        {"id": 1, "first_name": "second"}, {"id": 2, "first_name": "only"},
    ]  # fmt: skip
    assert (part.row_count, part.is_empty) == (2, False)


def test_a_load_file_that_another_program_holds_is_left_alone(account: Account) -> None:
    script = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(account.settings.load_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(AnotherSyncRunning, match="open in another program"):
            LoadFile(account.settings.load_path)
        other.communicate(b"")


def test_a_file_that_is_not_a_load_file_is_refused_and_kept(account: Account) -> None:
    account.settings.load_path.write_bytes(b"no database" * 1000)
    with pytest.raises(DataRefused, match="not a readable load file") as refused:
        LoadFile(account.settings.load_path)
    assert "rebuilt from the API" in refused.value.next_step
    assert account.settings.load_path.read_bytes().startswith(b"no database")


def test_the_last_boundary_is_the_newest_of_both_ends(account: Account) -> None:
    with LoadFile(account.settings.load_path) as load_file:
        began = load_file.rows.last_boundary("rewards")
        assert began is not None
        load_file.connection.execute(
            "update raw.rewards set _dlt_valid_to = ? where id = 1", [f"{began + timedelta(days=1)}+00"]
        )
        assert load_file.rows.last_boundary("rewards") == began + timedelta(days=1)
