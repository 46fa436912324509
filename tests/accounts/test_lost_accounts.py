"""An account whose data is lost or damaged is published with its last rows, and does not stop the others."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from referral_warehouse.settings import Settings, load_settings
from referral_warehouse.workspace.current_snapshot import folder_name
from tests.account_server import AccountServer, user
from tests.accounts.conftest import Run, name_of, rows
from tests.accounts.test_published_together import TABLES, differences

REFUSED = (401, b'{"message": "Unauthenticated."}')
LISTED = "select account, is_included, account_snapshot, last_error from ops.accounts order by all"


def changed_tables(together: Settings, account: str, earlier: int) -> list[str]:
    """The tables whose rows of an account are not those of an earlier common snapshot."""
    found = []
    with duckdb.connect() as connection:
        before = together.snapshots_dir / folder_name(earlier) / "warehouse.duckdb"
        connection.execute(f"attach '{before}' as one (read_only)")
        connection.execute(f"attach '{together.warehouse_path.resolve()}' as common (read_only)")
        for (table,) in connection.execute(TABLES).fetchall():
            sides = [f"select * from {name}.{table} where account = '{account}'" for name in ("one", "common")]
            if (
                table != "ops.accounts"
                and connection.execute(
                    f"(({sides[0]}) except all ({sides[1]})) union all (({sides[1]}) except all ({sides[0]}))"
                ).fetchall()
            ):
                found.append(table)
    return found


def test_an_account_whose_directory_is_gone_keeps_its_published_rows(
    synced: Settings, referrals: Run, uk: AccountServer, us: AccountServer, tmp_path: Path
) -> None:
    own = load_settings(account="uk").warehouse_dir
    own.rename(tmp_path / "gone")
    us.lists["users"].append(user(50))
    done = referrals("sync")
    assert done.code == 5
    assert "uk (exit code 5): Data of the account uk is published, and there is none in" in done.err
    assert "uk is published with its last data, as of " in done.out
    assert rows(synced.warehouse_path, "select account, count(*) from core.users group by all order by all") == [
        ("uk", 4), ("us", 4),
    ]  # fmt: skip
    assert rows(synced.warehouse_path, LISTED) == [("uk", True, 1, "HistoryLost"), ("us", True, 2, None)]
    assert changed_tables(synced, "uk", earlier=1) == []
    done = referrals("publish")
    assert done.code == 0
    assert "Nothing new" in done.out
    us.lists["users"].append(user(51))
    assert referrals("sync").code == 5
    assert changed_tables(synced, "uk", earlier=1) == [], "rows are copied from a copy"
    (tmp_path / "gone").rename(own)
    uk.lists["users"].append(user(60))
    done = referrals("sync")
    assert done.code == 0, done.err
    assert differences(synced) == []
    assert rows(synced.warehouse_path, LISTED) == [("uk", True, 2, None), ("us", True, 3, None)]


DAMAGES: dict[str, Callable[[Settings], object]] = {
    "the database is cut off": lambda own: _overwrite(own, own.warehouse_path.resolve().read_bytes()[:9000]),
    "the database is something else": lambda own: _overwrite(own, b"text" * 5000),
    "the database is empty": lambda own: _overwrite(own, b""),
    "the snapshots are gone": lambda own: shutil.rmtree(own.snapshots_dir),
    "the manifest is damaged": lambda own: _manifest_of(own).write_bytes(b"{"),
    "a directory is in the place of the manifest": lambda own: _replace_by_directory(_manifest_of(own)),
}


def _overwrite(own: Settings, content: bytes) -> None:
    own.warehouse_path.resolve().write_bytes(content)


def _manifest_of(own: Settings) -> Path:
    return own.warehouse_path.resolve().with_name("manifest.json")


def _replace_by_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_an_account_with_a_damaged_snapshot_stops_no_other(
    damage: Callable[[Settings], object], synced: Settings, referrals: Run, uk: AccountServer, us: AccountServer
) -> None:
    damage(load_settings(account="uk"))
    uk.errors["users"] = uk.errors["campaigns"] = REFUSED  # so that no sync of its own repairs it
    us.lists["users"].append(user(50))
    done = referrals("sync", "--account", "us")
    assert done.code == 0, done.err
    assert "the data of the account uk is lost or damaged, and is published as it was before" in done.err
    assert rows(synced.warehouse_path, LISTED) == [("uk", True, 1, "HistoryLost"), ("us", True, 2, None)]
    assert changed_tables(synced, "uk", earlier=1) == []
    uk.errors.clear()
    done = referrals("sync")
    assert done.code == 0, done.err
    assert differences(synced) == []


def test_a_failed_account_is_published_without_the_personal_values_that_are_hidden_since(
    synced: Settings, referrals: Run, us: AccountServer
) -> None:
    us.errors["users"] = us.errors["campaigns"] = REFUSED
    assert rows(synced.warehouse_path, "select count(*) from core.users where first_name is not null") == [(7,)]
    done = referrals("sync", WAREHOUSE__PUBLISH_PERSONAL="false")
    assert done.code == 3
    counts = "select account, count(*), count(first_name) from core.users group by all order by all"
    assert rows(synced.warehouse_path, counts) == [("uk", 4, 0), ("us", 3, 0)]
    published = synced.warehouse_path.resolve().parent
    found = [
        path for path in published.rglob("*")
        if path.is_file() and any(name_of("us", number).encode() in path.read_bytes() for number in (1, 2, 3))
    ]  # fmt: skip
    assert found == []
