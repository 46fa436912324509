"""refresh: an idle sync notes that the snapshot is still current, and never where it does not."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from referral_warehouse.operate.health import read_health
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse import models
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.freshness import refresh
from referral_warehouse.warehouse.publish import publish
from tests.conftest import using_models
from tests.warehouse.few_models import FEWEST, copy_few_models
from tests.warehouse.planting import add_run, insert, plant

MORNING = "2026-01-01 08:00:00"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module", autouse=True)
def models_with_units(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Builds of this module have what a publication needs, and the units, which a check compares with the settings."""
    with using_models(copy_few_models(tmp_path_factory.mktemp("models"), (*FEWEST, "core.units"))):
        yield


@pytest.fixture(scope="module")
def published_once(tmp_path_factory: pytest.TempPathFactory, models_with_units: None) -> Path:
    found = plant(tmp_path_factory.mktemp("published"), {"users": [{"id": 1, "campaign_id": 5}]}, syncs=[MORNING])
    write(found, "create table raw._dlt_loads as select '1' as load_id")
    publish(found, build(found))
    return found.warehouse_dir


@pytest.fixture
def settings(published_once: Path, tmp_path: Path) -> Settings:
    """A test's own copy of a directory with one snapshot."""
    shutil.copytree(published_once, tmp_path / "data", symlinks=True)
    return Settings(warehouse_dir=tmp_path / "data")


def write(settings: Settings, sql: str) -> None:
    with duckdb.connect(str(settings.load_path)) as connection:
        connection.execute(sql)


def as_of(settings: Settings) -> str:
    """The newest observation of the log of runs that the published snapshot has, as the manifest writes times."""
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        [newest] = connection.sql("select max(observed_at) from ops.runs").fetchone() or (None,)
    return f"{newest.isoformat()}Z"


def manifest(settings: Settings) -> dict[str, object]:
    return dict(json.loads(settings.manifest_path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("observed_at", [NOON, NOON.replace(tzinfo=None)], ids=["aware", "naive"])
def test_what_still_holds_is_noted(settings: Settings, observed_at: datetime) -> None:
    before = manifest(settings)
    link = settings.warehouse_path.readlink()
    assert refresh(settings, observed_at)
    assert manifest(settings) == {**before, "current_at": "2026-01-01T12:00:00Z"}
    assert settings.warehouse_path.readlink() == link


def test_time_never_goes_back(settings: Settings) -> None:
    assert refresh(settings, datetime(2026, 1, 1, 7, tzinfo=UTC))
    assert manifest(settings)["current_at"] == "2026-01-01T08:00:00Z"
    assert refresh(settings, NOON)
    assert refresh(settings, datetime(2026, 1, 1, 9, tzinfo=UTC))
    assert manifest(settings)["current_at"] == "2026-01-01T12:00:00Z"


def test_the_manifest_and_the_log_of_runs_agree_what_the_data_is_as_of(settings: Settings) -> None:
    """Also after syncs that found nothing new, and after a day with them that ends in a new snapshot."""
    for observed_at in (None, NOON, datetime(2026, 1, 1, 23, tzinfo=UTC)):
        assert observed_at is None or refresh(settings, observed_at)
        assert manifest(settings)["synced_at"] == as_of(settings) == "2026-01-01T08:00:00Z"
    with duckdb.connect(str(settings.load_path)) as connection:
        add_run(connection, "next day", "2026-01-02 07:00:00", ["users"])
    assert not refresh(settings, datetime(2026, 1, 2, 7, tzinfo=UTC))
    publish(settings, build(settings))
    found = manifest(settings)
    assert found["synced_at"] == found["current_at"] == as_of(settings) == "2026-01-02T07:00:00Z"


def test_a_manifest_of_a_version_without_current_at_is_read(settings: Settings) -> None:
    """Version 0.2.0 kept that time in ``synced_at``."""
    before = {**manifest(settings), "synced_at": "2026-01-01T10:00:00Z"}
    del before["current_at"]
    settings.manifest_path.write_text(json.dumps(before), encoding="utf-8")
    assert read_health(settings, NOON).age_s == 2 * 3600
    assert refresh(settings, NOON)
    assert manifest(settings) == {**before, "current_at": "2026-01-01T12:00:00Z"}


def test_a_new_day_needs_a_build(settings: Settings) -> None:
    before = manifest(settings)
    assert not refresh(settings, datetime(2026, 1, 2, 0, 0, 1, tzinfo=UTC))
    assert manifest(settings) == before


def test_without_an_observation_nothing_is_noted(settings: Settings) -> None:
    assert not refresh(settings, None)


def test_what_was_loaded_since_needs_a_build(settings: Settings) -> None:
    write(settings, "insert into raw._dlt_loads values ('2')")
    assert not refresh(settings, NOON)


def test_a_load_file_of_unknown_version_needs_a_build(settings: Settings) -> None:
    write(settings, "drop table raw._dlt_loads")
    publish(settings, build(settings))
    assert not refresh(settings, NOON)
    settings.load_path.unlink()
    assert not refresh(settings, NOON)


def test_changed_models_need_a_build(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "models_version", lambda: "another")
    assert not refresh(settings, NOON)


@pytest.mark.parametrize("changes", [{"publish_personal": False}, {"feeds_have_personal": True}])
def test_other_settings_of_personal_columns_need_a_build(settings: Settings, changes: dict[str, Any]) -> None:
    assert refresh(settings, NOON)
    assert not refresh(dataclasses.replace(settings, **changes), NOON)


def test_other_reward_units_need_a_build(settings: Settings) -> None:
    other = dataclasses.replace(settings, reward_units=(("Cash", "EUR"),))
    assert refresh(settings, NOON)
    assert not refresh(other, NOON)
    publication = publish(other, build(other))
    assert publication.manifest["reward_units"] == {"Cash": "EUR"}
    assert refresh(other, NOON)
    assert not refresh(settings, NOON)


def test_other_terms_of_units_need_a_build(settings: Settings) -> None:
    other = dataclasses.replace(settings, settles_on=(("credit", "use"),), expires_after_days=(("credit", 30),))
    assert not refresh(other, NOON)
    publication = publish(other, build(other))
    assert publication.manifest["unit_terms"] == {"credit": ["use", 30]}
    assert [result.check for result in publication.warnings if "unit" in result.check] == ["warn_unit_setting_unknown"]
    assert refresh(other, NOON)
    assert not refresh(settings, NOON)


def test_a_lost_feed_or_manifest_needs_a_build(settings: Settings) -> None:
    (settings.feeds_dir / "core.users.parquet").unlink()
    assert not refresh(settings, NOON)
    settings.manifest_path.unlink()
    assert not refresh(settings, NOON)


def test_changes_that_waited_need_a_build(settings: Settings) -> None:
    with duckdb.connect(str(settings.load_path)) as connection:
        issued = {"id": 1, "reward_id": 1, "recipient_id": 1, "total_due": 1, "issued_at": MORNING}
        insert(connection, "rewards_issued", [{**issued, "seen": ["2026-01-01 09:00:00", None]}])
        add_run(connection, "alone", "2026-01-01 09:00:00", ["rewards_issued"])
    publication = publish(settings, build(settings))
    assert publication.manifest["waiting_changes"] == 1
    assert [warning.check for warning in publication.warnings if "waiting" in warning.check] == ["warn_waiting_changes"]
    assert not refresh(settings, NOON)


def test_before_the_first_publication_there_is_nothing_to_refresh(tmp_path: Path) -> None:
    assert not refresh(Settings(warehouse_dir=tmp_path), NOON)
