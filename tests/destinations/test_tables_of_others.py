"""Tables of others at a destination are never replaced or removed, and no open transaction is waited for."""

from __future__ import annotations

from pathlib import Path

import duckdb
import psycopg2
import pytest

from referral_warehouse.destinations import delivery, steps, tables
from referral_warehouse.errors import ConfigurationError, DestinationUnavailable, ReferralsError
from referral_warehouse.operate.delivery_folder import DeliveryFolder
from referral_warehouse.operate.feed_delivery import deliver_feeds
from referral_warehouse.settings import Settings
from referral_warehouse.settings.destinations import DestinationValues
from referral_warehouse.workspace.access import Access
from tests.destinations.conftest import environ_of
from tests.destinations.databases import NAME, datasets, deliver, differences, execute, query, values_of
from tests.lake.lakes import altered

PASSWORD = "unused-3f9c"


def refused(settings: Settings, values: DestinationValues, words: str) -> str:
    with pytest.raises(ConfigurationError, match=words) as found:
        deliver(settings, values)
    assert "WAREHOUSE__DATASET_NAME" in found.value.next_step
    return str(found.value)


def test_what_others_have_in_the_datasets_is_left_alone(
    settings: Settings, values: DestinationValues, address: str
) -> None:
    for schema, name in (
        ("referrals", "core_users"), ("referrals", "ops_published"), ("referrals_staging", "precious"),
        ("referrals_staging", "ops_published"),
    ):  # fmt: skip
        execute(address, f"create schema {schema}")
        execute(address, f"create table {schema}.{name} as select 42 as id, 'elsewhere' as dataset_name")
        refused(settings, values, f"The dataset {schema} of analytics has .*{name}")
        assert query(address, f"select id from {schema}.{name}") == [(42,)]
        assert datasets(address) - {"delivered_once"} == {schema}
        execute(address, f"drop schema {schema} cascade")
    execute(address, "create schema referrals; create materialized view referrals.core_users as select 1 as id")
    refused(settings, values, "core_users")
    execute(address, "drop materialized view referrals.core_users; create table referrals.notes as select 1 as id")
    deliver(settings, values, 1)
    altered(settings, 2, 4, "create table marts.new_one as select 1 as id")
    execute(address, "create table referrals.marts_new_one as select 42 as id")
    with pytest.raises(ConfigurationError, match="marts_new_one"):
        deliver(settings, values, 4)
    assert query(address, "select id from referrals.marts_new_one union all table referrals.notes") == [(42,), (1,)]
    assert query(address, "select snapshot from referrals.ops_published") == [(1,)]


def test_what_others_have_in_a_file_is_left_alone(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where readers have tables, and where they have views, whose rows are in two more datasets."""
    file = tmp_path / "analytics.duckdb"
    values = values_of({
        f"DESTINATION__{NAME}__CREDENTIALS": str(file), f"DESTINATION__{NAME}__DESTINATION_TYPE": "duckdb",
    })  # fmt: skip
    places = {"referrals": "core_users", "referrals_staging": "precious", "referrals_a": "precious"}
    with duckdb.connect(str(file)) as connection:
        for schema, name in places.items():
            connection.execute(f"create schema {schema}; create table {schema}.{name} as select 42 as id")
    refused(settings, values, "The dataset referrals of analytics has .*core_users")
    monkeypatch.setattr(delivery, "TRANSACTIONAL", {})
    monkeypatch.setattr(delivery, "WITH_VIEWS", ("duckdb",))
    refused(settings, values, "The dataset referrals_a of analytics has precious")
    with duckdb.connect(str(file)) as connection:
        connection.execute("drop schema referrals_a cascade")
    refused(settings, values, "The dataset referrals of analytics has .*core_users")
    with duckdb.connect(str(file)) as connection:
        for schema, name in list(places.items())[:2]:
            assert connection.execute(f"from {schema}.{name}").fetchall() == [(42,)]


def test_an_open_transaction_of_somebody_does_not_hold_a_delivery_up(
    settings: Settings, values: DestinationValues, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(settings, values, 1)
    engine = tables.Engine(has_ddl=True, has_comments=True, has_keys=True, wait_limit="set lock_timeout = '50ms'")
    monkeypatch.setattr(steps, "TRANSACTIONAL", {"postgres": engine})
    assert "lock_timeout" in tables.TRANSACTIONAL["postgres"].wait_limit
    with psycopg2.connect(address) as somebody, somebody.cursor() as cursor:
        cursor.execute("update referrals.core_users set code = code")
        with pytest.raises(DestinationUnavailable, match="or has locked a table or rows"):
            deliver(settings, values, 2)
        somebody.rollback()
    somebody.close()
    assert differences(address, settings, 1) == []
    deliver(settings, values, 2)
    assert differences(address, settings, 2) == []


def test_what_a_retry_does_not_help_says_what_to_do(
    settings: Settings, values: DestinationValues, address: str
) -> None:
    deliver(settings, values, 1)
    execute(address, "create table referrals.notes as select user_id from referrals.core_users")
    execute(address, "alter table referrals.notes add foreign key (user_id) references referrals.core_users(user_id)")
    with pytest.raises(ConfigurationError, match="foreign key constraint") as found:
        deliver(settings, values, 2)
    assert found.value.next_step.startswith("Drop the foreign keys there")
    execute(address, "drop database if exists latin")
    execute(address, "create database latin encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0")
    altered(settings, 1, 4, "update core.users set code = 'a cup of \u2615'")
    latin = f"{address.rpartition('/')[0]}/latin"
    with pytest.raises(ConfigurationError, match="has no equivalent in encoding") as found:
        deliver(settings, values_of(environ_of(latin)), 4)
    assert "to a database with the encoding UTF8" in found.value.next_step


def test_a_key_that_changes_while_the_rows_do_not_is_followed(
    settings: Settings, values: DestinationValues, address: str
) -> None:
    deliver(settings, values, 1)
    execute(address, "update referrals.ops_published_tables set key_columns = 'code' where table_name = 'core_users'")
    execute(address, "alter table referrals.core_users drop constraint core_users_key")
    deliver(settings, values, 2)
    keys = "select pg_get_constraintdef(oid) from pg_constraint where conrelid = 'referrals.core_users'::regclass"
    assert query(address, f"{keys} and contype = 'p'") == [("PRIMARY KEY (user_id)",)]


def test_a_password_with_an_at_sign_is_refused_without_showing_it(settings: Settings, address: str) -> None:
    with pytest.raises(ConfigurationError, match="with an @ in its password") as found:
        deliver(settings, values_of(environ_of(address.replace(f":{PASSWORD}@", ":first@second-part@"))))
    assert found.value.next_step == "Write it as %40."
    assert "second-part" not in str(found.value)


@pytest.mark.parametrize(("name", "code"), [("text.duckdb", 2), ("nowhere/new.duckdb", 4), ("data", 2)])
def test_a_file_that_cannot_be_a_destination_is_reported_with_the_setting(
    settings: Settings, tmp_path: Path, name: str, code: int
) -> None:
    (tmp_path / "text.duckdb").write_text("no database")
    values = values_of({
        f"DESTINATION__{NAME}__CREDENTIALS": str(tmp_path / name), f"DESTINATION__{NAME}__DESTINATION_TYPE": "duckdb",
    })  # fmt: skip
    with pytest.raises(ReferralsError, match=r"cannot be delivered|a file of this warehouse") as found:
        deliver(settings, values)
    assert found.value.exit_code == code
    assert found.value.next_step.startswith(f"Set DESTINATION__{NAME}__CREDENTIALS to a")
    assert (tmp_path / "text.duckdb").read_text() == "no database"


def test_a_manifest_of_another_program_is_not_replaced_by_feeds(settings: Settings, tmp_path: Path) -> None:
    there = tmp_path / "feeds" / "manifest.json"
    there.parent.mkdir()
    there.write_text('{"nodes": {}}')
    with pytest.raises(ConfigurationError, match=r"manifest\.json there was not written by this program") as found:
        deliver_feeds(settings, DeliveryFolder(there.parent, Access()))
    assert "a place of its own" in found.value.next_step
    assert there.read_text() == '{"nodes": {}}'
    assert [path.name for path in there.parent.iterdir()] == ["manifest.json"]
