"""What all accounts publish reaches the lake, destinations, delivered feeds and another directory, with the account."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from referral_warehouse.settings import Settings, load_settings
from tests.accounts.conftest import Run, name_of
from tests.dlt_source.postgres_server import running_server
from tests.lake.packages import HAS_LAKE, NO_LAKE

USERS = [("uk", 4), ("us", 3)]
COUNTED = "select account, count(*) from {} group by all order by all"


def test_a_destination_gets_all_accounts_with_their_keys(synced: Settings, referrals: Run, tmp_path: Path) -> None:
    environ = {
        "WAREHOUSE__DESTINATIONS": "mine", "DESTINATION__MINE__DESTINATION_TYPE": "duckdb",
        "DESTINATION__MINE__CREDENTIALS": str(tmp_path / "mine.duckdb"),
    }  # fmt: skip
    done = referrals("deliver", **environ)
    assert done.code == 0, done.err
    with duckdb.connect(str(tmp_path / "mine.duckdb"), read_only=True) as connection:
        assert connection.execute(COUNTED.format("referrals.core_users")).fetchall() == USERS
        keys = connection.execute(
            "select key_columns from referrals.ops_published_tables where table_name = 'core_users'"
        ).fetchall()
    assert keys == [("account,user_id",)]


def test_delivered_feeds_and_another_directory_have_all_accounts(
    synced: Settings, referrals: Run, tmp_path: Path
) -> None:
    environ = {"WAREHOUSE__DELIVER_TO": str(tmp_path / "out"), "WAREHOUSE__PUBLISH_DIR": str(tmp_path / "published")}
    assert referrals("publish", **environ).code == 0
    [manifest] = (tmp_path / "out").glob("manifest.json")
    feed = tmp_path / "out" / json.loads(manifest.read_text())["tables"]["core.users"]["feed"]
    for source in (f"'{feed}'", f"'{tmp_path / 'published/feeds/core.users.parquet'}'"):
        assert duckdb.sql(COUNTED.format(source)).fetchall() == USERS


def test_readers_cannot_enter_the_directories_of_accounts(synced: Settings) -> None:
    for path in (synced.warehouse_dir / "accounts", load_settings(account="uk").warehouse_dir):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


@pytest.fixture(params=["a file", pytest.param("PostgreSQL", marks=pytest.mark.full)])
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where the catalog of the lake is."""
    if request.param == "a file":
        yield str(tmp_path / "catalog.sqlite")
        return
    with running_server() as server:
        yield server.new_database("accounts")


@pytest.mark.skipif(not HAS_LAKE, reason=NO_LAKE)
def test_the_lake_has_all_accounts_and_forgets_with_them(
    synced: Settings, referrals: Run, catalog: str, tmp_path: Path
) -> None:
    environ = {
        "WAREHOUSE__STORAGE": "ducklake", "WAREHOUSE__LAKE_CATALOG": catalog,
        "WAREHOUSE__LAKE_DATA": str(tmp_path / "lake"), "WAREHOUSE__SNAPSHOT_GRACE_MINUTES": "0",
    }  # fmt: skip
    assert referrals("publish", **environ).code == 0
    assert _in_lake(referrals, environ, "account", "core.users") == ["uk", "us"]
    assert name_of("uk", 1) in _in_lake(referrals, environ, "first_name", "core.users")
    done = referrals("forget", "--account", "uk", "--user-id", "1", **environ)
    assert done.code == 0, done.err
    assert referrals("publish", **environ).code == 0
    found = _in_lake(referrals, environ, "first_name", "core.users")
    assert name_of("uk", 1) not in found
    assert name_of("us", 1) in found
    held = [path for path in (tmp_path / "lake").rglob("*.parquet") if _holds(path, name_of("uk", 1))]
    assert held == [], "no file of an expired version is left"


def _in_lake(referrals: Run, environ: dict[str, str], column: str, table: str) -> list[str]:
    from referral_warehouse.settings import load_settings as load
    from referral_warehouse.warehouse.lake.connection import open_lake

    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        with open_lake(load()) as lake:
            assert lake is not None
            rows = lake.execute(f"select distinct {column} from lake.{table} order by all").fetchall()
    return [row[0] for row in rows if row[0] is not None]


def _holds(path: Path, text: str) -> bool:
    return text in repr(duckdb.sql(f"from read_parquet('{path}')").fetchall())
