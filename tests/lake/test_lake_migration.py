"""``referrals migrate``: the history of a directory in a lake, equal row by row, also after an interruption."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pytest

from referral_warehouse.cli.lake import lake_facts
from referral_warehouse.errors import LakeUnavailable
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.lake.connection import open_lake
from referral_warehouse.warehouse.lake.migration import Migration, compare_history, take_history
from referral_warehouse.warehouse.lake.state import lake_snapshots
from referral_warehouse.workspace.current_snapshot import folder_name
from tests.kills.forks import run_referrals
from tests.lake.lakes import differences_in, environ_of, show, with_lake
from tests.operate.deliveries import switch_to


@pytest.fixture(params=["sqlite", pytest.param("duckdb", marks=pytest.mark.full)])
def third(request: pytest.FixtureRequest, published: Settings, tmp_path: Path) -> Settings:
    """Three snapshots, of which the last one is published, and no lake yet."""
    return switch_to(with_lake(published, tmp_path / f"lake.{request.param}", tmp_path / "lake"), 3)


def migrate(settings: Settings, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    home = settings.warehouse_dir.parent
    known = environ_of(settings, str(settings.lake_catalog)) | {"HOME": str(home), "PATH": "/usr/bin"} | environ
    return run_referrals(["migrate", *options], known, home)


def facts_of(ended: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_the_history_is_taken_whole_and_once(third: Settings) -> None:
    first = facts_of(migrate(third, "--to", "ducklake", "--json"))
    assert first == {
        "to": "ducklake", "written": [1, 2, 3], "there": [], "too_old": [], "only_in_lake": [], "differing": {},
    }  # fmt: skip
    with open_lake(third) as lake:
        assert lake is not None
        versions = lake_snapshots(lake)
        assert [one.snapshot for one in versions] == [1, 2, 3]
        for one in versions:
            assert differences_in(lake, third, one.snapshot, f"at (version => {one.version})") == []
    facts = lake_facts(third)
    assert facts is not None
    assert facts["is_current"]
    again = migrate(third, "--to", "ducklake")
    assert again.returncode == 0, again.stderr
    assert "Snapshots copied into the lake: none; already there: 1, 2, 3." in again.stdout
    assert "Next: Set WAREHOUSE__STORAGE=ducklake" in again.stdout


def test_an_interrupted_migration_goes_on(third: Settings) -> None:
    publications = []

    def refuse_lost_lock() -> None:
        publications.append(1)
        if len(publications) == 2:
            raise LakeUnavailable("The lock of the lake was lost.")

    with open_lake(third, create=True) as lake:
        assert lake is not None
        with pytest.raises(LakeUnavailable):
            take_history(lake, third, refuse_lost_lock)
    with open_lake(third) as lake:
        assert lake is not None
        found = take_history(lake, third, lambda: None)
        compare_history(lake, third, found)
    assert found == Migration(written=[2, 3], there=[1])


def test_a_version_that_is_not_its_snapshot_is_refused(third: Settings) -> None:
    facts_of(migrate(third, "--to", "ducklake", "--json"))
    database = third.snapshots_dir / folder_name(2) / "warehouse.duckdb"
    database.chmod(0o600)
    with duckdb.connect(str(database)) as connection:
        connection.execute("update core.users set code = 'changed'")
        connection.execute("drop table ops.checks")
        connection.execute("create table ops.checks as select 1 as another")
    for target in ("ducklake", "duckdb"):
        ended = migrate(third, "--to", target)
        assert ended.returncode == 5
        assert "(snapshot 2: core.users, ops.checks)" in ended.stderr.replace(
            "ops.checks, core.users", "core.users, ops.checks"
        )
        assert "Leave WAREHOUSE__STORAGE as it was" in ended.stderr


def test_what_is_older_than_the_lake_or_there_alone_is_named(third: Settings) -> None:
    show(third, 2)
    switch_to(third, 3)
    ended = migrate(third, "--to", "ducklake")
    assert ended.returncode == 0, ended.stderr
    assert "Snapshots copied into the lake: 3; already there: 2." in ended.stdout
    assert "Not copied: 1, which are older" in ended.stdout
    shutil.rmtree(third.snapshots_dir / folder_name(2))
    assert facts_of(migrate(third, "--to", "duckdb", "--json"))["only_in_lake"] == [2]


def test_what_cannot_be_migrated_is_one_line(third: Settings, tmp_path: Path) -> None:
    nothing = migrate(third, "--to", "duckdb")
    assert (nothing.returncode, nothing.stderr.count("\n")) == (2, 1)
    assert "There is no lake in" in nothing.stderr
    assert not Path(str(third.lake_catalog)).exists()
    plain = migrate(third, "--to", "ducklake", WAREHOUSE__STORAGE="duckdb")
    assert (plain.returncode, plain.stderr.count("\n")) == (2, 1)
    assert "Set WAREHOUSE__STORAGE=ducklake" in plain.stderr
    (third.snapshots_dir / folder_name(2) / "manifest.json").chmod(0o600)
    (third.snapshots_dir / folder_name(2) / "manifest.json").write_text("{", encoding="utf-8")
    damaged = migrate(third, "--to", "ducklake")
    assert (damaged.returncode, damaged.stderr.count("\n")) == (5, 1)
    assert "Snapshot 2 has no readable manifest" in damaged.stderr
