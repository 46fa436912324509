"""The lake shows what the published file shows, row for row, after every publication; it changes in one step."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.lake.connection import METADATA, open_lake
from referral_warehouse.warehouse.lake.publication import LakePublication
from referral_warehouse.workspace.durable_files import file_sha256
from tests.lake.lakes import altered, data_files, differences, differences_in, show, show_in, shown, with_lake

EXTREMES = """
create table core.extremes as select * from (values
    (1::bigint, 99999999999999999999999999999999999.99::decimal(38, 2), 'nan'::double, 'a\x01b''"\\ ☕'::varchar,
     timestamp '0001-01-01 00:00:00', true, '{"b": [1, null], "a": 1.50}'::json, [1, null, 3]::bigint[],
     date '9999-12-31'),
    (-9223372036854775808, -99999999999999999999999999999999999.99, '-inf', '', timestamp '9999-12-31 23:59:59.999999',
     false, 'null', [], date '0001-01-01'),
    (null, null, '-0'::double, null, timestamp '2026-03-29 02:30:00.000001', null, null, null, null),
    (null, null, '-0'::double, null, timestamp '2026-03-29 02:30:00.000001', null, null, null, null)
) as rows (id, amount, rate, words, seen_at, is_it, document, numbers, day)
"""
CHANGES: dict[str, tuple[str, ...]] = {
    "a column is added": (
        "alter table core.users add column colour varchar", "update core.users set colour = 'red' where user_id = 1",
        "comment on column core.users.colour is 'new'",
    ),
    "a column is added in between": (
        "create or replace table core.campaigns as select 1 as first, * from core.campaigns",
    ),
    "a column is gone": ("alter table core.rewards drop column name",),
    "a type changes": ("alter table core.rewards_due alter column reward_id type varchar",),
    "a name changes": ("alter table core.rewards_issued rename column status to word",),
    "rows change": ("update ops.checks set severity = 'x'",),
    "comments change": (
        "comment on table ops.run_streams is 'people''s'", "comment on column ops.run_streams.stream is null",
        "comment on column ops.run_streams.run_id is 'of the run'",
    ),
    "a table is added": (EXTREMES, "comment on table core.extremes is 'all types'"),
    "a table is gone": ("drop table core.coupons",),
    "a table is empty": ("delete from ops.runs",),
}  # fmt: skip


def follow(settings: Settings, changes: list[tuple[str, ...]]) -> None:
    """The lake shows the first snapshot, then each change of it, then the first one again."""
    with open_lake(settings, create=True) as lake:
        show_in(lake, settings, 1)
        assert differences_in(lake, settings, 1) == []
        for number, statements in enumerate(changes, start=4):
            altered(settings, 1, number, *statements)
            assert show_in(lake, settings, number).is_new
            assert differences_in(lake, settings, number) == [], statements
        assert differences_in(lake, settings, 1, "at (version => 1)") == []
        show_in(lake, settings, 1)
        assert differences_in(lake, settings, 1) == []
        assert differences_in(lake, settings, 4, "at (version => 2)") == []


def test_all_kinds_of_changes_arrive_and_the_past_stays(in_sqlite: Settings) -> None:
    follow(in_sqlite, [tuple(itertools.chain(*CHANGES.values()))])


@pytest.mark.full
def test_each_change_arrives_and_the_past_stays(settings: Settings) -> None:
    follow(settings, list(CHANGES.values()))


def test_a_catalog_in_a_file_of_duckdb_shows_the_publication(published: Settings, tmp_path: Path) -> None:
    settings = with_lake(published, tmp_path / "lake.ducklake", tmp_path / "lake")
    show(settings, 2)
    assert differences(settings, 2) == []


def test_a_catalog_in_postgresql_shows_every_publication(in_postgres: Settings) -> None:
    follow(in_postgres, [CHANGES["a column is added"] + CHANGES["a table is added"]])


def test_what_did_not_change_is_not_written_again(in_sqlite: Settings) -> None:
    first = show(in_sqlite, 1)
    assert first.written == first.tables
    assert show(in_sqlite) == LakePublication(1, 0, first.tables, is_new=False)
    assert shown(in_sqlite, "select max(snapshot_id) from lake.snapshots()") == [(1,)]
    before, files = _files_of(in_sqlite), data_files(in_sqlite)
    altered(in_sqlite, 1, 4, "update core.users set email = 'x@example.com'")
    assert show(in_sqlite, 4).written == 1
    after = _files_of(in_sqlite)
    changed = {"users", "published", "published_tables"}
    assert {name for name in after if after[name] != before[name]} == changed
    assert len(data_files(in_sqlite) - files) == len(changed)
    assert _ids_of(in_sqlite, 1) == _ids_of(in_sqlite, 2)


def _files_of(settings: Settings) -> dict[str, list[str]]:
    rows = shown(
        settings,
        "select tables.table_name, list(files.path order by files.path) "
        f"from {METADATA}.ducklake_table as tables join {METADATA}.ducklake_data_file as files using (table_id) "
        "where files.end_snapshot is null group by tables.table_name",
    )
    return dict(rows)


def _ids_of(settings: Settings, version: int) -> list[tuple[Any, ...]]:
    """The tables of a version: one that is made anew has another id."""
    return shown(
        settings,
        f"select table_id, table_name from {METADATA}.ducklake_table where begin_snapshot <= {version} "
        f"and (end_snapshot is null or end_snapshot > {version}) order by all",
    )


def test_a_lake_has_the_number_the_keys_and_the_commit_of_a_snapshot(in_sqlite: Settings) -> None:
    show(in_sqlite, 2)
    folder = in_sqlite.snapshots_dir / "000002"
    manifest = json.loads((folder / "manifest.json").read_text())
    [(snapshot, sha256, synced_at, version)] = shown(
        in_sqlite,
        "select snapshot, manifest_sha256, strftime(synced_at, '%Y-%m-%dT%H:%M:%SZ'), schema_version "
        "from lake.ops.published",
    )
    assert (snapshot, sha256) == (2, file_sha256(folder / "manifest.json"))
    assert (synced_at, version) == (manifest["synced_at"], manifest["schema_version"])
    tables = shown(in_sqlite, "select table_name, rows_count, checksum, key_columns from lake.ops.published_tables")
    description = json.loads((folder / "schema.json").read_text())["tables"]
    assert {name: (rows, checksum.split(" ")[0], keys) for name, rows, checksum, keys in tables} == {
        name: (table["rows"], table["checksum"], description[name]["key"]) for name, table in manifest["tables"].items()
    }
    [(author, message, info)] = shown(
        in_sqlite, "select author, commit_message, commit_extra_info from lake.snapshots() where snapshot_id = 1"
    )
    assert (author, message) == ("referral-warehouse", "snapshot 2")
    assert json.loads(info)["manifest_sha256"] == sha256
    comments = shown(
        in_sqlite, "select count(*) from duckdb_columns() where database_name = 'lake' and comment is null"
    )
    assert comments == [(0,)]


def test_another_warehouse_does_not_replace_the_tables(in_sqlite: Settings, publications: Settings) -> None:
    show(in_sqlite, 2)
    other = replace(
        publications, storage="ducklake", lake_catalog=in_sqlite.lake_catalog, lake_data=in_sqlite.lake_data
    )
    with pytest.raises(ConfigurationError, match="Another warehouse publishes"):
        show(other)
    assert differences(in_sqlite, 2) == []


def test_a_new_lake_begins_in_an_empty_place(in_sqlite: Settings, tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "of-somebody.parquet").write_bytes(b"theirs")
    with pytest.raises(ConfigurationError, match="is not empty"):
        show(in_sqlite)
    assert not (tmp_path / "lake.sqlite").exists()
    with pytest.raises(ConfigurationError, match="is not empty"), open_lake(in_sqlite):
        pass
