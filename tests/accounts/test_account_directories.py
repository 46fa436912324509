"""The directories of accounts: nothing is begun beside data without a name, twice, or in the place of lost data."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from referral_warehouse.operate.account_migration import COPIED, JOURNAL
from referral_warehouse.settings import Settings, load_settings
from referral_warehouse.workspace.current_snapshot import folder_name
from tests.accounts.conftest import UK_TOKEN, Run, name_of, rows


@pytest.mark.parametrize("command", [("sync",), ("load",), ("build",), ("publish",), ("backup", "backups")])
def test_no_account_is_begun_beside_data_without_a_name(
    command: tuple[str, ...], together: Settings, referrals: Run
) -> None:
    together.warehouse_dir.mkdir()
    together.load_path.write_bytes(b"data of one account")
    done = referrals(*command, "--account", "us")
    assert done.code == 2
    assert "holds the data of one account that has no name yet" in done.err
    assert "`referrals migrate --to accounts --account uk`" in done.err
    assert not (together.warehouse_dir / "accounts").exists()


def test_an_account_waits_for_a_migration_to_be_completed(together: Settings, referrals: Run) -> None:
    together.state_dir.mkdir(parents=True)
    (together.state_dir / JOURNAL).write_text(json.dumps({"account": "us"}))
    done = referrals("sync", "--account", "uk")
    assert done.code == 2
    assert "`referrals migrate --to accounts --account us`" in done.err


def test_a_partial_copy_is_not_used_as_the_file(
    together: Settings, referrals: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    together.state_dir.mkdir(parents=True)
    together.load_path.write_bytes(b"data")
    for name in COPIED:
        (together.state_dir / name).write_text("whole")

    def half(source: Path, target: Path) -> None:
        Path(target).write_text(Path(source).read_text()[:2])
        raise KeyboardInterrupt

    move = ("migrate", "--to", "accounts", "--account", "uk")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copy2", half)
        assert referrals(*move).code == 130
    done = referrals(*move)
    assert done.code == 0, done.err
    own = load_settings(account="uk").state_dir
    assert [(own / name).read_text() for name in COPIED] == ["whole"] * len(COPIED)


@pytest.mark.parametrize("command", ["sync", "load"])
def test_one_account_with_the_token_of_another_is_refused(command: str, together: Settings, referrals: Run) -> None:
    done = referrals(command, "--account", "us", ACCOUNTS__US__API_TOKEN=UK_TOKEN)
    assert done.code == 2
    assert "The accounts uk and us have the same token" in done.err
    assert UK_TOKEN not in done.err
    assert not together.warehouse_dir.exists()


def test_settings_without_accounts_do_not_change_a_directory_of_accounts(
    synced: Settings, referrals: Run, tmp_path: Path
) -> None:
    assert referrals("backup", "backups", "--account", "uk").code == 0
    alone = {name: None for account in ("UK", "US") for name in _variables(account)}
    for command in (("publish",), ("backup", "backups"), ("restore", "backups", "--replace")):
        done = referrals(*command, **alone)
        assert done.code == 2
        assert "holds several accounts, and the settings have one without a name" in done.err
    assert not synced.load_path.exists()
    assert len([path for path in (tmp_path / "backups").iterdir() if path.name[0] != "."]) == 1


def test_an_account_whose_directory_is_gone_is_not_begun_again(
    synced: Settings, referrals: Run, tmp_path: Path
) -> None:
    own = load_settings(account="uk").warehouse_dir
    own.rename(tmp_path / "gone")
    for command in ("sync", "load"):
        done = referrals(command, "--account", "uk")
        assert done.code == 5
        assert "Data of the account uk is published, and there is none in" in done.err
        assert "`referrals restore --account uk DIR`" in done.err
        assert not own.exists(), "nothing is in the way of the directory that is put back"
    done = referrals("sync", "--account", "uk", "--accept-shorter-history")
    assert done.code == 0, done.err
    assert rows(synced.warehouse_path, "select count(*) from ops.runs where account = 'uk'") == [(1,)]


def test_a_renamed_account_keeps_its_history_and_is_forgotten_under_both_names(
    synced: Settings, referrals: Run, environ: dict[str, str | None]
) -> None:
    renamed = dict.fromkeys(_variables("UK")) | {
        new: environ[old] for old, new in zip(_variables("UK"), _variables("GB"), strict=True)
    }
    accounts = synced.warehouse_dir / "accounts"
    (accounts / "uk").rename(accounts / "gb")
    refused = referrals("publish", **renamed)
    assert refused.code == 5
    assert "`referrals publish --accept-deletions`" in refused.err
    assert referrals("publish", "--accept-deletions", **renamed).code == 0
    listed = "select account, count(*) from ops.runs group by all order by all"
    assert rows(synced.warehouse_path, listed) == [("gb", 1), ("us", 1)]
    assert referrals("forget", "--account", "gb", "--user-id", "2", **renamed).code == 0
    named = "select account, first_name from core.users where user_id = 2 order by all"
    for number, name in ((1, "uk"), (2, "gb")):
        database = synced.snapshots_dir / folder_name(number) / "warehouse.duckdb"
        assert rows(database, named) == [(name, None), ("us", name_of("us", 2))]


def test_backups_of_two_accounts_are_not_mixed(synced: Settings, referrals: Run, tmp_path: Path) -> None:
    done = referrals("backup", str(synced.warehouse_dir / "accounts" / "backups"), "--account", "uk")
    assert done.code == 2
    assert "is in WAREHOUSE__DIR" in done.err
    backups = tmp_path / "backups"
    assert referrals("backup", str(backups), "--account", "uk").code == 0
    before = sorted(path.name for path in backups.iterdir())
    done = referrals("backup", str(backups), "--keep", "1", "--account", "us")
    assert done.code == 2
    assert "are of another warehouse than" in done.err
    assert sorted(path.name for path in backups.iterdir()) == before
    other = load_settings(account="us")
    content = other.load_path.read_bytes()
    done = referrals("restore", str(backups), "--replace", "--account", "us")
    assert done.code == 2
    assert "is a backup of the account uk, not of us" in done.err
    assert other.load_path.read_bytes() == content


def _variables(account: str) -> tuple[str, ...]:
    return tuple(f"ACCOUNTS__{account}__{key}" for key in ("API_TOKEN", "BASE_URL", "CALLS_PER_MINUTE"))
