"""Who may read what is published, wherever it is: a group of the machine, another directory, a share without links."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import Settings
from referral_warehouse.settings.readers_group import ReadersGroup
from referral_warehouse.warehouse.build import BuildReport, build
from referral_warehouse.warehouse.connection import draft_path
from referral_warehouse.warehouse.freshness import refresh
from referral_warehouse.warehouse.publish import publish
from referral_warehouse.workspace.current_snapshot import current_number, public_database
from tests.warehouse.planting import insert, plant

pytestmark = pytest.mark.usefixtures("fewest_models_in_module")
OWNER, READER, STRANGER, GROUP = 54_321, 54_322, 54_323, 54_330
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
CHILD = Path(__file__).with_name("publishing_without_links.py")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture(scope="module")
def built_once(tmp_path_factory: pytest.TempPathFactory, fewest_models_in_module: None) -> tuple[Path, BuildReport]:
    """A load file that an idle sync may find unchanged, and its draft."""
    folder = tmp_path_factory.mktemp("built")
    planted = plant(folder, {"users": [{"id": 1, "campaign_id": 5}]}, syncs=["2026-01-01 08:00:00"])
    with duckdb.connect(str(planted.load_path)) as connection:
        connection.execute("create table raw._dlt_loads as select '1' as load_id")
    return folder, build(planted)


@pytest.fixture
def settings(built_once: tuple[Path, BuildReport]) -> Iterator[Settings]:
    """A test's own copy of the directory, in a folder that every user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="access "))
    folder.chmod(0o755)
    shutil.copytree(built_once[0], folder / "data")
    yield Settings(warehouse_dir=folder / "data")
    shutil.rmtree(folder)


@pytest.fixture
def report(built_once: tuple[Path, BuildReport], settings: Settings) -> BuildReport:
    """That of the draft in the test's own copy."""
    return replace(built_once[1], draft_path=draft_path(settings))


@contextmanager
def become(user: int, group: int) -> Iterator[None]:
    """This process is another user for a while."""
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(group)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def users_read(settings: Settings) -> list[int]:
    """Users in the database and in the feed, by the public names."""
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        [(users,)] = connection.execute("select count(*) from core.users").fetchall()
    return [users, pq.read_table(settings.feeds_dir / "core.users.parquet").num_rows]


def read_modes(settings: Settings) -> dict[str, int]:
    """The modes of everything, with one file of each kind."""
    snapshot = settings.snapshots_dir / "000001"
    published = {path: mode(path) for path in (settings.snapshots_dir, snapshot, snapshot / "feeds")}
    published |= {path: mode(path) for path in (settings.warehouse_path, settings.manifest_path)}
    published |= {path: mode(path) for path in (snapshot / "manifest.json", *settings.feeds_dir.iterdir())}
    return {str(path.relative_to(settings.published_dir)): found for path, found in published.items()}


@needs_root
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_members_of_the_group_read_what_is_published_and_nothing_else(settings: Settings, umask: int) -> None:
    shared = replace(settings, readers_group=ReadersGroup("analysts", GROUP))
    before = os.umask(umask)
    try:
        publish(shared, build(shared))
    finally:
        os.umask(before)
    modes = read_modes(shared)
    for name, found in modes.items():
        folder, frozen = name in ("snapshots", "snapshots/000001", "snapshots/000001/feeds"), name != "manifest.json"
        assert found == (0o750 if folder else 0o440 if frozen else 0o640), name
    assert mode(shared.warehouse_dir) & 0o050 == 0o050
    assert shared.load_path.stat().st_mode & 0o077 == 0
    assert mode(shared.state_dir) == 0o700
    with become(READER, GROUP):
        assert users_read(shared) == [1, 1]
        assert json.loads(shared.manifest_path.read_text("utf-8"))["snapshot"] == 1
        with pytest.raises(PermissionError):
            shared.load_path.read_bytes()
        with pytest.raises(PermissionError):
            list(shared.state_dir.iterdir())
        with pytest.raises(PermissionError):
            (shared.snapshots_dir / "000002").mkdir()
    with become(STRANGER, STRANGER), pytest.raises(PermissionError):
        shared.manifest_path.read_bytes()


@needs_root
def test_another_group_gets_what_was_published_before(settings: Settings, report: BuildReport) -> None:
    publish(settings, report)
    with become(READER, GROUP), pytest.raises((PermissionError, duckdb.Error)):
        users_read(settings)
    assert refresh(settings, NOON), "nothing has changed"
    shared = replace(settings, readers_group=ReadersGroup("analysts", GROUP))
    assert not refresh(shared, NOON), "an idle sync gives it to the group"
    build(shared)
    with become(READER, GROUP):
        assert users_read(shared) == [1, 1]
    publish(shared, build(shared))
    assert refresh(shared, NOON)
    assert not refresh(settings, NOON)
    publish(settings, build(settings))
    assert set(read_modes(settings).values()) == {0o700, 0o400, 0o600}, "the older snapshots too"


@needs_root
def test_a_directory_that_cannot_be_given_to_the_group_is_refused(settings: Settings) -> None:
    for path in (settings.load_path, settings.state_dir):
        if path.exists():
            os.chown(path, OWNER, OWNER)
    settings.warehouse_dir.chmod(0o703)  # another owner's, who lets this user write, and the group not read
    shared = replace(settings, readers_group=ReadersGroup("analysts", OWNER))
    with become(OWNER, OWNER), pytest.raises(ConfigurationError, match="cannot be given to the group") as refused:
        publish(shared, build(shared))
    assert "this user owns" in refused.value.next_step
    assert current_number(settings.published_dir) is None


@pytest.mark.parametrize("place", ["beside", "another file system"])
def test_what_is_published_may_be_elsewhere(settings: Settings, report: BuildReport, place: str) -> None:
    elsewhere = settings.warehouse_dir.parent / "published"
    if place != "beside":
        memory = Path("/dev/shm")  # noqa: S108 - a file system of its own
        if not os.access(memory, os.W_OK) or memory.stat().st_dev == settings.warehouse_dir.stat().st_dev:
            pytest.skip("there is no second file system")
        elsewhere = Path(tempfile.mkdtemp(dir=memory)) / "published"
    apart = replace(settings, publish_dir=elsewhere)
    try:
        publish(apart, report)
        insert_user(apart, 2)
        publication = publish(apart, build(apart))
        assert publication.problems == ()
        assert publication.path == elsewhere / "snapshots" / "000002" / "warehouse.duckdb"
        assert users_read(apart) == [2, 2]
        names = {path.name for path in elsewhere.iterdir()}
        assert names == {".publisher", "feeds", "manifest.json", "snapshots", "warehouse.duckdb"}
        assert {path.name for path in apart.warehouse_dir.iterdir()} == {"load.duckdb", "state"}
    finally:
        shutil.rmtree(elsewhere.parent if place != "beside" else elsewhere)


def insert_user(settings: Settings, user_id: int) -> None:
    with duckdb.connect(str(settings.load_path)) as connection:
        insert(connection, "users", [{"id": user_id, "campaign_id": 5}])


def test_the_earlier_place_is_named_while_something_is_there(settings: Settings, report: BuildReport) -> None:
    publish(settings, report)
    apart = replace(settings, publish_dir=settings.warehouse_dir.parent / "published")
    [problem] = publish(apart, build(apart)).problems
    assert str(settings.warehouse_dir) in problem
    for name in ("warehouse.duckdb", "feeds", "manifest.json"):
        (settings.warehouse_dir / name).unlink()
    shutil.rmtree(settings.warehouse_dir / "snapshots")
    assert publish(apart, build(apart)).problems == ()


def test_two_warehouses_never_publish_into_one_directory(settings: Settings) -> None:
    published = settings.warehouse_dir.parent / "published"
    apart = replace(settings, publish_dir=published)
    publish(apart, build(apart))
    other = plant(settings.warehouse_dir.parent / "other", {"users": []}, syncs=["2026-01-01 08:00:00"])
    before = sorted(path for path in published.rglob("*"))
    with pytest.raises(ConfigurationError, match="Another warehouse publishes into") as refused:
        build(replace(other, publish_dir=published))
    assert str(published / ".publisher") in refused.value.next_step
    assert sorted(path for path in published.rglob("*")) == before
    (published / ".publisher").unlink()
    build(replace(other, publish_dir=published))


def test_without_links_the_manifest_is_switched(settings: Settings, fewest_models_folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, CHILD, settings.warehouse_dir, fewest_models_folder],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"first": 1, "killed": 1, "second": 2, "users": 1}
    assert not os.path.lexists(settings.warehouse_path)
    assert not os.path.lexists(settings.feeds_dir)
    manifest = json.loads(settings.manifest_path.read_text("utf-8"))
    assert manifest["snapshot"] == current_number(settings.published_dir) == 2
    assert public_database(settings.published_dir) == settings.published_dir / manifest["warehouse"]
    feed = settings.published_dir / manifest["tables"]["core.users"]["feed"]
    assert pq.read_table(feed).num_rows == manifest["tables"]["core.users"]["rows"] == 1
