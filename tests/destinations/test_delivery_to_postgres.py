"""Tables in PostgreSQL: exactly those of the feeds, all of one snapshot, and only what changed is sent."""

from __future__ import annotations

import hashlib
import os
import sys
from typing import Any

import psycopg2
import pytest

from referral_warehouse.destinations import tables
from referral_warehouse.errors import ConfigurationError, DataRefused, DestinationUnavailable
from referral_warehouse.settings import Settings
from referral_warehouse.settings.destinations import DestinationValues
from referral_warehouse.warehouse.manifest import read_manifest
from tests.destinations.conftest import ONCE
from tests.destinations.databases import datasets, deliver, differences, execute, query, values_of
from tests.lake.lakes import altered
from tests.lake.test_lake_readers import numbered
from tests.operate.deliveries import switch_to
from tests.reader_processes import reading

DELIVERIES = 6


def test_every_table_has_the_rows_of_its_feed(once: Settings, address: str) -> None:
    assert differences(address, once, 1, ONCE) == []
    assert datasets(address) == {ONCE}, "nothing is left of the loading"
    assert list((once.state_dir / "destinations").iterdir()) == []


def test_the_control_table_has_the_number_the_checksum_and_the_times(once: Settings, address: str) -> None:
    path = once.snapshots_dir / "000001" / "manifest.json"
    manifest = read_manifest(path)
    assert manifest is not None
    [row] = query(
        address,
        "select snapshot, manifest_sha256, synced_at = timestamptz '" + manifest["synced_at"] + "', delivered_at "
        f"between now() - interval '1 hour' and now() + interval '1 hour', dataset_name from {ONCE}.ops_published",
    )
    assert row == (1, hashlib.sha256(path.read_bytes()).hexdigest(), True, True, ONCE)
    sums: dict[str, Any] = dict(query(address, f"select table_name, checksum from {ONCE}.ops_published_tables"))
    assert sums == {name.replace(".", "_"): table["checksum"] for name, table in manifest["tables"].items()}


def test_comments_keys_and_types_are_those_of_the_warehouse(once: Settings, address: str) -> None:
    kinds: dict[str, Any] = dict(query(
        address,
        "select table_name || '.' || column_name, data_type || coalesce(' ' || nullif(numeric_precision, 64) || ',' || "
        f"numeric_scale, '') from information_schema.columns where table_schema = '{ONCE}'",
    ))  # fmt: skip
    assert kinds["core_rewards.reward_value"] == "numeric 38,2"
    assert kinds["core_users.joined_at"] == "timestamp with time zone"
    assert kinds["core_users.user_id"] == "bigint"
    [[comment]] = query(
        address,
        f"select col_description('{ONCE}.core_users'::regclass, ordinal_position) from information_schema.columns "
        f"where table_schema = '{ONCE}' and table_name = 'core_users' and column_name = 'referrer_id'",
    )
    assert comment == "user who invited this one; null = joined without an invitation"
    [[comment]] = query(address, f"select obj_description('{ONCE}.core_users'::regclass)")
    assert comment.startswith("Each person of each campaign")
    keys = query(
        address,
        "select conrelid::regclass::text, pg_get_constraintdef(oid) from pg_constraint where contype = 'p' and "
        f"connamespace = '{ONCE}'::regnamespace order by 1",
    )
    assert (f"{ONCE}.core_users", "PRIMARY KEY (user_id)") in keys
    assert len(keys) == 7, "with those of the two tables of control"


def test_only_tables_that_changed_are_sent_and_the_others_are_equal(
    settings: Settings, values: DestinationValues, address: str
) -> None:
    """Row versions show what was written: of tables that were not sent, each row is the one of the first delivery."""
    versions = (
        "select xmin::text, ctid::text from referrals.core_campaigns union all select xmin::text, ctid::text from "
    )
    deliver(settings, values, 1)
    execute(address, "insert into referrals.core_campaigns (campaign_id) values (-1)")  # what nobody should do
    before = query(address, f"{versions} referrals.ops_runs order by 1, 2")
    second = deliver(settings, values, 2)
    assert second.sent == 1, "the second snapshot has one user more"
    assert query(address, f"{versions} referrals.ops_runs order by 1, 2") == before
    assert differences(address, settings, 2) == ["core_campaigns"], "what was changed there, and nothing else"
    sent: dict[str, Any] = dict(query(address, "select table_name, snapshot from referrals.ops_published_tables"))
    assert (sent["core_users"], sent["ops_runs"]) == (2, 1)
    again = deliver(settings, values)
    assert (again.sent, again.is_new) == (0, False)
    everything = deliver(settings, values, everything=True)
    assert everything.sent == everything.tables
    assert differences(address, settings, 2) == []


@pytest.mark.full
def test_a_table_that_is_gone_is_sent_again(settings: Settings, values: DestinationValues, address: str) -> None:
    deliver(settings, values, 1)
    execute(address, "drop table referrals.core_coupons")
    assert deliver(settings, values).sent == 1
    assert differences(address, settings, 1) == []


@pytest.mark.full
def test_rights_and_views_on_tables_are_kept(settings: Settings, values: DestinationValues, address: str) -> None:
    deliver(settings, values, 1)
    execute(
        address,
        "create schema reports; create view reports.people as select * from referrals.core_users; "
        "grant select on referrals.core_users to pg_monitor",
    )
    deliver(settings, values, 2)
    assert query(address, "select count(*) from reports.people") == [(2,)]
    [[rights]] = query(address, "select relacl::text from pg_class where oid = 'referrals.core_users'::regclass")
    assert "pg_monitor=r" in rights


def read_while_delivering(
    settings: Settings, values: DestinationValues, address: str, readers: int, count: int
) -> None:
    """Deliver two snapshots by turns, whose numbers all of their tables say."""
    numbered(settings, range(4, 6))
    deliver(settings, values, 4)
    with reading("tests.destinations.readers", address, environ=os.environ, readers=readers) as reports:
        for delivery in range(count):
            deliver(settings, values, 5 - delivery % 2)
    for report in reports:
        sys.stdout.write(f"reader: {report['reads']} reads, {len(report['seen'])} snapshots\n")
    assert [error for report in reports for error in report["errors"]] == []
    assert [report["seen"] for report in reports] == [[4, 5]] * readers
    assert differences(address, settings, 4) == []


def test_readers_see_one_snapshot_during_six_deliveries(
    settings: Settings, values: DestinationValues, address: str
) -> None:
    read_while_delivering(settings, values, address, readers=1, count=DELIVERIES)


@pytest.mark.full
def test_eight_readers_see_one_snapshot_during_fifty_deliveries(
    settings: Settings, values: DestinationValues, address: str
) -> None:
    read_while_delivering(settings, values, address, readers=8, count=50)


@pytest.mark.full
def test_a_transaction_that_is_open_keeps_its_snapshot_and_holds_no_delivery_up(
    settings: Settings, values: DestinationValues, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless its tables must be altered: then the delivery gives up, and not the reader."""
    monkeypatch.setattr(tables, "ATTEMPTS", 2)
    altered(settings, 2, 4, "alter table core.users add column shoe_size integer")
    deliver(settings, values, 1)
    reader = psycopg2.connect(address)
    try:
        reader.set_session(isolation_level="REPEATABLE READ")
        cursor = reader.cursor()
        count = "select count(*) from referrals.core_users"
        for number in (1, 2):
            if number == 2:
                deliver(settings, values, number)
            cursor.execute(count)
            assert cursor.fetchall() == [(1,)]
        with pytest.raises(
            DestinationUnavailable, match="a long query or transaction uses a table whose columns change"
        ):
            deliver(settings, values, 4)
        cursor.execute(count)
        assert cursor.fetchall() == [(1,)]
    finally:
        reader.close()
    assert differences(address, settings, 2) == []
    deliver(settings, values)
    assert differences(address, settings, 4) == []


def test_columns_and_tables_that_change_are_followed(
    settings: Settings, values: DestinationValues, address: str
) -> None:
    """New, gone, and of another type; a table that is gone, and one that is new."""
    deliver(settings, values, 2)
    altered(
        settings, 2, 4,
        "alter table core.users add column shoe_size decimal(5, 1)", "update core.users set shoe_size = 42.5",
        "comment on column core.users.shoe_size is 'a new column''s comment'",
        "alter table core.users drop column code", "alter table core.users alter column reach type varchar",
        "drop table core.coupons", "create table marts.new_one as select 1 as id",
    )  # fmt: skip
    deliver(settings, values, 4)
    assert differences(address, settings, 4) == []
    [row] = query(
        address,
        "select numeric_precision, numeric_scale, col_description('referrals.core_users'::regclass, ordinal_position) "
        "from information_schema.columns where table_name = 'core_users' and column_name = 'shoe_size'",
    )
    assert row == (5, 1, "a new column's comment")


def test_personal_columns_are_without_values_as_in_the_feeds(
    settings: Settings, values: DestinationValues, address: str
) -> None:
    statement = "update core.users set email = 'zoe@example.com', first_name = 'Zoe'"
    altered(settings, 1, 4, statement)
    altered(settings, 1, 5, statement, hidden={"core.users": ["email", "first_name"]})
    addresses = "select email, first_name from referrals.core_users"
    deliver(settings, values, 4)
    assert query(address, addresses) == [("zoe@example.com", "Zoe")]
    deliver(settings, values, 5)
    assert query(address, addresses) == [(None, None)]


def test_another_warehouse_is_refused(settings: Settings, values: DestinationValues, address: str) -> None:
    deliver(settings, values, 1)
    (settings.state_dir / ".publisher").write_text("f" * 32)
    before = query(address, "select * from referrals.ops_published")
    with pytest.raises(ConfigurationError, match="Another warehouse delivers into the dataset referrals"):
        deliver(settings, values, 2)
    assert query(address, "select * from referrals.ops_published") == before


def test_a_feed_that_was_changed_is_not_delivered(settings: Settings, values: DestinationValues, address: str) -> None:
    deliver(settings, values, 1)
    feed = settings.snapshots_dir / "000002" / "feeds" / "core.users.parquet"
    feed.unlink()
    feed.write_bytes((settings.snapshots_dir / "000001" / "feeds" / "core.users.parquet").read_bytes())
    with pytest.raises(DataRefused, match=r"core\.users\.parquet has changed since it was published"):
        deliver(settings, values, 2)
    assert differences(address, settings, 1) == []
    assert "referrals_staging" not in datasets(address)


@pytest.mark.full
def test_two_datasets_of_a_database_hold_two_warehouses(
    settings: Settings, values: DestinationValues, address: str
) -> None:
    from dataclasses import replace

    deliver(settings, values, 1)
    (settings.state_dir / ".publisher").write_text("f" * 32)
    deliver(replace(settings, dataset_name="other_account"), values, 2)
    assert differences(address, settings, 1) == []
    assert differences(address, settings, 2, "other_account") == []


def test_without_a_snapshot_nothing_is_delivered(tmp_path: Any) -> None:
    assert deliver(Settings(warehouse_dir=tmp_path), values_of({})) is None


@pytest.mark.full
def test_the_next_delivery_has_the_number_of_the_published_snapshot(
    settings: Settings, values: DestinationValues, address: str
) -> None:
    """Also an older one: a restored backup, or a publication that was withdrawn."""
    deliver(settings, values, 2)
    deliver(switch_to(settings, 1), values)
    assert query(address, "select snapshot from referrals.ops_published") == [(1,)]
    assert differences(address, settings, 1) == []
