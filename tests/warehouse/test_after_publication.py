"""After the link is switched, failures are warnings: the snapshot stays published, and a later run tries again."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from referral_warehouse.settings import Settings
from referral_warehouse.warehouse import public_names
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.freshness import refresh
from referral_warehouse.warehouse.manifest import read_manifest
from referral_warehouse.warehouse.publish import Publication, publish
from referral_warehouse.warehouse.published import published_manifest
from referral_warehouse.workspace.durable_files import file_sha256
from tests.sampling import sampled
from tests.warehouse.planting import insert, plant

pytestmark = pytest.mark.usefixtures("fewest_models_in_module")

NOBODY = 54_321
NOW = datetime(2026, 1, 1, 9, tzinfo=UTC)
USERS = [{"id": 1, "campaign_id": 5, "date": "2026-01-01 07:00:00"}]


@pytest.fixture(scope="module")
def published_once(tmp_path_factory: pytest.TempPathFactory, fewest_models_in_module: None) -> Path:
    """A directory with the first snapshot.

    A second publication beside it imports all that one does: another user may be unable to read where Python is
    installed.
    """
    folder = tmp_path_factory.mktemp("published")
    planted = plant(folder / "data", {"users": USERS}, syncs=["2026-01-01 08:00:00"])
    publish_user(planted, 2)
    shutil.copytree(planted.warehouse_dir, folder / "imported", symlinks=True)
    publish_user(replace(planted, warehouse_dir=folder / "imported"), 3)
    return planted.warehouse_dir


@pytest.fixture
def settings(published_once: Path) -> Iterator[Settings]:
    """A copy of the first snapshot, in a folder of a user to whom file modes apply; the test runs as that user."""
    folder = Path(tempfile.mkdtemp(prefix="after publication "))
    shutil.copytree(published_once, folder / "data", symlinks=True)
    planted = Settings(warehouse_dir=folder / "data", keep_snapshots=1, snapshot_grace_minutes=0)
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
        try:
            yield planted
        finally:
            os.seteuid(0)
            os.setegid(0)
    else:
        yield planted
    _make_removable(folder)
    shutil.rmtree(folder)


def _make_removable(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)


def make_unremovable(folder: Path) -> Path:
    """Put something into a folder that cannot be removed, as NFS does with a file that a reader holds."""
    held = folder / ".nfs0001"
    held.mkdir(parents=True)
    (held / "file").touch()
    held.chmod(0o500)
    return held


def publish_user(settings: Settings, user_id: int) -> Publication:
    with duckdb.connect(str(settings.load_path)) as connection:
        insert(connection, "users", [{"id": user_id, "campaign_id": 5}])
    return publish(settings, build(settings, now=NOW))


def users_of(settings: Settings) -> int:
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        row = connection.execute("select count(*) from core.users").fetchone()
    return int(row[0]) if row else 0


def is_complete(settings: Settings) -> bool:
    """Whether manifest, feeds and the link agree."""
    manifest = read_manifest(settings.manifest_path)
    if manifest is None or settings.warehouse_path.readlink() != Path(manifest["warehouse"]):
        return False
    if settings.feeds_dir.resolve() != settings.warehouse_path.resolve().with_name("feeds"):
        return False
    return all(
        table["checksum"] == f"sha256:{file_sha256(settings.warehouse_dir / table['feed'])}"
        for table in manifest["tables"].values()
    )


def test_an_old_snapshot_that_cannot_be_removed_is_a_warning(settings: Settings) -> None:
    held = make_unremovable(settings.snapshots_dir / "000001")
    for user_id in (3, 4):
        publication = publish_user(settings, user_id)
        [problem] = publication.problems
        assert str(settings.snapshots_dir / "000001") in problem
        assert ".nfs0001/file: Permission denied" in problem
        assert users_of(settings) == user_id
        assert is_complete(settings)
    assert sorted(path.name for path in settings.snapshots_dir.iterdir()) == ["000001", "000003"]
    assert [path.name for path in held.parent.iterdir()] == [".nfs0001"], "what can go is gone"
    held.chmod(0o700)
    assert publish_user(settings, 5).problems == ()
    assert [path.name for path in settings.snapshots_dir.iterdir()] == ["000004"]


@pytest.mark.full
def test_remains_of_old_snapshots_do_not_count_as_kept_snapshots(settings: Settings) -> None:
    keeping_two = replace(settings, keep_snapshots=2)
    publish_user(keeping_two, 3)
    make_unremovable(settings.snapshots_dir / "000009")
    for user_id in (4, 5, 6):
        [problem] = publish_user(keeping_two, user_id).problems
        assert "000009" in problem
    names = sorted(path.name for path in settings.snapshots_dir.iterdir())
    assert names == ["000009", "000011", "000012"]


LEFTOVERS: dict[str, Callable[[Settings], Path]] = {
    "a half snapshot": lambda settings: settings.snapshots_dir / "000007",
    "a draft": lambda settings: settings.warehouse_dir / "draft",
    "a half link": lambda settings: settings.warehouse_dir / ".warehouse.duckdb.new",
    "a half manifest": lambda settings: settings.warehouse_dir / ".manifest.json.new",
    "a log beside the link": lambda settings: settings.warehouse_dir / "warehouse.duckdb.wal",
    "an old snapshot": lambda settings: settings.snapshots_dir / "000001" / "held",
}


@pytest.mark.parametrize("leftover", sampled(LEFTOVERS.values(), 1), ids=LEFTOVERS)
def test_a_leftover_that_cannot_be_removed_ends_no_publication(
    settings: Settings, leftover: Callable[[Settings], Path]
) -> None:
    folder = leftover(settings)
    make_unremovable(folder)
    for user_id in (3, 4):
        publication = publish_user(settings, user_id)
        assert publication.problems
        assert users_of(settings) == user_id
        assert is_complete(settings)
    _make_removable(settings.warehouse_dir)
    assert publish_user(settings, 5).problems == ()
    names = {path.name for path in settings.warehouse_dir.iterdir()}
    assert names == {"feeds", "load.duckdb", "manifest.json", "snapshots", "state", "warehouse.duckdb"}


@pytest.mark.full
def test_an_old_snapshot_of_another_owner_ends_no_publication(settings: Settings) -> None:
    publish_user(replace(settings, keep_snapshots=2), 3)
    (settings.snapshots_dir / "000001").chmod(0)
    for user_id in (4, 5):
        [problem] = publish_user(settings, user_id).problems
        assert "snapshots/000001 could not be removed" in problem
        assert users_of(settings) == user_id


def _a_file(path: Path) -> None:
    path.unlink()
    path.write_text("not a folder")


def _a_folder(path: Path) -> None:
    path.unlink()
    make_unremovable(path)


IN_THE_WAY: dict[str, Callable[[Settings], None]] = {
    "feeds is a file": lambda settings: _a_file(settings.feeds_dir),
    "feeds is a folder": lambda settings: _a_folder(settings.feeds_dir),
    "the manifest is a folder": lambda settings: _a_folder(settings.manifest_path),
}


def test_feeds_or_a_manifest_that_cannot_be_written_are_a_warning_and_completed_later(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full from the moment at which the link of the warehouse is switched."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for user_id in (3, 4):
        with monkeypatch.context() as patch:
            patch.setattr(public_names, "link_feeds", full)
            publication = publish_user(settings, user_id)
        assert any(f"snapshot {publication.snapshot} is published" in problem for problem in publication.problems)
        assert users_of(settings) == user_id
        assert not is_complete(settings)
        manifest = published_manifest(settings)
        assert manifest is not None
        assert manifest["snapshot"] == publication.snapshot, "the snapshot's own manifest is beside it"
        assert not refresh(settings, NOW), "an idle sync completes it"
    assert build(settings, now=NOW).problems == ()
    assert is_complete(settings), "the next build completes what is published before it begins"


@pytest.mark.parametrize("fault", sampled(IN_THE_WAY, 1))
def test_what_is_in_the_way_of_feeds_or_the_manifest_is_put_aside(settings: Settings, fault: str) -> None:
    IN_THE_WAY[fault](settings)
    publication = publish_user(settings, 3)
    assert publication.problems == ()
    assert publication.recovered
    assert users_of(settings) == 3
    assert is_complete(settings)
    _make_removable(settings.warehouse_dir)


def test_a_manifest_that_cannot_be_brought_up_to_date_makes_an_idle_sync_publish(settings: Settings) -> None:
    settings.warehouse_dir.chmod(0o500)
    assert not refresh(settings, NOW)
    settings.warehouse_dir.chmod(stat.S_IRWXU)
    assert is_complete(settings)
