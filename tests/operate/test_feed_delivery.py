"""Feeds are delivered as whole sets, whatever stops a delivery, and nothing that others wrote is touched."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.operate.delivery_folder import DeliveryFolder
from referral_warehouse.operate.feed_delivery import DeliveryFailed, deliver_feeds
from referral_warehouse.settings import Settings
from referral_warehouse.workspace.access import Access
from tests.conftest import using_models
from tests.operate.deliveries import (
    BrokenPlace,
    Killed,
    WatchedFolder,
    names_in,
    published_thrice,
    read_folder,
    switch_to,
    without_grace,
)
from tests.sampling import sampled
from tests.warehouse.planting import plant

GROUP = 54_330
STEPS = 23
"""Files that are written or removed when a set is delivered and an older one is removed."""


@pytest.fixture(scope="module")
def publications(tmp_path_factory: pytest.TempPathFactory, fewest_models_folder: Path) -> Settings:
    with using_models(fewest_models_folder):
        return published_thrice(tmp_path_factory.mktemp("published"))


@pytest.fixture
def settings(publications: Settings, tmp_path: Path) -> Settings:
    """A warehouse with the snapshots 1 to 3, of which the first is the published one."""
    shutil.copytree(publications.warehouse_dir, tmp_path / "data", symlinks=True)
    return switch_to(replace(publications, warehouse_dir=tmp_path / "data"), 1)


@pytest.fixture
def place(tmp_path: Path) -> WatchedFolder:
    return WatchedFolder(tmp_path / "shared" / "feeds")


def test_a_set_has_the_paths_of_the_manifest_and_nothing_more(settings: Settings, place: WatchedFolder) -> None:
    delivery = deliver_feeds(settings, place)
    assert delivery is not None
    manifest = read_folder(place.root)
    assert manifest is not None
    original = json.loads(settings.manifest_path.read_text())
    assert manifest == {key: value for key, value in original.items() if key != "warehouse"}
    feeds = {table["feed"] for table in manifest["tables"].values()}
    own = {"manifest.json", "snapshots/000001/manifest.json", "snapshots/000001/schema.json", ".publisher"}
    assert names_in(place.root) == feeds | own
    assert delivery.copied == len(feeds) + 1
    assert pq.read_table(place.root / manifest["tables"]["core.users"]["feed"]).num_rows == 2
    assert place.seen[0] is None
    assert place.seen[-1] == 1


def test_what_is_there_is_not_copied_again(settings: Settings, place: WatchedFolder) -> None:
    deliver_feeds(settings, place)
    steps = place.steps
    again = deliver_feeds(settings, place)
    assert again is not None
    assert (again.copied, again.is_new, place.steps) == (0, False, steps)
    gone = next((place.root / "snapshots/000001/feeds").iterdir())
    gone.unlink()
    repaired = deliver_feeds(settings, DeliveryFolder(place.root, Access()))
    assert repaired is not None
    assert repaired.copied == 1
    assert gone.exists()


def test_an_idle_sync_delivers_how_current_the_data_is(settings: Settings, place: WatchedFolder) -> None:
    deliver_feeds(settings, place)
    manifest = json.loads(settings.manifest_path.read_text()) | {"current_at": "2026-01-02T08:00:00Z"}
    settings.manifest_path.write_text(json.dumps(manifest))
    of_the_set = (place.root / "snapshots/000001/manifest.json").stat().st_mtime_ns
    delivery = deliver_feeds(settings, place)
    assert delivery is not None
    assert (delivery.copied, delivery.is_new) == (0, True)
    delivered = read_folder(place.root)
    assert delivered is not None
    assert delivered["current_at"] == "2026-01-02T08:00:00Z"
    assert (place.root / "snapshots/000001/manifest.json").stat().st_mtime_ns == of_the_set


@pytest.mark.parametrize("step", sampled(range(1, STEPS + 1), 6))
def test_a_delivery_that_is_killed_at_any_step_is_completed_by_the_next(
    settings: Settings, tmp_path: Path, step: int
) -> None:
    root = tmp_path / "feeds"
    deliver_feeds(settings, DeliveryFolder(root, Access()))
    settings = without_grace(switch_to(settings, 2))
    with pytest.raises(Killed):
        deliver_feeds(settings, WatchedFolder(root, kill_at=step))
    found = read_folder(root)
    assert found is not None
    deliver_feeds(settings, after := WatchedFolder(root))
    assert after.seen in ([], sorted(after.seen, key=lambda number: number or 0))
    assert {name for name in names_in(root) if name.endswith(".new") or "incomplete" in name} == set()
    assert {path.name for path in (root / "snapshots").iterdir()} == {"000002"}
    assert (read_folder(root) or {})["snapshot"] == 2


def test_no_step_is_left_out(settings: Settings, place: WatchedFolder) -> None:
    deliver_feeds(settings, place)
    place.steps = 0
    deliver_feeds(without_grace(switch_to(settings, 2)), place)
    assert place.steps == STEPS
    assert place.seen == sorted(place.seen, key=lambda number: number or 0)
    assert {*place.seen} == {None, 1, 2}


def test_a_set_that_was_copied_in_part_is_continued(settings: Settings, tmp_path: Path) -> None:
    killed = WatchedFolder(tmp_path / "feeds", kill_at=6)
    with pytest.raises(Killed):
        deliver_feeds(settings, killed)
    there = len([name for name in names_in(killed.root) if name.endswith(".parquet")])
    assert there > 0
    delivery = deliver_feeds(settings, WatchedFolder(killed.root))
    assert delivery is not None
    tables = json.loads(settings.manifest_path.read_text())["tables"]
    assert delivery.copied == len(tables) + 1 - there


def test_a_part_of_another_set_of_that_number_is_never_used(settings: Settings, tmp_path: Path) -> None:
    killed = WatchedFolder(tmp_path / "feeds", kill_at=6)
    with pytest.raises(Killed):
        deliver_feeds(settings, killed)
    mark = killed.root / "snapshots/000001/incomplete.json"
    mark.chmod(0o600)
    mark.write_text(mark.read_text().replace('"built_at": "', '"built_at": "1'))
    for path in (killed.root / "snapshots/000001/feeds").iterdir():
        path.chmod(0o600)
        path.write_bytes(b"x" * path.stat().st_size)  # of the same size
    deliver_feeds(settings, WatchedFolder(killed.root))
    assert read_folder(killed.root) is not None


def test_another_snapshot_of_that_number_that_readers_use_is_not_replaced(
    settings: Settings, place: WatchedFolder
) -> None:
    deliver_feeds(settings, place)
    for path in (settings.manifest_path, settings.snapshots_dir / "000001" / "manifest.json"):
        changed = json.loads(path.read_text()) | {"built_at": "2026-01-01T00:00:00Z"}
        path.chmod(0o600)
        path.write_text(json.dumps(changed))
    before = names_in(place.root)
    with pytest.raises(DeliveryFailed, match="another snapshot 1 was delivered before"):
        deliver_feeds(settings, place)
    assert names_in(place.root) == before
    deliver_feeds(switch_to(settings, 2), place)
    deliver_feeds(without_grace(switch_to(settings, 1)), place)
    assert place.seen[-1] == 1


def test_older_sets_stay_as_long_as_older_snapshots(settings: Settings, place: WatchedFolder) -> None:
    def sets() -> list[str]:
        return sorted(path.name for path in (place.root / "snapshots").iterdir())

    few = replace(settings, keep_snapshots=1)
    for number in (1, 2, 3):
        deliver_feeds(switch_to(few, number), place)
    assert sets() == ["000001", "000002", "000003"]
    minutes_ago = (place.root / "manifest.json").stat().st_mtime - 16 * 60
    os.utime(place.root / "snapshots/000002/manifest.json", (minutes_ago, minutes_ago))
    os.utime(place.root / "snapshots/000001/manifest.json", (minutes_ago - 60, minutes_ago - 60))
    deliver_feeds(few, place)
    assert sets() == ["000002", "000003"]
    deliver_feeds(replace(settings, keep_snapshots=2, snapshot_grace_minutes=0), place)
    assert sets() == ["000002", "000003"]
    deliver_feeds(without_grace(settings), place)
    assert sets() == ["000003"]
    # A directory that was restored publishes an older number: the newer one was delivered before.
    deliver_feeds(switch_to(without_grace(settings, keep=2), 2), place)
    assert sets() == ["000002", "000003"]
    assert place.seen[-1] == 2


def test_files_of_others_are_left_alone(settings: Settings, place: WatchedFolder) -> None:
    deliver_feeds(settings, place)
    others = [
        "notes.txt", "snapshots/readme.txt", "snapshots/000001/notes.txt", "snapshots/000001/feeds/own.csv",
        "snapshots/12/feeds/core.users.parquet", "snapshots/0000001/manifest.json", "snapshots/old/schema.json",
    ]  # fmt: skip
    for name in others:
        (place.root / name).parent.mkdir(parents=True, exist_ok=True)
        (place.root / name).write_text("mine")
    (place.root / "snapshots/000009").symlink_to(place.root / "snapshots/12")
    deliver_feeds(without_grace(switch_to(settings, 2)), place)
    assert {name for name in names_in(place.root) if "000001/" in name} == {n for n in others if "000001/" in n}
    assert [(place.root / name).read_text() for name in others] == ["mine"] * len(others)
    assert (place.root / "snapshots/000009").is_symlink()


def test_two_warehouses_never_deliver_to_one_place(settings: Settings, place: WatchedFolder, tmp_path: Path) -> None:
    deliver_feeds(settings, place)
    other = replace(settings, warehouse_dir=tmp_path / "other")
    shutil.copytree(settings.warehouse_dir, other.warehouse_dir, symlinks=True)
    (other.state_dir / ".publisher").unlink()
    before = {name: (place.root / name).stat().st_mtime_ns for name in names_in(place.root)}
    with pytest.raises(ConfigurationError, match="Another warehouse delivers there"):
        deliver_feeds(switch_to(other, 2), place)
    assert {name: (place.root / name).stat().st_mtime_ns for name in names_in(place.root)} == before
    (place.root / ".publisher").unlink()
    deliver_feeds(other, place)
    assert place.seen[-1] == 2


@pytest.mark.parametrize("method", ["read", "write", "upload", "files"])
def test_readers_keep_the_older_set_where_a_place_fails(settings: Settings, place: WatchedFolder, method: str) -> None:
    deliver_feeds(settings, place)
    with pytest.raises(PermissionError):
        deliver_feeds(switch_to(settings, 2), BrokenPlace(place, method, PermissionError("denied")))
    found = read_folder(place.root)
    assert found is not None
    assert found["snapshot"] == 1


@pytest.mark.parametrize("method", ["find", "grant_read_access"])
def test_what_fails_after_the_switch_is_a_problem_of_a_delivery(
    settings: Settings, place: WatchedFolder, method: str
) -> None:
    deliver_feeds(settings, place)
    broken = BrokenPlace(place, method, PermissionError("denied"))
    delivery = deliver_feeds(without_grace(switch_to(settings, 2)), broken)
    assert delivery is not None
    assert "denied" in delivery.problems[0]
    assert (read_folder(place.root) or {})["snapshot"] == 2


def test_a_feed_that_has_changed_is_not_delivered(settings: Settings, place: WatchedFolder) -> None:
    feed = settings.feeds_dir / "core.users.parquet"
    feed.chmod(0o600)
    feed.write_bytes(b"x" * feed.stat().st_size)
    with pytest.raises(DeliveryFailed, match="has changed since it was published"):
        deliver_feeds(settings, place)
    assert read_folder(place.root) is None


def test_nothing_is_delivered_where_nothing_is_published(tmp_path: Path, place: WatchedFolder) -> None:
    assert deliver_feeds(plant(tmp_path / "new"), place) is None
    assert not place.root.exists()


def modes(root: Path) -> Iterator[tuple[str, int, int]]:
    for path in (root, *sorted(root.rglob("*"))):
        if path.name != ".publisher":
            found = path.stat()
            kind = "folder" if path.is_dir() else "frozen" if "snapshots" in path.parts else "file"
            yield kind, stat.S_IMODE(found.st_mode), found.st_gid


def test_only_the_owner_reads_what_is_delivered(settings: Settings, place: WatchedFolder) -> None:
    deliver_feeds(settings, place)
    assert {(kind, mode) for kind, mode, _ in modes(place.root)} == {
        ("folder", 0o700), ("frozen", 0o400), ("file", 0o600),
    }  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to any group")
def test_members_of_the_readers_group_read_what_is_delivered(settings: Settings, tmp_path: Path) -> None:
    root = tmp_path / "feeds"
    deliver_feeds(settings, DeliveryFolder(root, Access()))  # before there was a group
    deliver_feeds(settings, DeliveryFolder(root, Access(GROUP)))
    assert {*modes(root)} == {("folder", 0o750, GROUP), ("frozen", 0o440, GROUP), ("file", 0o640, GROUP)}
