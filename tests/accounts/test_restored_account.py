"""The backup of one account is restored beside the others: they stay as they are, and what is published follows."""

from __future__ import annotations

from pathlib import Path

from referral_warehouse.settings import Settings, load_settings
from tests.account_server import AccountServer, user
from tests.accounts.conftest import Run, rows
from tests.accounts.test_personal_data import places_of
from tests.accounts.test_published_together import differences

COUNTED = "select account, count(*) from core.users where deleted_at is null group by all order by all"


def test_one_account_is_restored_and_the_others_stay(
    synced: Settings, referrals: Run, uk: AccountServer, us: AccountServer, tmp_path: Path
) -> None:
    backups = str(tmp_path / "backups")
    assert referrals("backup", backups, "--account", "uk").code == 0
    for server in (uk, us):
        server.lists["users"].append(user(50))
    assert referrals("sync").code == 0
    assert referrals("forget", "--account", "uk", "--user-id", "2").code == 0
    other = (load_settings(account="us").load_path).read_bytes()

    done = referrals("restore", backups, "--replace", "--account", "uk")
    assert done.code == 0, done.err
    assert rows(load_settings(account="uk").warehouse_path, "select count(*) from core.users") == [(4,)]
    assert load_settings(account="us").load_path.read_bytes() == other
    assert rows(synced.warehouse_path, COUNTED) == [("uk", 5), ("us", 4)], "published as before, until the next sync"

    done = referrals("sync")
    assert done.code == 0, done.err
    assert "uk: 1 rows written" in done.out
    assert "us: 0 rows written" in done.out
    assert rows(synced.warehouse_path, COUNTED) == [("uk", 5), ("us", 4)]
    assert differences(synced) == []
    assert places_of(synced.warehouse_dir, "uk", 2) == [], "who was forgotten after the backup stays forgotten"
