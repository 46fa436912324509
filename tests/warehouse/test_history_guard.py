"""A draft that has less history than what is published is refused, whichever part of the load file was damaged."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from referral_warehouse.errors import HistoryLost
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.publish import Publication, publish
from tests.conftest import using_models
from tests.sampling import sampled
from tests.warehouse.few_models import FEWEST, copy_few_models
from tests.warehouse.planting import add_run, insert, plant

FIRST, SECOND, THIRD = "2026-01-01 08:00:00", "2026-01-02 08:00:00", "2026-01-03 08:00:00"
SYNCS = (FIRST, SECOND, THIRD)


def due(number: int, *seen: str | None, value: int = 25) -> dict[str, Any]:
    return {
        "id": number, "reward_id": 1, "recipient_id": number, "total_due": 1, "total_value": value,
        "reward_type": "Cash", "seen": list(seen),
    }  # fmt: skip


TABLES: dict[str, list[dict[str, Any]]] = {
    "campaigns": [
        {"id": 5, "name": "Old", "seen": [FIRST, SECOND]},
        {"id": 5, "name": "New", "seen": [SECOND, None]},
    ],
    "rewards": [{"id": 1, "campaign_id": 5, "type": "Cash", "value": 25, "seen": [FIRST, None]}],
    "users": [{"id": i, "campaign_id": 5} for i in range(1, 9)],
    "rewards_due": [due(1, FIRST, SECOND), due(2, FIRST, THIRD), due(3, FIRST, None), due(4, SECOND, None)],
    "rewards_issued": [due(1, SECOND, None) | {"issued_at": SECOND}, due(2, THIRD, None) | {"issued_at": THIRD}],
    "coupons": [{"id": i, "name": f"C{i}", "referral_id": i} for i in range(1, 4)],
    "observations": [
        {"stream": "users", "id": 8, "what": "vanished", "observed_at": SECOND},
        {"stream": "users", "id": 7, "what": "vanished", "observed_at": SECOND},
        {"stream": "users", "id": 7, "what": "reappeared", "observed_at": THIRD},
        {"stream": "coupons", "id": 3, "what": "vanished", "observed_at": THIRD},
    ],
}


@pytest.fixture(scope="module", autouse=True)
def models_of_core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Builds of this module have what a publication needs, and all of core, whose records the guard counts."""
    with using_models(copy_few_models(tmp_path_factory.mktemp("models"), (*FEWEST, "core."))):
        yield


@pytest.fixture(scope="module")
def published_once(tmp_path_factory: pytest.TempPathFactory, models_of_core: None) -> Path:
    found = plant(tmp_path_factory.mktemp("published"), TABLES, syncs=SYNCS)
    publish(found, build(found))
    return found.warehouse_dir


@pytest.fixture(scope="module")
def published_in_the_future(tmp_path_factory: pytest.TempPathFactory, models_of_core: None) -> Path:
    """The same with one sync that is dated 2030, and a version that it saw."""
    tables = TABLES | {"rewards_due": [*TABLES["rewards_due"], due(6, "2030-01-01 08:00:00", None)]}
    found = plant(tmp_path_factory.mktemp("future"), tables, syncs=[*SYNCS, "2030-01-01 08:00:00"])
    publish(found, build(found))
    return found.warehouse_dir


def copied(published: Path, folder: Path) -> Settings:
    shutil.copytree(published, folder / "data", symlinks=True)
    return Settings(warehouse_dir=folder / "data")


@pytest.fixture
def settings(published_once: Path, tmp_path: Path) -> Settings:
    """A test's own copy of the directory with three syncs and one snapshot."""
    return copied(published_once, tmp_path)


def change(settings: Settings, *statements: str) -> None:
    with duckdb.connect(str(settings.load_path)) as connection:
        connection.execute("set timezone = 'UTC'")
        for statement in statements:
            connection.execute(statement)


def again(settings: Settings, **accepted: Any) -> Publication:
    return publish(settings, build(settings), **accepted)


DAMAGES: dict[str, tuple[str, str]] = {
    "ended versions of rewards due are gone": (
        "delete from raw.rewards_due where _dlt_valid_to is not null",
        "rewards_due: 2 of 4 version(s) that began, 2 of 2 version(s) that ended are missing",
    ),
    "ended versions were opened again": (
        "update raw.rewards_due set _dlt_valid_to = null",
        "rewards_due: 2 of 2 version(s) that ended are missing, the earliest of 2026-01-02 08:00",
    ),
    "rewards due were read again": (
        f"update raw.rewards_due set _dlt_valid_from = '{THIRD}+00', _dlt_valid_to = null",
        "rewards_due: 4 of 4 version(s) that began",
    ),
    "one reward due has another value": (
        "update raw.rewards_due set total_value = 20 where id = 3",
        "rewards_due: at 1 time(s) other records or values changed than was published, the earliest of 2026-01-01",
    ),
    "a reward due was seen an hour later": (
        "update raw.rewards_due set _dlt_valid_from = _dlt_valid_from + interval 1 hour where id = 3",
        "rewards_due: 1 of 4 version(s) that began are missing",
    ),
    "rewards issued were read again": (
        f"update raw.rewards_issued set _dlt_valid_from = '{THIRD}+00'",
        "rewards_issued: 1 of 2 records have a later first_seen_at (published 2026-01-02 08:00, now 2026-01-03 08:00)",
    ),
    "rewards issued are gone": ("delete from raw.rewards_issued", "rewards_issued: 2 of 2 records are missing"),
    "half of the users are gone": ("delete from raw.users where id > 4", "users: 4 of 8 records are missing"),
    "coupons are gone": ("delete from raw.coupons where id = 2", "coupons: 1 of 3 records are missing"),
    "a campaign has lost its old version": (
        "delete from raw.campaigns where name = 'Old'",
        "campaigns: 1 of 1 records have a later first_seen_at",
    ),
    "the table of rewards is gone": ("drop table raw.rewards", "rewards: 1 of 1 records are missing"),
    "the table of rewards due is gone": ("drop table raw.rewards_due", "rewards_due: 4 of 4 version(s) that began"),
    "tombstones are gone": (
        "delete from raw.observations",
        "users: 2 of 2 deletion(s) noticed, 1 of 1 reappearance(s) noticed are missing, the earliest of 2026-01-02",
    ),
    "one tombstone is gone": (
        "delete from raw.observations where stream = 'coupons'",
        "coupons: 1 of 1 deletion(s) noticed are missing, the earliest of 2026-01-03",
    ),
    "another record carries the tombstone": (
        "update raw.observations set id = 1 where id = 8",
        "users: at 1 time(s) other records or values changed",
    ),
    "the log of syncs is gone": (
        "delete from raw.run_streams",
        "log of syncs: 3 of 3 syncs of both reward lists since 2026-01-01 08:00 are missing",
    ),
    "the log of one sync is gone": ("delete from raw.run_streams where run_id = 'r2'", "log of syncs: 1 of 3 syncs"),
}


@pytest.mark.parametrize("damage", sampled(DAMAGES, 3))
def test_a_damaged_past_is_refused_with_streams_and_numbers(settings: Settings, damage: str) -> None:
    statement, words = DAMAGES[damage]
    before = settings.warehouse_path.readlink()
    change(settings, statement)
    with pytest.raises(HistoryLost) as refused:
        again(settings, accept_deletions=True)
    assert words in refused.value.message
    assert refused.value.exit_code == 5
    assert "--accept-shorter-history" in str(refused.value)
    assert settings.warehouse_path.readlink() == before


@pytest.mark.parametrize("damage", sampled(DAMAGES, 1))
def test_a_damaged_past_can_be_accepted_and_is_compared_from_then_on(settings: Settings, damage: str) -> None:
    change(settings, DAMAGES[damage][0])
    again(settings, accept_deletions=True, accept_shorter_history=True)
    again(settings, accept_deletions=True)


@pytest.mark.parametrize("damage", ["ended versions of rewards due are gone", "tombstones are gone"])
def test_later_syncs_do_not_hide_a_loss(settings: Settings, damage: str) -> None:
    """The fault leaves the log of runs whole, and later syncs make it longer than it was."""
    change(settings, DAMAGES[damage][0])
    with duckdb.connect(str(settings.load_path)) as connection:
        for number in range(5):
            add_run(connection, f"later{number}", f"2026-01-04 0{number}:00:00", ["rewards_due", "rewards_issued"])
            insert(connection, "rewards_due", [due(100 + number, f"2026-01-04 0{number}:00:00", None)])
    with pytest.raises(HistoryLost):
        again(settings, accept_deletions=True)


def test_what_is_only_added_is_published(settings: Settings) -> None:
    change(
        settings,
        "update raw.rewards_due set _dlt_valid_to = '2026-01-04 08:00:00+00' where id = 3",
        "insert into raw.observations (stream, id, what, observed_at) values "
        "('users', 1, 'vanished', '2026-01-04 08:00:00'), ('users', 6, 'vanished', '2026-01-03 08:00:00')",
        "update raw.users set email = 'new@example.com', _fetched_at = '2026-01-04 08:00:00'",
    )
    with duckdb.connect(str(settings.load_path)) as connection:
        insert(connection, "users", [{"id": 20, "campaign_id": 5}])
        insert(connection, "rewards_due", [due(9, "2026-01-04 08:00:00", None)])
        insert(connection, "campaigns", [{"id": 6, "name": "Six", "seen": ["2026-01-04 08:00:00", None]}])
        add_run(connection, "r4", "2026-01-04 08:00:00", ["users", "rewards_due", "rewards_issued", "campaigns"])
    assert again(settings).snapshot == 2
    assert again(settings).snapshot == 3, "the same load file again"


def test_times_of_a_wrong_clock_may_be_corrected(published_in_the_future: Path, tmp_path: Path) -> None:
    """One sync was dated 2030 and its versions with it; the correction moves them to when they were seen."""
    settings = copied(published_in_the_future, tmp_path)
    corrected = "2026-01-04 08:00:00"
    change(
        settings,
        f"update raw.rewards_due set _dlt_valid_from = '{corrected}+00' where id = 6",
        f"update raw.runs set observed_at = '{corrected}' where observed_at > '2029-01-01'",
        f"update raw.run_streams set observed_at = '{corrected}' where observed_at > '2029-01-01'",
    )
    assert again(settings).snapshot == 2


def test_a_version_dated_in_the_future_may_not_be_lost_either(published_in_the_future: Path, tmp_path: Path) -> None:
    settings = copied(published_in_the_future, tmp_path)
    change(settings, "delete from raw.rewards_due where id = 6")
    with pytest.raises(HistoryLost, match=r"rewards_due: 1 of 5 version\(s\) that began are missing"):
        again(settings, accept_deletions=True)


def older_version(settings: Settings, *statements: str) -> None:
    """Make the published snapshot one of a version that published less."""
    path = settings.warehouse_path.resolve()
    path.chmod(0o600)
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)
    path.chmod(0o400)


@pytest.mark.full
@pytest.mark.usefixtures("few_models")
def test_a_snapshot_without_the_table_is_compared_by_what_it_has(settings: Settings) -> None:
    """One with the ledger, whose syncs are compared instead."""
    again(settings)
    older_version(settings, "drop table ops.history")
    kept = shutil.copy(settings.load_path, settings.load_path.with_name("kept"))
    for damage in (
        "rewards issued are gone", "rewards issued were read again", "half of the users are gone",
        "the log of syncs is gone", "rewards due were read again",
    ):  # fmt: skip
        change(settings, DAMAGES[damage][0])
        with pytest.raises(HistoryLost):
            again(settings, accept_deletions=True)
        shutil.copy(kept, settings.load_path)
    assert again(settings).snapshot == 3


def test_a_snapshot_with_few_tables_and_columns_stops_nothing(settings: Settings) -> None:
    older_version(
        settings, "drop schema marts cascade", "drop table ops.history", "drop table ops.run_streams",
        "drop table core.coupons", "alter table core.campaigns drop column first_seen_at",
        "alter table core.users drop column deleted_at", "drop table core.rewards_due",
    )  # fmt: skip
    assert again(settings).snapshot == 2


@pytest.mark.full
def test_a_damaged_snapshot_is_passed_over_for_the_one_before(settings: Settings) -> None:
    again(settings)
    path = settings.warehouse_path.resolve()
    path.chmod(0o600)
    path.write_bytes(b"noise" * 5000)
    kept = shutil.copy(settings.load_path, settings.load_path.with_name("kept"))
    change(settings, DAMAGES["half of the users are gone"][0])
    with pytest.raises(HistoryLost, match="users: 4 of 8"):
        again(settings)
    shutil.copy(kept, settings.load_path)
    assert again(settings).snapshot == 3
