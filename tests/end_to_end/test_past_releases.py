"""A load file of every past release is upgraded by the next sync, which is exact; a file of a newer one is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from referral_warehouse.warehouse.publisher import MARK
from referral_warehouse.workspace.durable_files import file_sha256
from referral_warehouse.workspace.load_file_version import LOAD_FILE_VERSION, VERSION_TABLE
from tests.end_to_end.small_api import Row
from tests.end_to_end.small_warehouse import SmallWarehouse
from tests.kills.stage import published, unequal
from tests.load.releases.account import show, state
from tests.load.releases.make import releases, restore
from tests.sampling import sampled

CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"
HISTORIES = ("campaigns", "rewards", "rewards_due", "rewards_issued")
SIMULATED = {"SOURCES__REFERRAL_FACTORY__SIMULATED_TIME": "true"}
OBSERVED = {"first_seen_at", "last_seen_at", "observed_at", "fetched_at"}
"""Columns that say when a sync saw a row: a directory that has more history has earlier ones."""
Small = Callable[[dict[str, list[Row]]], SmallWarehouse]


def test_every_release_has_a_fixture() -> None:
    """``python -m tests.load.releases.make`` writes that of a new release."""
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", CHANGELOG.read_text(encoding="utf-8"), re.MULTILINE)
    assert releases() == sorted({"0.1.0", *released})


@pytest.mark.parametrize("release", sampled(releases()[::-1], 1))
def test_a_load_file_of_a_release_is_upgraded_and_the_next_sync_is_exact(small: Small, release: str) -> None:
    warehouse = small(state(3))
    warehouse.data.mkdir()
    restore(release, warehouse.data / "load.duckdb")
    before = {name: history(warehouse, name) for name in HISTORIES}
    show(warehouse.api, 3)
    ended = warehouse.sync("--json", **SIMULATED)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["published"]
    assert warehouse.loaded(f"select version from main.{VERSION_TABLE}") == [(LOAD_FILE_VERSION,)]
    for name, rows in before.items():
        assert len(rows) >= 3
        assert rows <= history(warehouse, name), f"the history of {name} is kept"
    deleted = "select user_id from core.users where deleted_at is not null order by 1"
    assert warehouse.published(deleted) == [(7,), (8,)]
    due = "select recipient_id from raw.rewards_due where _dlt_valid_to is null order by 1"
    assert warehouse.loaded(due) == [(1,), (3,), (4,), (9,)]
    idle = warehouse.sync("--json", **SIMULATED)
    assert not json.loads(idle.stdout)["published"], idle.stdout
    upgraded = current_rows(warehouse.data)
    mark = warehouse.data / "state" / MARK  # a lake is published into by the warehouse that made it
    kept = mark.read_bytes() if mark.exists() else None
    warehouse.lose("load.duckdb", "state", "snapshots", "feeds", "manifest.json", "warehouse.duckdb")
    if kept is not None:
        mark.parent.mkdir()
        mark.write_bytes(kept)
    assert warehouse.sync(**SIMULATED).returncode == 0
    assert unequal(upgraded, current_rows(warehouse.data)) == {}


@pytest.mark.parametrize("command", ["sync", "publish"])
def test_a_load_file_of_a_newer_release_is_refused_in_words(small: Small, command: str) -> None:
    warehouse = small(state(3))
    warehouse.data.mkdir()
    path = warehouse.data / "load.duckdb"
    restore(releases()[-1], path)
    newer = LOAD_FILE_VERSION + 1
    warehouse.damage(f"create or replace table main.{VERSION_TABLE} as select {newer} as version")
    before = file_sha256(path)
    ended = warehouse.run(command)
    assert ended.returncode == 2
    assert f"version {newer}" in ended.stderr
    assert "Install the newer version" in ended.stderr
    assert file_sha256(path) == before
    assert warehouse.api.calls == [], "the API is not asked first"


def history(warehouse: SmallWarehouse, name: str) -> set[tuple[object, ...]]:
    """The versions of a history: ids, states and when each began."""
    value = "coalesce(value, 0)::double" if name == "rewards" else "0"
    return set(warehouse.loaded(f"select id, _dlt_valid_from, {value} from raw.{name}"))


def current_rows(data: Path) -> dict[str, list[tuple[object, ...]]]:
    """The rows of core that the API has now, without the columns that say when a sync saw them."""
    found = {}
    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as connection:
        for name in published(data, ["core"]):
            columns = {row[0] for row in connection.execute(f"describe {name}").fetchall()}
            kept = ", ".join(sorted(columns - OBSERVED))
            where = "where deleted_at is null" if "deleted_at" in columns else ""
            found[name] = connection.execute(f"select {kept} from {name} {where} order by all").fetchall()
    return found
