"""A query on a snapshot can do nothing but read it: no way out, no writing, one snapshot, a time limit."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from referral_warehouse.consume.query.formats import text_shape
from referral_warehouse.consume.query.pinned import open_pinned
from referral_warehouse.consume.query.snapshots import choose_snapshot
from referral_warehouse.consume.query.statements import REFUSED_FUNCTIONS, TABLE_FUNCTIONS, refuse_unsafe
from referral_warehouse.display_text import display_text
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.public_names import switch_link
from tests.consume.conftest import database

# {load} is the load file, {folder} a folder that can be written, {file} a CSV file in it.
WAYS_OUT = """
attach '{load}' as x (read_only)
attach ':memory:' as x
attach 'ducklake:{folder}/x' as x
from '{load}'
from '{file}'
select * from read_csv('{file}')
from read_text('{file}')
from read_blob('{folder}/*')
from read_json('{file}')
from read_parquet('{file}')
from parquet_metadata('{file}')
from parquet_schema('{file}')
from sniff_csv('{file}')
from glob('{folder}/*')
from read_duckdb('{load}')
select (select count(*) from read_text('{file}'))
with x as (from read_csv('{file}')) from x
select * from core.users where exists (from read_csv('{file}'))
describe from '{file}'
describe (from read_csv('{file}'))
summarize from read_csv('{file}')
from 'http://127.0.0.1:1/x.parquet'
from 'https://127.0.0.1:1/x.csv'
from read_csv('s3://bucket/x.csv')
copy core.users to '{folder}/out.csv'
copy (select 1) to '{folder}/out.parquet' (format parquet)
copy core.users from '{file}'
copy from database warehouse to memory
export database '{folder}/out'
import database '{folder}/out'
install httpfs
install httpfs from 'http://127.0.0.1:1'
load httpfs
load '{folder}/x.duckdb_extension'
update extensions
set threads = 1
set enable_external_access = true
set temp_directory = '{folder}'
reset enable_external_access
pragma threads = 1
pragma enable_profiling
pragma database_list
set variable x = 1
use memory
detach warehouse
create table x as select 1
create temp table x as select 1
create table memory.main.x as select 1
create view x as select 1
create macro x() as 1
create secret x (type s3)
create persistent secret x (type s3)
create or replace table core.users as select 1
insert into core.users (user_id) values (0)
update core.users set email = null
delete from core.users
merge into core.users using core.campaigns on false when matched then delete
truncate core.users
drop table core.users
drop schema core cascade
alter table core.users drop column email
comment on table core.users is 'x'
checkpoint
force checkpoint warehouse
vacuum
analyze
begin
call enable_logging(storage = 'file', storage_config = {{'path': '{folder}/logs'}})
from enable_logging(storage = 'file', storage_config = {{'path': '{folder}/logs'}})
select * from (from enable_logging())
select 1 where exists (from enable_profiling(save_location = '{folder}/profile.json'))
from checkpoint()
from force_checkpoint()
from query('select * from read_text(''{file}'')')
from query_table(['core.users'])
from json_execute_serialized_sql(json_serialize_sql('from read_text(''{file}'')'))
from duckdb_secrets()
from duckdb_settings()
from duckdb_databases()
from duckdb_logs()
from which_secret('x', 's3')
from import_database('{folder}')
from pragma_storage_info('core.users')
from python_map_function()
from pandas_scan(0)
from arrow_scan(0, 0, 0)
select write_log('x')
select nextval('x')
select getenv('HOME')
select system('id')
prepare x as select 1
execute x
explain analyze select 1
select 1; drop table core.users
select 1; select 2
pivot core.users on campaign_id
.shell id
.read {file}
from a_variable_of_python
""".strip().splitlines()


a_variable_of_python = {"x": [1]}


@pytest.fixture
def places(published: Settings, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "x.csv").write_text("secret\n1\n", encoding="utf-8")
    return {"load": str(published.load_path), "folder": str(tmp_path), "file": str(tmp_path / "x.csv")}


@pytest.fixture
def before(published: Settings, tmp_path: Path, places: dict[str, str]) -> Any:
    """Checks afterwards that no file appeared or changed anywhere."""

    def state() -> dict[str, bytes]:
        folders = (published.warehouse_dir, tmp_path)
        return {str(path): path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}

    kept = state()
    yield kept
    assert state() == kept


def test_no_query_reaches_anything_but_the_snapshot(
    published: Settings, places: dict[str, str], before: dict[str, bytes]
) -> None:
    del before
    with open_pinned(published) as pinned:
        for way in WAYS_OUT:
            sql = way.format(**places)
            with pytest.raises(ConfigurationError) as refused:
                pinned.run(sql).rows()
            assert "\n" not in str(refused.value), sql
        assert pinned.run("select count(*) from core.users").rows() == [(23,)], "the connection still works"


def test_the_settings_of_the_connection_hold_without_the_check_of_statements(
    published: Settings, places: dict[str, str], before: dict[str, bytes]
) -> None:
    """The second line of defence: what would happen if a text passed the first."""
    del before
    reach_out = [way for way in WAYS_OUT if re.search(r"\{(file|load|folder)\}|://", way) and "enable_" not in way]
    assert len(reach_out) >= 35
    with open_pinned(published) as pinned:
        for way in reach_out:
            with pytest.raises(duckdb.Error):
                pinned._connection.execute(way.format(**places)).fetchall()


@pytest.mark.parametrize(
    "sql",
    [
        "from core.users",
        "select 1 -- a remark",
        "with a as (select 1 as x) select * from a;",
        "values (1), (2)",
        "describe core.users",
        "show all tables",
        "summarize core.campaigns",
        "select * from range(3)",
        "from duckdb_columns() where schema_name = 'core'",
        "select * from information_schema.tables",
        "pivot core.users on campaign_id in (5, 6) using count(*)",
        "select unnest([1, 2])",
        "select warehouse.core.users.user_id from warehouse.core.users",
        "from core.users select first_name using sample 3 rows",
        "select list_transform([1], lambda x: x + 1)",
    ],
)
def test_what_only_reads_is_run(published: Settings, sql: str) -> None:
    with open_pinned(published) as pinned:
        assert pinned.run(sql).rows() != []


def test_every_function_of_duckdb_that_changes_something_is_refused_or_known_to_be_harmless() -> None:
    harmless = {
        "current_connection_id", "current_query", "current_query_id", "current_transaction_id", "error",
        "gen_random_uuid", "random", "setseed", "sleep_ms", "stats", "uuid", "uuidv4", "uuidv7",
    }  # fmt: skip
    with duckdb.connect() as connection:
        changing = connection.execute("select distinct function_name from duckdb_functions() where has_side_effects")
        assert {row[0] for row in changing.fetchall()} == REFUSED_FUNCTIONS | harmless
        known = connection.execute("select function_name from duckdb_functions() where function_type like 'table%'")
        assert {row[0] for row in known.fetchall()} >= TABLE_FUNCTIONS


@given(st.text())
@example("select " + "(" * 5_000 + "1" + ")" * 5_000)
@example("\ud800")
@example("select '\x00'")
@example("select 1 /* not closed")
def test_any_text_is_refused_in_one_line_or_is_a_select(text: str) -> None:
    refused = _refusal(text)
    if refused is None:
        [statement] = duckdb.extract_statements(text)
        assert statement.type == duckdb.StatementType.SELECT
    else:
        assert "\n" not in refused
        assert display_text(refused, 10_000) == refused


def _refusal(text: str) -> str | None:
    try:
        refuse_unsafe(text)
    except ConfigurationError as error:
        return str(error)
    return None


def test_hidden_columns_cannot_be_read_in_any_way(published: Settings) -> None:
    hidden = {"core.users": ["first_name", "email"]}
    with open_pinned(published, hidden=hidden) as pinned:
        assert pinned.run("select count(*), max(user_id) from core.users").rows() == [(23, 23)]
        assert "email" not in pinned.run("from core.users").columns
        for sql in (
            "select email from core.users",
            "select warehouse.core.users.email from warehouse.core.users",
            "from warehouse.core.users",
            "describe warehouse.core.users",
            "summarize warehouse.core.users",
            "pivot warehouse.core.users on email in ('x') using count(*)",
            "select (select any_value(u.email) from warehouse.core.users as u)",
            "from query('from warehouse.core.users')",
            "from query_table('warehouse.core.users')",
            "from pragma_storage_info('warehouse.core.users')",
            "select columns('email') from core.users",
        ):
            with pytest.raises(ConfigurationError):
                pinned.run(sql).rows()


def test_a_query_is_stopped_at_its_time_limit(published: Settings) -> None:
    endless = "select count(*) from range(1000000000000) as a(i), range(1000000) as b(j) where i * j % 3 = 4"
    with open_pinned(published) as pinned:
        with pytest.raises(ConfigurationError, match=r"stopped after 0\.05 s\..*--timeout"):
            pinned.run(endless, timeout_s=0.05)
        with pytest.raises(ConfigurationError, match="stopped after"):
            for _ in pinned.run("select i from range(1000000000000) as a(i)", timeout_s=0.3).batches:
                pass
        assert pinned.run("select 1", timeout_s=None).rows() == [(1,)]


def test_a_row_limit_cuts_the_result_and_says_so(published: Settings) -> None:
    with open_pinned(published) as pinned:
        for rows, limit, is_cut in ((5, 5, False), (6, 5, True), (5_000, 4_001, True), (1, 0, True), (0, 0, False)):
            answer = pinned.run(f"from range({rows})", max_rows=limit)
            assert len(answer.rows()) == min(rows, limit)
            assert answer.is_cut is is_cut, (rows, limit)


def test_what_is_read_stays_the_same_snapshot(published: Settings, tmp_path: Path) -> None:
    shutil.copytree(published.warehouse_dir, tmp_path / "data", symlinks=True)
    settings = Settings(warehouse_dir=tmp_path / "data")
    switch_link(settings, 1)
    with open_pinned(settings) as pinned:
        switch_link(settings, 3)
        shutil.rmtree(database(settings, 1).parent)
        assert (pinned.snapshot.number, pinned.run("select count(*) from core.users").rows()) == (1, [(21,)])
    with open_pinned(settings) as later:
        assert (later.snapshot.number, later.run("select count(*) from core.users").rows()) == (3, [(23,)])
    with pytest.raises(ConfigurationError, match="There is no snapshot 1: those that are kept are 2"):
        choose_snapshot(settings, 1)


def test_an_answer_in_order_keeps_its_order_in_another_shape(published: Settings) -> None:
    with open_pinned(published) as pinned:
        sql = "select hash(i) as h, i::varchar::json as j from range(200000) as a(i) order by h"
        answer = pinned.run(sql, shape=text_shape)
        found = [row[0] for row in answer.rows()]
        assert found == sorted(found)
