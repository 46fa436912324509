"""SIGKILL at every step of a build and a publication: readers see a whole snapshot, and the next run completes it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.publish import publish
from tests.sampling import sampled
from tests.warehouse.planting import Rows, insert, plant

CHILD = Path(__file__).with_name("killed.py")
pytestmark = pytest.mark.usefixtures("fewest_models_in_module")
STEPS = [
    ("after", "build.run_models"),
    ("after", "checks.run_checks"),
    ("after", "exports.write_feeds"),
    ("after", "publish.check_and_export"),
    ("before", "snapshots.sync_file"),
    ("after", "snapshots.move"),
    ("after", "publish.freeze"),
    ("after", "public_names.switch_link"),
    ("after", "public_names.link_feeds"),
    ("after", "public_names.announce"),
    ("after", "manifest.write_manifest"),
    ("after", "publish.retain"),
]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, fewest_models_in_module: None) -> Path:
    """Two publications of one user and one campaign, and a load file that holds a second one of each."""
    folder = tmp_path_factory.mktemp("published")
    campaigns = [{"id": number, "seen": ["2026-01-01 08:00:00", None]} for number in (5, 6)]
    tables: dict[str, Rows] = {"users": [{"id": 1, "campaign_id": 5}], "campaigns": campaigns[:1]}
    settings = plant(folder, tables, syncs=["2026-01-01 08:00:00"])
    for _ in range(2):
        publish(settings, build(settings))
    with duckdb.connect(str(settings.load_path)) as connection:
        insert(connection, "users", [{"id": 2, "campaign_id": 5}])
        insert(connection, "campaigns", campaigns[1:])
    return folder


def users_in(settings: Settings) -> int:
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        campaigns, users = connection.execute(
            "select (select count(*) from core.campaigns), (select count(*) from core.users)"
        ).fetchall()[0]
    assert campaigns == users, "a snapshot is whole"
    return int(users)


@pytest.mark.parametrize(("moment", "step"), sampled(STEPS, 2), ids=lambda value: str(value))
def test_kill(moment: str, step: str, published: Path, tmp_path: Path, fewest_models_folder: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(published, folder, symlinks=True)
    settings = Settings(warehouse_dir=folder, keep_snapshots=2, snapshot_grace_minutes=0)
    command: list[str | Path] = [sys.executable, CHILD, folder, moment, step, fewest_models_folder]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert users_in(settings) in (1, 2)

    report = build(settings)
    after_recovery = json.loads(settings.manifest_path.read_text(encoding="utf-8"))
    current = int(settings.warehouse_path.readlink().parent.name)
    assert after_recovery["snapshot"] == current, "feeds and manifest follow a flip that was cut off"
    assert after_recovery["tables"]["core.users"]["rows"] == users_in(settings)

    publication = publish(settings, report)
    assert users_in(settings) == 2
    assert publication.snapshot > current
    names = {path.name for path in folder.iterdir()}
    assert names == {"load.duckdb", "warehouse.duckdb", "snapshots", "feeds", "manifest.json", "state"}
    kept = sorted(int(path.name) for path in settings.snapshots_dir.iterdir())
    assert kept == [current, publication.snapshot], "half snapshots are gone, the last two stay"
    feeds = {path.name: path for path in settings.feeds_dir.iterdir()}
    assert set(feeds) == {f"{name}.parquet" for name in publication.manifest["tables"]}
    assert duckdb.execute(f"select count(*) from '{feeds['core.users.parquet']}'").fetchone() == (2,)
