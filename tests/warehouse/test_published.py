"""A published file that another process has open for writing, or wrote beside, is read all the same."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from referral_warehouse.errors import HistoryLost, ReferralsError
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.freshness import refresh
from referral_warehouse.warehouse.manifest import read_manifest
from referral_warehouse.warehouse.publish import Publication, publish
from referral_warehouse.warehouse.published import open_published
from tests.warehouse.planting import insert, plant

pytestmark = pytest.mark.usefixtures("fewest_models_in_module")

NOW = datetime(2026, 1, 1, 9, tzinfo=UTC)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOLD = """
import duckdb, os, sys
connection = duckdb.connect(sys.argv[1])
if len(sys.argv) > 2:
    connection.execute(sys.argv[2])
print("open", flush=True)
sys.stdin.read()
os._exit(9)
"""


@pytest.fixture(scope="module")
def published_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    syncs = ["2026-01-01 07:00:00", "2026-01-01 08:00:00"]
    planted = plant(tmp_path_factory.mktemp("published"), {"users": [{"id": 1, "campaign_id": 5}]}, syncs=syncs)
    publish(planted, build(planted, now=NOW))
    return planted.warehouse_dir


@pytest.fixture
def settings(published_once: Path, tmp_path: Path) -> Settings:
    """A test's own copy of a directory with one snapshot."""
    shutil.copytree(published_once, tmp_path / "data", symlinks=True)
    copied = Settings(warehouse_dir=tmp_path / "data")
    copied.warehouse_path.chmod(0o600)  # so that this test's user may do what root may
    return copied


@contextmanager
def reader_in_default_mode(settings: Settings, *statements: str) -> Iterator[None]:
    """A process that has the published file open as DuckDB opens files by default; it is killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(settings.warehouse_path), *statements], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"open\n"
        with pytest.raises(duckdb.IOException, match="lock"):
            duckdb.connect(str(settings.warehouse_path), read_only=True)
        yield
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait()


def publish_user(settings: Settings, user_id: int) -> Publication:
    with duckdb.connect(str(settings.load_path)) as connection:
        insert(connection, "users", [{"id": user_id, "campaign_id": 5}])
    return publish(settings, build(settings, now=NOW))


def users_seen(settings: Settings) -> tuple[int, bool]:
    with open_published(settings) as (connection, is_copy):
        row = connection.execute("select count(*) from core.users").fetchone()
    return (int(row[0]) if row else 0), is_copy


def test_a_reader_in_default_mode_ends_no_publication(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert users_seen(settings) == (1, False)
    with reader_in_default_mode(settings):
        assert users_seen(settings) == (1, True)
        assert publish_user(settings, 2).problems == ()
        assert users_seen(settings) == (2, False), "the new snapshot is another file"
    assert [path.name for path in tmp_path.iterdir()] == ["data"], "no copy stays behind"


def test_history_is_guarded_behind_a_lock_too(settings: Settings) -> None:
    with duckdb.connect(str(settings.load_path)) as connection:
        connection.execute("delete from raw.run_streams where run_id = 'r1'")
    with reader_in_default_mode(settings), pytest.raises(HistoryLost):
        publish_user(settings, 2)


def test_a_publication_is_completed_behind_a_lock_too(settings: Settings) -> None:
    before = read_manifest(settings.manifest_path)
    settings.manifest_path.unlink()
    with reader_in_default_mode(settings):
        assert build(settings, now=NOW).problems == ()
    assert read_manifest(settings.manifest_path) == before


def test_what_a_killed_reader_wrote_is_ignored(settings: Settings) -> None:
    with reader_in_default_mode(settings, "delete from core.users"):
        assert users_seen(settings) == (1, True)
    log = settings.warehouse_path.resolve().with_name("warehouse.duckdb.wal")
    assert log.exists()
    assert users_seen(settings) == (1, True), "what is published counts, not what was written beside it"
    assert not refresh(settings, NOON), "the next sync publishes a clean snapshot"
    assert publish(settings, build(settings, now=NOW)).problems == ()
    assert users_seen(settings) == (1, False)
    log.write_bytes(b"noise")
    assert publish_user(settings, 2).problems == ()


def test_a_damaged_log_beside_the_snapshot_is_ignored(settings: Settings) -> None:
    log = settings.warehouse_path.resolve().with_name("warehouse.duckdb.wal")
    log.write_bytes(b"\x00" * 100)
    assert users_seen(settings) == (1, True)
    assert publish_user(settings, 2).problems == ()


def test_where_no_copy_can_be_made_the_error_says_what_to_do(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with (
        reader_in_default_mode(settings),
        pytest.raises(ReferralsError, match=r"cannot be read .*Close the program that has it open for writing"),
        open_published(settings),
    ):
        pytest.fail("it was read")
