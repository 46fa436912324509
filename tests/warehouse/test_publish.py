"""What a publication leaves behind: a whole snapshot, the names that lead to it, and never less than before."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from referral_warehouse.errors import AnotherSyncRunning, ConfigurationError, DataRefused
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import BuildReport, build
from referral_warehouse.warehouse.manifest import SCHEMA_VERSION
from referral_warehouse.warehouse.publish import Publication, publish
from referral_warehouse.warehouse.snapshots import retain
from tests.warehouse.planting import add_run, insert
from tests.warehouse.same_rows import difference
from tests.warehouse.two_users import MORNING, NOW, plant_two_users

EXPORTED = {"TIMESTAMP": "TIMESTAMP WITH TIME ZONE", "JSON": "VARCHAR"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return plant_two_users(tmp_path)


@pytest.fixture(scope="module")
def published_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a publication of all models."""
    planted = plant_two_users(tmp_path_factory.mktemp("published"))
    publish(replace(planted, feeds_have_personal=True), build(planted, now=NOW))
    return planted.warehouse_dir


@pytest.fixture
def published(published_once: Path, tmp_path: Path) -> Settings:
    """A test's own copy of the directory."""
    shutil.copytree(published_once, tmp_path / "published", symlinks=True)
    return Settings(warehouse_dir=tmp_path / "published", feeds_have_personal=True)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def contents(manifest: dict[str, Any]) -> dict[str, tuple[int, str]]:
    """Rows and checksum of each table."""
    return {name: (table["rows"], table["checksum"]) for name, table in manifest["tables"].items()}


def add_user(settings: Settings, user_id: int) -> None:
    with duckdb.connect(str(settings.load_path)) as connection:
        insert(connection, "users", [{"id": user_id, "campaign_id": 5}])


@pytest.mark.usefixtures("fewest_models")
def test_build_reports_what_it_made(settings: Settings) -> None:
    report = build(settings, now=NOW)
    assert report.as_of == datetime(2026, 1, 1, 8, tzinfo=UTC)
    assert report.built_at == NOW
    assert report.tables["core.users"] == 2
    assert list(report.tables) == sorted(report.tables)
    assert report.draft_path.is_file()


def test_a_publication_is_complete(settings: Settings, publish_draft: Callable[[Settings], Publication]) -> None:
    publication = publish_draft(settings)
    assert publication.snapshot == 1
    assert settings.warehouse_path.readlink() == Path("snapshots/000001/warehouse.duckdb")
    assert publication.path == settings.snapshots_dir / "000001" / "warehouse.duckdb"
    assert mode(publication.path) == 0o400
    assert settings.feeds_dir.readlink() == Path("snapshots/000001/feeds")
    assert mode(publication.path.parent) == mode(settings.snapshots_dir) == mode(settings.feeds_dir) == 0o700
    names = sorted(path.name for path in publication.path.parent.iterdir())
    assert names == ["feeds", "manifest.json", "warehouse.duckdb"]
    assert not (settings.warehouse_dir / "draft").exists(), "nothing half stays behind"
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        schemas = connection.execute("select distinct schema_name from duckdb_tables() order by 1").fetchall()
        views = connection.execute("select count(*) from duckdb_views() where not internal").fetchone()
        catalog = connection.execute("select current_database()").fetchone()
    assert schemas == [("core",), ("marts",), ("ops",)]
    assert views == (0,), "no view may need the load file"
    assert catalog == ("warehouse",)


def test_feeds_and_manifest_are_correct(published: Settings) -> None:
    settings = published
    manifest = json.loads(settings.manifest_path.read_text(encoding="utf-8"))
    assert manifest["schema_version"] == SCHEMA_VERSION
    assert (manifest["snapshot"], manifest["synced_at"], manifest["built_at"]) == (
        1,
        "2026-01-01T08:00:00Z",
        "2026-01-01T09:00:00Z",
    )
    assert list(manifest["tables"]) == sorted(manifest["tables"])
    assert {path.name for path in settings.feeds_dir.iterdir()} == {f"{name}.parquet" for name in manifest["tables"]}
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        for name, table in manifest["tables"].items():
            assert table["feed"] == f"snapshots/000001/feeds/{name}.parquet", "a name that never means anything else"
            path = settings.warehouse_dir / table["feed"]
            assert mode(path) == 0o400
            assert table["checksum"] == "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
            assert difference(connection, name, f"'{path}'") == (0, table["rows"], table["rows"])
            kinds = "select column_name, column_type from"
            theirs = connection.execute(f"{kinds} (describe from '{path}')").fetchall()
            ours = connection.execute(f"{kinds} (describe from {name})").fetchall()
            assert theirs == [(column, EXPORTED.get(kind, kind)) for column, kind in ours]


def test_the_same_load_file_results_in_the_same_feeds(published: Settings) -> None:
    first = json.loads(published.manifest_path.read_text(encoding="utf-8"))
    second = publish(published, build(published, now=NOW)).manifest
    assert json.loads(published.manifest_path.read_text(encoding="utf-8")) == second
    assert second["snapshot"] == 2
    assert contents(second) == contents(first)


def test_old_snapshots_are_removed_and_numbers_are_not_reused(
    settings: Settings, publish_draft: Callable[[Settings], Publication]
) -> None:
    few = Settings(warehouse_dir=settings.warehouse_dir, keep_snapshots=2, snapshot_grace_minutes=0)
    for _ in range(4):
        publication = publish_draft(few)
    assert publication.snapshot == 4
    assert sorted(path.name for path in few.snapshots_dir.iterdir()) == ["000003", "000004"]


def test_a_reader_keeps_what_it_opened(settings: Settings, publish_draft: Callable[[Settings], Publication]) -> None:
    one = Settings(warehouse_dir=settings.warehouse_dir, keep_snapshots=1, snapshot_grace_minutes=0)
    publish_draft(one)
    with duckdb.connect(str(one.warehouse_path.resolve()), read_only=True) as reader:
        add_user(one, 3)
        publish(one, build(one))
        assert reader.execute("select count(*) from core.users").fetchone() == (2,)
    with duckdb.connect(str(one.warehouse_path), read_only=True) as reader:
        assert reader.execute("select count(*) from core.users").fetchone() == (3,)


def test_a_snapshot_stays_for_a_time_after_it_was_replaced(
    settings: Settings, publish_draft: Callable[[Settings], Publication]
) -> None:
    patient = Settings(warehouse_dir=settings.warehouse_dir, keep_snapshots=1, snapshot_grace_minutes=15)
    for number in (1, 2, 3):
        publish_draft(patient)
        # Snapshot 1 was replaced 20 minutes ago, when snapshot 2 came; snapshot 2 was replaced just now.
        moment = datetime.now(UTC).timestamp() - {1: 3600, 2: 1200, 3: 0}[number]
        os.utime(patient.snapshots_dir / f"{number:06d}", (moment, moment))
    assert retain(patient, 3) == []
    assert sorted(path.name for path in patient.snapshots_dir.iterdir()) == ["000002", "000003"]
    later = datetime.now(UTC) + timedelta(minutes=16)
    assert retain(patient, 3, later) == []
    assert [path.name for path in patient.snapshots_dir.iterdir()] == ["000003"]


def test_a_clock_that_was_set_back_keeps_no_snapshot(
    settings: Settings, publish_draft: Callable[[Settings], Publication]
) -> None:
    patient = Settings(warehouse_dir=settings.warehouse_dir, keep_snapshots=1, snapshot_grace_minutes=15)
    for _ in range(2):
        publish_draft(patient)
    assert retain(patient, 2, datetime.now(UTC) - timedelta(days=365)) == []
    assert [path.name for path in patient.snapshots_dir.iterdir()] == ["000002"]


def test_the_directory_may_be_moved(
    settings: Settings, tmp_path: Path, publish_draft: Callable[[Settings], Publication]
) -> None:
    publish_draft(settings)
    moved = tmp_path.parent / f"{tmp_path.name} moved, with 'quotes'"
    settings.warehouse_dir.rename(moved)
    elsewhere = Settings(warehouse_dir=moved)
    with duckdb.connect(str(elsewhere.warehouse_path), read_only=True) as connection:
        assert connection.execute("select count(*) from core.users").fetchone() == (2,)
    assert publish(elsewhere, build(elsewhere)).snapshot == 2


def test_streams_never_loaded_and_older_load_files_build(tmp_path: Path) -> None:
    settings = Settings(warehouse_dir=tmp_path)
    with duckdb.connect(str(settings.load_path)) as connection:
        connection.execute("create schema raw; create table raw.users (id bigint, campaign_id bigint, _new varchar)")
        connection.execute("insert into raw.users values (1, 5, 'x')")
    publication = publish(settings, build(settings, now=NOW))
    assert publication.manifest["synced_at"] is None
    assert publication.manifest["tables"]["core.users"]["rows"] == 1
    assert publication.manifest["tables"]["core.coupons"]["rows"] == 0


@pytest.mark.usefixtures("fewest_models")
def test_a_load_file_with_a_log_to_replay_builds(tmp_path: Path) -> None:
    settings = plant_two_users(tmp_path)
    with duckdb.connect(str(settings.load_path), config={"checkpoint_threshold": "1GB"}) as connection:
        connection.execute("pragma disable_checkpoint_on_shutdown")
        insert(connection, "users", [{"id": 3, "campaign_id": 5}])
    wal = settings.load_path.with_name("load.duckdb.wal")
    assert wal.is_file()
    before = (wal.read_bytes(), settings.load_path.read_bytes())
    assert build(settings).tables["core.users"] == 3
    assert (wal.read_bytes(), settings.load_path.read_bytes()) == before, "the load file is never written"


def test_what_is_missing_is_reported(tmp_path: Path) -> None:
    settings = Settings(warehouse_dir=tmp_path)
    with pytest.raises(ConfigurationError, match="nothing to build from"):
        build(settings)
    with pytest.raises(ConfigurationError, match="no draft to publish"):
        publish(settings, BuildReport(tmp_path / "draft" / "warehouse.duckdb", None, NOW, {}, 0.0))


def test_a_file_in_the_place_of_the_link_is_not_overwritten(settings: Settings) -> None:
    settings.warehouse_path.write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="is a file, not the link"):
        build(settings)
    assert settings.warehouse_path.read_text(encoding="utf-8") == "mine"


def test_a_lost_snapshot_is_replaced_from_the_load_file(
    settings: Settings, publish_draft: Callable[[Settings], Publication]
) -> None:
    publish_draft(settings).path.unlink()
    publication = publish(settings, build(settings))
    assert publication.snapshot == 2
    assert any("could not be read" in note for note in publication.recovered)
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        assert connection.execute("select count(*) from core.users").fetchone() == (2,)


def test_a_file_that_is_not_a_load_file_is_refused(settings: Settings) -> None:
    settings.load_path.write_bytes(b"not a database at all" * 1000)
    with pytest.raises(DataRefused, match="cannot be opened") as caught:
        build(settings)
    assert caught.value.exit_code == 5


def test_a_load_file_in_use_is_reported(settings: Settings, tmp_path: Path) -> None:
    import subprocess
    import sys

    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(settings.load_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(AnotherSyncRunning) as caught:
            build(settings)
        other.stdin.close()
        other.wait(timeout=30)
    assert caught.value.exit_code == 75


def test_a_model_that_fails_on_the_data_is_named(settings: Settings) -> None:
    with duckdb.connect(str(settings.load_path)) as connection:
        connection.execute("alter table raw.users alter column date type varchar using 'on Monday'")
    with pytest.raises(DataRefused, match=r"The model (core\.users|intermediate\.|marts\.)") as caught:
        build(settings)
    assert caught.value.exit_code == 5
    assert re.search(r"a value in raw\.[^;]*users.* that sql/\w+/\w+\.sql does not support", caught.value.message)
    assert "kept in draft/" in caught.value.next_step
    assert "referrals check" not in caught.value.next_step, "it asks the API, which has nothing to do with it"
    assert (settings.warehouse_dir / "draft" / "scratch.duckdb").is_file(), "what was built so far is kept"


@pytest.mark.usefixtures("fewest_models")
def test_a_draft_older_than_the_load_file_is_refused(settings: Settings) -> None:
    with duckdb.connect(str(settings.load_path)) as connection:
        connection.execute("create table raw._dlt_loads as select '1' as load_id")
    report = build(settings)
    with duckdb.connect(str(settings.load_path)) as connection:
        connection.execute("insert into raw._dlt_loads values ('2')")
        add_run(connection, "later", MORNING, ["users"])
    with pytest.raises(ConfigurationError, match="changed since the draft was built"):
        publish(settings, report)
    assert not settings.warehouse_path.is_symlink()
