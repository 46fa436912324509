"""Several accounts are synced side by side and published together; the failure of one leaves the others current."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from referral_warehouse.cli.accounts import children
from referral_warehouse.settings import Settings, load_settings
from referral_warehouse.warehouse.published_snapshot import published_snapshot
from referral_warehouse.workspace.lock import warehouse_lock
from tests.account_server import AccountServer, user
from tests.accounts.conftest import PROGRAM, Run, rows

TABLES = "select schema_name || '.' || table_name from duckdb_tables() where database_name = 'one' and not internal"


def differences(together: Settings) -> list[str]:
    """The tables whose rows in the common snapshot are not exactly those of each account's own snapshot."""
    found = []
    for name in together.accounts:
        own = load_settings(account=name)
        with duckdb.connect() as connection:
            connection.execute(f"attach '{together.warehouse_path.resolve()}' as common (read_only)")
            connection.execute(f"attach '{own.warehouse_path.resolve()}' as one (read_only)")
            for (table,) in connection.execute(TABLES).fetchall():
                common = f"select * exclude (account) from common.{table} where account = '{name}'"
                for one, other in ((common, f"from one.{table}"), (f"from one.{table}", common)):
                    if connection.execute(f"({one}) except all ({other})").fetchall():
                        found.append(f"{name}: {table}")
    return found


def test_both_accounts_are_published_row_by_row(synced: Settings) -> None:
    together = synced
    assert differences(together) == []
    assert rows(together.warehouse_path, "select account, count(*) from core.users group by all order by all") == [
        ("uk", 4), ("us", 3),
    ]  # fmt: skip
    listed = "select account, is_included, account_snapshot, last_error from ops.accounts order by all"
    assert rows(together.warehouse_path, listed) == [("uk", True, 1, None), ("us", True, 1, None)]


def test_the_account_is_the_first_part_of_every_key(synced: Settings, referrals: Run) -> None:
    together = synced
    snapshot = published_snapshot(together)
    assert snapshot is not None
    described = json.loads((snapshot.folder / "schema.json").read_text())["tables"]
    assert described.keys() == snapshot.manifest["tables"].keys()
    for name, table in described.items():
        assert next(iter(table["columns"])) == "account", name
        assert table["key"][0] == "account", name
        assert table["columns"]["account"]["comment"]
        assert pq.read_schema(together.feeds_dir / f"{name}.parquet").names[0] == "account"
        key = ", ".join(table["key"])
        doubled = f"select {key} from {name} group by all having count(*) > 1"
        if len(table["key"]) > 1 or name == "ops.accounts":
            assert rows(together.warehouse_path, doubled) == [], name


def test_one_account_alone_has_no_account_column(synced: Settings) -> None:
    own = load_settings(account="uk")
    assert "account" not in pq.read_schema(own.feeds_dir / "core.users.parquet").names
    assert json.loads(own.manifest_path.read_text()).get("accounts") is None


def test_what_did_not_change_is_not_published_again(synced: Settings, referrals: Run, us: AccountServer) -> None:
    together = synced
    before = json.loads(together.manifest_path.read_text())
    done = referrals("sync")
    assert "Nothing new: the published snapshot of all accounts is still current." in done.out
    after = json.loads(together.manifest_path.read_text())
    assert (after["snapshot"], after["synced_at"]) == (before["snapshot"], before["synced_at"])
    assert after["current_at"] > before["current_at"]
    us.lists["users"].append(user(99))
    done = referrals("sync", "--json")
    assert "users in common" not in done.err, "equal ids alone prove nothing"
    found = json.loads(done.out)
    assert (found["published"], found["snapshot"]) == (True, 2)
    assert found["accounts"]["us"]["rows_written"] == 1
    assert differences(together) == []


def test_a_failed_account_keeps_its_last_data_and_the_others_are_published(
    synced: Settings, referrals: Run, uk: AccountServer, us: AccountServer
) -> None:
    together = synced
    uk.lists["users"].append(user(50))
    us.errors["users"] = us.errors["campaigns"] = (401, b'{"message": "Unauthenticated."}')
    done = referrals("sync")
    assert done.code == 3
    assert "1 of 2 accounts could not be synced. us (exit code 3): The API did not accept the token" in done.err
    assert "ACCOUNTS__US__API_TOKEN and run `referrals check --account us`" in done.err
    assert "Snapshot 2 of uk, us published" in done.out
    assert "us is published with its last data, as of " in done.out
    assert rows(together.warehouse_path, "select account, count(*) from core.users group by all order by all") == [
        ("uk", 5), ("us", 3),
    ]  # fmt: skip
    listed = "select account, last_error from ops.accounts order by all"
    assert rows(together.warehouse_path, listed) == [("uk", None), ("us", "AuthenticationError")]
    shown = referrals("status")
    assert shown.code == 3
    assert shown.out.startswith("Failing: ")
    assert "us: Backups: none is known. Next: Run `referrals backup --account us DIR`" in " ".join(shown.out.split())
    assert json.loads(referrals("status", "--json").out)["accounts"]["us"]["state"] == "failing"
    us.errors.clear()
    assert referrals("sync").code == 0
    assert rows(together.warehouse_path, listed) == [("uk", None), ("us", None)]
    assert referrals("status").code == 0


def test_an_account_that_was_never_synced_is_named(together: Settings, referrals: Run, us: AccountServer) -> None:
    us.errors["users"] = us.errors["campaigns"] = (401, b'{"message": "Unauthenticated."}')
    done = referrals("sync")
    assert done.code == 3
    assert "us is not published: no sync of it has succeeded yet." in done.out
    assert rows(together.warehouse_path, "select account, is_included from ops.accounts order by all") == [
        ("uk", True), ("us", False),
    ]  # fmt: skip


def test_nothing_is_published_where_every_account_fails(
    together: Settings, referrals: Run, uk: AccountServer, us: AccountServer
) -> None:
    for server in (uk, us):
        server.errors["users"] = server.errors["campaigns"] = (401, b'{"message": "Unauthenticated."}')
    done = referrals("sync")
    assert done.code == 4
    assert "Nothing is published of any account yet" in done.err
    assert not together.warehouse_path.exists()
    assert referrals("status").code == 4


def test_a_process_that_is_killed_is_a_failure_of_its_account_alone(
    synced: Settings, referrals: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = synced
    program = ("sh", "-c", 'case "$*" in *"--account us"*) kill -9 $$ ;; *) exec "$@" ;; esac', "sh", *children.PROGRAM)
    monkeypatch.setattr(children, "PROGRAM", program)
    done = referrals("sync")
    assert done.code == 1
    assert "us (exit code -9): The process ended without recording its end" in done.err
    assert "uk: 0 rows written" in done.out
    assert rows(together.warehouse_path, "select last_error from ops.accounts where account = 'us'") == [("Failed",)]


def test_an_account_that_another_process_syncs_is_no_failure(synced: Settings, referrals: Run) -> None:
    with warehouse_lock(load_settings(account="us").warehouse_dir):
        done = referrals("sync")
    assert done.code == 0, done.err
    assert "us: another process is syncing this account; its last published data is used." in done.out


def test_one_account_can_be_synced_alone_and_all_are_published(
    synced: Settings, referrals: Run, uk: AccountServer
) -> None:
    together = synced
    uk.lists["users"].append(user(50))
    done = referrals("sync", "--account", "uk")
    assert done.code == 0, done.err
    assert rows(together.warehouse_path, "select count(*) from core.users where account = 'uk'") == [(5,)]
    uk.lists["users"].append(user(51))
    with warehouse_lock(together.warehouse_dir):  # as where all accounts are being synced
        done = referrals("sync", "--account", "uk")
    assert done.code == 0
    assert "all accounts are being synced now" in done.err
    assert rows(together.warehouse_path, "select count(*) from core.users where account = 'uk'") == [(5,)]
    assert referrals("publish").code == 0
    assert rows(together.warehouse_path, "select count(*) from core.users where account = 'uk'") == [(6,)]


def test_an_account_that_is_gone_from_the_settings_is_not_dropped_without_confirmation(
    synced: Settings, referrals: Run
) -> None:
    together = synced
    without = dict.fromkeys(("ACCOUNTS__US__API_TOKEN", "ACCOUNTS__US__BASE_URL", "ACCOUNTS__US__CALLS_PER_MINUTE"))
    done = referrals("sync", **without)
    assert done.code == 5
    assert "These accounts are published, but not in the settings: us." in done.err
    assert rows(together.warehouse_path, "select count(*) from core.users where account = 'us'") == [(3,)]
    assert referrals("sync", "--accept-deletions", **without).code == 0
    assert rows(together.warehouse_path, "select distinct account from core.users") == [("uk",)]


def test_settings_without_accounts_do_not_begin_another_warehouse_there(synced: Settings, referrals: Run) -> None:
    together = synced
    names = ("ACCOUNTS__UK__", "ACCOUNTS__US__")
    without = {f"{name}{key}": None for name in names for key in ("API_TOKEN", "BASE_URL", "CALLS_PER_MINUTE")}
    done = referrals("sync", **without, SOURCES__REFERRAL_FACTORY__API_TOKEN="tok-of-somebody-else")
    assert done.code == 2
    assert "holds several accounts, and the settings have one without a name" in done.err
    assert not together.load_path.exists()


def test_two_accounts_with_one_token_are_refused(together: Settings, referrals: Run) -> None:
    done = referrals("sync", ACCOUNTS__US__API_TOKEN="tok-uk-5e1f0a77c3")
    assert done.code == 2
    assert "The accounts uk and us have the same token" in done.err
    assert not (Path(together.warehouse_dir) / "accounts").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("check",), ("build",), ("load",), ("report",), ("strikes",), ("privacy",), ("fix-clock",), ("mcp",), ("init",),
        ("forget", "--user-id", "1"), ("export", "--user-id", "1"), ("backup", "somewhere"), ("restore", "somewhere"),
    ],
    ids=lambda arguments: arguments[0],
)  # fmt: skip
def test_a_command_for_one_account_asks_for_its_name(
    referrals: Run, together: Settings, arguments: tuple[str, ...]
) -> None:
    done = referrals(*arguments)
    assert done.code == 2
    assert "The settings have several accounts (uk, us), and this command is for one." in done.err
    assert "Add `--account uk`, or another of them, to the command." in done.err
    assert not together.warehouse_dir.exists()


def test_the_log_of_each_account_is_named(
    synced: Settings, referrals: Run, monkeypatch: pytest.MonkeyPatch, few_models_folder: Path
) -> None:
    """Of processes that are new interpreters, as outside of tests."""
    monkeypatch.setattr(children, "PROGRAM", (sys.executable, str(PROGRAM), str(few_models_folder)))
    done = referrals("--log-format", "json", "sync")
    assert done.code == 0
    found = [json.loads(line) for line in done.err.splitlines()]
    assert {record.get("account") for record in found} == {None, "uk", "us"}


def test_two_tokens_of_one_account_are_noticed(
    together: Settings, referrals: Run, uk: AccountServer, us: AccountServer
) -> None:
    us.lists = uk.lists
    done = referrals("sync")
    assert done.code == 0, done.err
    assert "the accounts uk and us have 4 users in common" in done.err
    assert "remove one of them from the settings" in done.err
