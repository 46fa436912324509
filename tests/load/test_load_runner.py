"""Whole runs: what the first, a second and a partial one do, cost and report."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pytest

from referral_warehouse.errors import AuthenticationError
from referral_warehouse.load.registry import STREAMS
from referral_warehouse.sandbox import Quirks
from tests.load.accounts import Account
from tests.schema_files import load_file_sql

COLUMNS = (
    "select table_name, column_name, data_type from information_schema.columns where table_schema = 'raw' "
    "and table_name not like '\\_dlt\\_%' escape '\\'"
)


def test_the_first_run_loads_every_row_of_the_account(account: Account) -> None:
    assert account.differences() == {}
    assert len(account.world.rows("users")) > 100


def test_the_first_run_makes_every_raw_table_as_the_models_expect_it(account: Account) -> None:
    with duckdb.connect() as documented:
        documented.execute(load_file_sql())
        expected = set(documented.execute(COLUMNS).fetchall())
    found = set(account.query(COLUMNS))
    assert found - expected == set(), "the loader writes columns that no schema names"
    assert expected - found == set(), "schemas name columns that the loader does not write"


def test_an_empty_account_makes_every_raw_table_too(fresh: Callable[..., Account]) -> None:
    empty = fresh(users=1)
    tables = empty.world._store.all("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'")
    for (table,) in tables:
        if table not in ("state", "events"):
            empty.tamper(f"delete from {table}")
    assert empty.load().rows_written == 0
    assert {row[0] for row in empty.query(COLUMNS)} >= {*STREAMS, "runs", "run_streams", "observations", "quarantine"}
    assert empty.load().rows_written == 0
    assert empty.differences() == {}


def test_a_second_run_with_nothing_new_writes_no_row_and_no_package(account: Account) -> None:
    packages = account.packages()
    versions = account.query("from raw.rewards_due order by id, _dlt_valid_from")
    report = account.load()
    assert report.rows_written == 0
    assert not report.swept
    assert not report.drained
    assert report.differences == []
    assert account.packages() == packages
    assert account.query("from raw.rewards_due order by id, _dlt_valid_from") == versions
    assert report.calls <= 15


def test_simulated_days_are_followed_with_the_calls_that_the_server_saw(account: Account) -> None:
    account.world.advance(1)
    report = account.load()
    assert report.calls == len(account.world.calls)
    assert report.calls == sum(stream.calls for stream in report.streams.values())
    assert account.query("select calls, status from raw.runs order by started_at desc limit 1") == [
        (report.calls, "done")
    ]
    ids = {row["id"] for row in account.world.rows("users")}
    assert {stream for stream in account.differences() if stream not in ("users", "coupons")} == set()
    assert set(account.query("select id from raw.users")) >= {(identifier,) for identifier in ids}
    account.world.wait(60)
    report = account.load(sweep=True)
    assert account.differences() == {}
    assert report.observed_at == account.world.now.replace(tzinfo=None)


def test_a_choice_of_streams_reads_and_writes_only_those(account: Account) -> None:
    account.world.advance(2)
    before = account.query("from raw.users order by id")
    report = account.load("campaigns", "rewards")
    assert set(report.streams) == {"campaigns", "rewards"}
    assert {call.path for call in account.world.calls} == {"/api/v1/campaigns", "/api/v1/rewards"}
    assert account.query("from raw.users order by id") == before
    account.load()
    assert account.differences() == {}


def test_coupons_are_loaded_with_the_users_that_contain_them(fresh: Callable[..., Account]) -> None:
    account = fresh()
    report = account.load("coupons")
    assert set(report.streams) == {"users", "coupons"}
    assert set(account.differences()) == {"campaigns", "rewards", "rewards_due", "rewards_issued"}


def test_users_read_without_their_coupons_are_swept_once(fresh: Callable[..., Account]) -> None:
    account = fresh()
    account.load("users")
    assert set(account.differences()) >= {"coupons"}
    assert account.load().swept
    assert account.differences() == {}
    assert not account.load().swept


@pytest.mark.full  # test_load_between_calls shows it of one coupon that no incremental query finds
def test_coupons_that_changed_while_only_users_were_read_lead_to_a_sweep(account: Account) -> None:
    account.world.advance(3)
    account.load("users")
    assert account.load("users", "coupons").swept
    assert {"users", "coupons"} & set(account.differences()) == set()


def test_a_rebuild_reads_everything_again_and_doubles_nothing(account: Account) -> None:
    report = account.load(rebuild=True)
    assert report.streams["users"].rows_seen == len(account.world.rows("users"))
    assert report.rows_written == 0
    assert account.differences() == {}


def test_a_deletion_shows_by_counting_and_is_found_by_a_sweep(account: Account) -> None:
    gone = account.world.rows("users")[5]["id"]
    account.world.delete_user(gone)
    report = account.load()
    assert report.swept
    assert any(difference.startswith("users: total: API reports") for difference in report.differences)
    assert account.query("select stream, id, what from raw.observations") == [("users", gone, "vanished")]
    assert account.one(f"select count(*) from raw.users where id = {gone}") == 1
    assert account.differences() == {}


def test_a_filter_that_the_server_ignores_leads_to_a_sweep(account: Account) -> None:
    account.world.advance(1)
    account.world.set_quirks(Quirks(ignore_filter_field="qualified_at"))
    report = account.load()
    assert report.swept
    assert any("did not apply" in note for note in report.streams["users"].notes)
    assert account.differences() == {}


def test_a_failure_keeps_what_was_committed_and_is_logged(account: Account) -> None:
    account.world.advance(1)
    account.world.set_quirks(Quirks(token_expires_after=5))
    with pytest.raises(AuthenticationError):
        account.load()
    (status, error) = account.query("select status, error from raw.runs order by started_at desc limit 1")[0]
    assert status == "failed"
    assert "token" in error
    account.world.set_quirks(Quirks())
    account.load()
    assert account.differences() == {}
