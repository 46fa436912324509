"""A damaged publication is replaced from the load file; its history is compared with what can still be read."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from referral_warehouse.errors import ConfigurationError, HistoryLost, SnapshotDamaged
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.connection import draft_dir, draft_path
from referral_warehouse.warehouse.freshness import refresh
from referral_warehouse.warehouse.manifest import read_manifest
from referral_warehouse.warehouse.publish import publish
from referral_warehouse.warehouse.published import PUBLISHED, compare_with_published, refuse_unreadable
from referral_warehouse.warehouse.published_files import changed_files
from referral_warehouse.warehouse.recovery import Recovery, recover
from tests.damage.damages import CONTENT, FOLDERS, JSON, KINDS, damages_of
from tests.sampling import sampled
from tests.warehouse.planting import add_run, plant

pytestmark = pytest.mark.usefixtures("fewest_models_in_module")

MORNING, NEXT_DAY, THIRD_DAY = "2026-01-01 08:00:00", "2026-01-02 08:00:00", "2026-01-03 08:00:00"
SYNCS_COUNT = "select count(*) from (select distinct run_id from {catalog}.ops.run_streams)"


@pytest.fixture(scope="module")
def published_twice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with two snapshots; the second knows of one sync more."""
    folder = tmp_path_factory.mktemp("published")
    settings = plant(folder, {"users": [{"id": 1, "campaign_id": 5}]}, syncs=[MORNING])
    (folder / "state").mkdir()
    publish(settings, build(settings))
    with duckdb.connect(str(settings.load_path)) as connection:
        add_run(connection, "r2", NEXT_DAY, ("users", "rewards_due", "rewards_issued"))
    publish(settings, build(settings))
    return folder


@pytest.fixture
def settings(published_twice: Path, tmp_path: Path) -> Settings:
    shutil.copytree(published_twice, tmp_path / "data", symlinks=True)
    return Settings(warehouse_dir=tmp_path / "data")


def compared_syncs(settings: Settings) -> tuple[int | None, list[str]]:
    """How many syncs of those published a draft is compared with, and what the comparison reports."""
    (draft_dir(settings) / "tmp").mkdir(parents=True, exist_ok=True)
    duckdb.connect(str(draft_path(settings))).close()
    found: list[int] = []

    def count(connection: duckdb.DuckDBPyConnection) -> None:
        row = connection.execute(SYNCS_COUNT.format(catalog=PUBLISHED)).fetchone()
        found.append(int(row[0]) if row else 0)

    notes = compare_with_published(settings, count)
    return (found[0] if found else None), notes


def damage(settings: Settings, path: str, name: str) -> None:
    damages_of(settings.warehouse_dir / path)[name](settings.warehouse_dir / path)


CURRENT, OLDER = "snapshots/000002/warehouse.duckdb", "snapshots/000001/warehouse.duckdb"
DESTROYED = [name for name in CONTENT if name not in ("longer", "noise in the middle")] + list(KINDS)


def test_an_undamaged_publication_is_read_itself(settings: Settings) -> None:
    assert compared_syncs(settings) == (2, [])
    assert recover(settings) == Recovery([], [])
    assert changed_files(settings, read_manifest(settings.manifest_path) or {}) == []
    refuse_unreadable(settings)


@pytest.mark.parametrize("name", DESTROYED)
def test_a_damaged_snapshot_is_noticed_and_its_feeds_are_used(settings: Settings, name: str) -> None:
    damage(settings, CURRENT, name)
    with pytest.raises(SnapshotDamaged, match="cannot be read") as refused:
        refuse_unreadable(settings)
    assert "referrals publish" in refused.value.next_step
    assert compared_syncs(settings) == (
        2, ["the published snapshot could not be read; its history was compared with the feeds"]
    )  # fmt: skip
    (note,) = recover(settings).done
    assert "the next publication replaces it" in note
    assert CURRENT in changed_files(settings, read_manifest(settings.manifest_path) or {})


def test_where_feeds_are_damaged_too_an_older_snapshot_is_used(settings: Settings) -> None:
    damage(settings, CURRENT, "noise")
    damage(settings, "snapshots/000002/feeds/ops.run_streams.parquet", "noise in the middle")
    assert compared_syncs(settings) == (
        1, ["the published snapshot could not be read; its history was compared with snapshot 1"]
    )  # fmt: skip
    damage(settings, OLDER, "half")
    assert compared_syncs(settings) == (
        None, ["no published data can be read; its history could not be compared"]
    )  # fmt: skip


@pytest.mark.parametrize("path", sampled([CURRENT, "snapshots/000002"], 1))
def test_the_guard_of_the_history_holds_without_the_snapshot(settings: Settings, path: str) -> None:
    """Without the folder, which has the feeds too, the first snapshot is what can still be read."""
    known = 2 if path == CURRENT else 1
    damage(settings, path, "missing")
    with duckdb.connect(str(settings.load_path)) as connection:
        connection.execute("delete from raw.run_streams where run_id = 'r1'")
    draft = build(settings)
    with pytest.raises(
        HistoryLost, match=f"log of syncs: 1 of {known} syncs of both reward lists since 2026-01-01 08:00 are missing"
    ):
        publish(settings, draft)
    publication = publish(settings, build(settings), accept_shorter_history=True)
    assert publication.snapshot == 3
    refuse_unreadable(settings)


@pytest.mark.parametrize(
    ("path", "name"),
    sampled([
        (CURRENT, "noise"), ("snapshots/000002/manifest.json", "a directory"), ("feeds", "a named pipe"),
        ("snapshots/000002/feeds/core.users.parquet", "a directory"), ("manifest.json", "a directory"),
        ("snapshots", "a file"), ("warehouse.duckdb", "a broken link"), ("state/published.json", "[]"),
    ], 4),
)  # fmt: skip
def test_a_publication_repairs_what_is_damaged(settings: Settings, path: str, name: str) -> None:
    damage(settings, path, name)
    publication = publish(settings, build(settings))
    assert publication.snapshot == 3
    assert recover(settings) == Recovery([], [])
    refuse_unreadable(settings)
    for table, facts in publication.manifest["tables"].items():
        with duckdb.connect() as connection:
            read = connection.execute(
                "select count(*) from read_parquet(?)", [f"{settings.warehouse_dir}/{facts['feed']}"]
            )
            assert read.fetchone() == (facts["rows"],), table
    kept = [entry for entry in settings.warehouse_dir.rglob("*") if ".aside-" in entry.name]
    assert bool(kept) == (name in ("a directory", "a file", "a named pipe") and "000002/" not in path)


@pytest.mark.parametrize("name", [*CONTENT, *JSON])
def test_a_damaged_manifest_is_written_anew_from_the_snapshot(settings: Settings, name: str) -> None:
    before = read_manifest(settings.manifest_path)
    damage(settings, "manifest.json", name)
    assert recover(settings) == Recovery([], [])
    after = read_manifest(settings.manifest_path)
    assert after is not None
    assert before is not None
    assert {key: after[key] for key in ("snapshot", "synced_at")} == {
        key: before[key] for key in ("snapshot", "synced_at")
    }


OTHER_KINDS: list[tuple[str, object]] = [
    ("snapshot", "2"), ("snapshot", True), ("snapshot", 10**40), ("snapshot", -1), ("tables", []),
    ("tables", {"core.users": 1}), ("tables", {"core.users": {"rows": 1, "feed": "../x", "checksum": ""}}),
    ("tables", {'a"; drop': {"rows": 1, "feed": 'feeds/a"; drop.parquet', "checksum": ""}}),
    ("synced_at", 5), ("built_at", "yesterday"), ("current_at", "now"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value"), OTHER_KINDS)
def test_a_manifest_of_other_kinds_of_values_is_none(settings: Settings, key: str, value: object) -> None:
    set_in_manifest(settings, key, value)
    assert read_manifest(settings.manifest_path) is None


@pytest.mark.parametrize(("key", "value"), sampled(OTHER_KINDS, 1))
def test_a_manifest_of_other_kinds_of_values_stops_no_publication(settings: Settings, key: str, value: object) -> None:
    set_in_manifest(settings, key, value)
    assert publish(settings, build(settings)).snapshot == 3


def set_in_manifest(settings: Settings, key: str, value: object) -> None:
    document = json.loads(settings.manifest_path.read_text("utf-8")) | {key: value}
    settings.manifest_path.write_text(json.dumps(document), "utf-8")


@pytest.mark.parametrize("name", ["missing", "a broken link", "a link to itself"])
def test_a_lost_link_is_made_again_and_no_snapshot_is_removed(settings: Settings, name: str) -> None:
    damage(settings, "warehouse.duckdb", name)
    (note,) = recover(settings).done
    assert "points at snapshot 2 again" in note
    assert settings.warehouse_path.readlink() == Path(CURRENT)
    assert sorted(entry.name for entry in settings.snapshots_dir.iterdir()) == ["000001", "000002"]


def test_a_lost_link_and_manifest_take_the_newest_snapshot_that_can_be_read(settings: Settings) -> None:
    for path, name in (("warehouse.duckdb", "missing"), ("manifest.json", "noise"), (CURRENT, "1 byte")):
        damage(settings, path, name)
    assert "snapshot 1 again" in recover(settings).done[0]
    assert compared_syncs(settings) == (1, [])


@pytest.mark.parametrize("name", sampled(["a directory", "a named pipe", "a socket"], 1))
def test_something_else_in_the_place_of_the_link_is_named(settings: Settings, name: str) -> None:
    damage(settings, "warehouse.duckdb", name)
    with pytest.raises(ConfigurationError, match=f"is {name}, not the link") as refused:
        build(settings)
    assert f"Move {settings.warehouse_path} away" in refused.value.next_step
    settings.warehouse_path.rename(settings.warehouse_dir / "moved away")
    assert publish(settings, build(settings)).snapshot == 3


def test_what_is_not_ours_among_the_snapshots_is_left_alone(settings: Settings) -> None:
    (settings.snapshots_dir / "000123").write_text("mine", "utf-8")
    for name in ("abc", "7", "\u00b2", "000009 copy"):
        (settings.snapshots_dir / name).mkdir()
    (settings.snapshots_dir / "000124").symlink_to("abc")
    few = Settings(warehouse_dir=settings.warehouse_dir, keep_snapshots=1, snapshot_grace_minutes=0)
    assert publish(few, build(few)).snapshot == 125
    assert {entry.name for entry in few.snapshots_dir.iterdir()} == {
        "000123", "000124", "000125", "abc", "7", "\u00b2", "000009 copy",
    }  # fmt: skip
    assert (few.snapshots_dir / "000123").read_text("utf-8") == "mine"


@pytest.mark.parametrize("name", sampled(FOLDERS, 1))
def test_other_files_called_draft_do_not_interfere(settings: Settings, name: str) -> None:
    (settings.warehouse_dir / "draft").mkdir(exist_ok=True)
    damage(settings, "draft", name)
    assert build(settings).draft_path.is_file()


@pytest.fixture(scope="module")
def described_once(published_twice: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that an idle sync finds current, with a file beside the database and the feeds."""
    folder = tmp_path_factory.mktemp("described") / "data"
    shutil.copytree(published_twice, folder, symlinks=True)
    settings = Settings(warehouse_dir=folder)
    with duckdb.connect(str(settings.load_path)) as connection:
        connection.execute("create table raw._dlt_loads as select '1' as load_id")
    publish(settings, build(settings), companions=[lambda _, __, folder: _write_description(folder)])
    return folder


@pytest.mark.parametrize("path", ["feeds/core.campaigns.parquet", "snapshots/000003/schema.json"])
def test_an_idle_sync_detects_damage(described_once: Path, tmp_path: Path, path: str) -> None:
    shutil.copytree(described_once, tmp_path / "data", symlinks=True)
    settings = Settings(warehouse_dir=tmp_path / "data")
    noon = datetime.fromisoformat("2026-01-02T12:00:00+00:00")
    assert refresh(settings, noon)
    damage(settings, path, "noise in the middle")
    assert not refresh(settings, noon)


def _write_description(folder: Path) -> None:
    (folder / "schema.json").write_text("{}" * 100, encoding="utf-8")
