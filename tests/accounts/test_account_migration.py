"""The data of one account without a name becomes that of one of several, with its history; nothing is read again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from referral_warehouse.operate import account_migration
from referral_warehouse.settings import Settings, load_settings
from referral_warehouse.workspace.file_locks import lock_file
from tests.account_server import AccountServer, user
from tests.accounts.conftest import UK_TOKEN, Run, name_of, rows
from tests.accounts.interruptions import end_before

MOVE = ("migrate", "--to", "accounts", "--account", "uk")
SPLIT = ("API_TOKEN", "BASE_URL", "CALLS_PER_MINUTE")


@pytest.fixture
def alone(uk: AccountServer) -> dict[str, str | None]:
    """The variables of a deployment of the first account alone."""
    found: dict[str, str | None] = {f"ACCOUNTS__{name}__{key}": None for name in ("UK", "US") for key in SPLIT}
    prefix = "SOURCES__REFERRAL_FACTORY__"
    return found | {
        f"{prefix}API_TOKEN": UK_TOKEN, f"{prefix}BASE_URL": uk.base_url, f"{prefix}CALLS_PER_MINUTE": "0",
    }  # fmt: skip


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The place of the directory that the first test makes, and the others copy."""
    return tmp_path_factory.mktemp("single") / "data"


@pytest.fixture
def single(
    together: Settings, referrals: Run, alone: dict[str, str | None], uk: AccountServer, made_once: Path
) -> Settings:
    """A directory of one account without a name, with two snapshots and a person who was forgotten."""
    uk.lists["users"].append(user(50))
    if made_once.exists():
        shutil.copytree(made_once, together.warehouse_dir, symlinks=True)
        return together
    last = uk.lists["users"].pop()
    assert referrals("sync", **alone).code == 0
    assert referrals("snapshots", "--pin", "1", **alone).code == 0
    uk.lists["users"].append(last)
    assert referrals("sync", **alone).code == 0
    assert referrals("forget", "--user-id", "3", **alone).code == 0
    shutil.copytree(together.warehouse_dir, made_once, symlinks=True)
    return together


@pytest.fixture(scope="module")
def moved_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The place of the directory that the first test which needs it moves and syncs, and the others copy."""
    return tmp_path_factory.mktemp("moved") / "data"


@pytest.fixture
def moved(
    together: Settings, referrals: Run, uk: AccountServer, moved_once: Path, request: pytest.FixtureRequest
) -> dict[str, Any]:
    """The output of the first sync after the migration; the directory is in the state after that sync."""
    said = moved_once.with_name("said.json")
    if said.exists():
        uk.lists["users"].append(user(50))
        shutil.copytree(moved_once, together.warehouse_dir, symlinks=True)
    else:
        request.getfixturevalue("single")
        assert referrals(*MOVE).code == 0
        done = referrals("sync", "--json")
        assert done.code == 0, done.err
        shutil.copytree(together.warehouse_dir, moved_once, symlinks=True)
        said.write_text(done.out)
    found: dict[str, Any] = json.loads(said.read_text())
    return found


def test_the_first_account_is_moved_as_it_is(single: Settings, referrals: Run) -> None:
    refused = referrals("sync")
    assert refused.code == 2
    assert "holds the data of one account that has no name yet" in refused.err
    assert "`referrals migrate --to accounts --account uk`" in refused.err
    load_file = single.load_path.read_bytes()
    done = referrals(*MOVE)
    assert done.code == 0, done.err
    own = load_settings(account="uk")
    assert own.load_path.read_bytes() == load_file
    assert not single.load_path.exists()
    assert rows(single.warehouse_path, "select count(*) from core.users") == [(5,)], "readers have what they had"
    assert rows(own.warehouse_path, "select count(*) from core.users") == [(5,)]


def test_the_first_account_keeps_its_history_and_nothing_is_read_again(
    moved: dict[str, Any], together: Settings, referrals: Run
) -> None:
    assert moved["accounts"]["uk"]["rows_written"] == 0
    assert moved["snapshot"] == 3
    listed = "select account, count(*) from core.users group by all order by all"
    assert rows(together.warehouse_path, listed) == [("uk", 5), ("us", 3)]
    history = "select count(*) from ops.runs where account = 'uk'"
    assert rows(together.warehouse_path, history) >= [(2,)]
    named = "select first_name from core.users where account = 'uk' and user_id = 3"
    assert rows(together.warehouse_path, named) == [(None,)], "who was forgotten stays forgotten"
    numbers = [row["snapshot"] for row in json.loads(referrals("snapshots", "--json").out)["snapshots"]]
    assert numbers == [1, 2, 3]
    assert "There is nothing to move." in referrals(*MOVE).out


@pytest.mark.usefixtures("moved")
def test_a_person_of_the_first_account_is_erased_from_snapshots_of_before(together: Settings, referrals: Run) -> None:
    for account, is_left in (("us", True), ("uk", False)):  # of the other account, user 1 is somebody else
        assert referrals("forget", "--account", account, "--user-id", "1").code == 0
        found = rows(
            together.snapshots_dir / "000001" / "warehouse.duckdb",
            "select first_name from core.users where user_id = 1",
        )
        assert found == [(name_of("uk", 1) if is_left else None,)]


@pytest.mark.parametrize("stride", [5, pytest.param(1, marks=pytest.mark.full)])
def test_a_migration_that_was_killed_is_completed(
    single: Settings, referrals: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stride: int
) -> None:
    """Killed before changes of files: until it is complete nothing else runs, and then nothing is missing."""
    whole = tmp_path / "whole"
    shutil.copytree(single.warehouse_dir, whole, symlinks=True)
    steps = 1 - stride
    while True:
        steps += stride
        shutil.rmtree(single.warehouse_dir)
        shutil.copytree(whole, single.warehouse_dir, symlinks=True)
        with monkeypatch.context() as patch:
            end_before(patch, steps)
            is_complete = referrals(*MOVE).code == 0
        if is_complete:
            break
        if account_migration.unfinished_account(single) is not None:
            assert referrals("sync").code == 2
            assert "the data of one account" in referrals("status").out + referrals("sync").err
        assert referrals(*MOVE).code == 0
        _is_whole(single, whole)
    assert steps > 15
    _is_whole(single, whole)


def _is_whole(together: Settings, before: Path) -> None:
    own = load_settings(account="uk")
    assert own.load_path.read_bytes() == (before / "load.duckdb").read_bytes()
    for folder in ("snapshots", "forgotten"):
        wanted = {path.relative_to(before) for path in (before / folder).rglob("*") if path.is_file()}
        assert {
            p.relative_to(own.warehouse_dir) for p in (own.warehouse_dir / folder).rglob("*") if p.is_file()
        } == wanted
    assert {path.name for path in (before / "state").iterdir()} - {"lock"} <= {
        path.name for place in (own.state_dir, together.state_dir) for path in place.iterdir()
    }
    assert rows(own.warehouse_path, "select count(*) from core.users") == [(5,)]
    assert rows(together.warehouse_path, "select count(*) from core.users") == [(5,)]
    assert json.loads((own.state_dir / "pins.json").read_text()) == [1]


def test_the_data_of_another_account_is_refused_at_the_first_sync(
    single: Settings, referrals: Run, us: AccountServer
) -> None:
    """The wrong name was given: the token of that account is not the one that the data was read with."""
    us.lists["campaigns"][0] |= {"id": 7, "code": "C7"}
    us.lists["users"] = [user(number, campaign_id=7, code=f"z{number}") for number in range(900, 903)]
    assert referrals("migrate", "--to", "accounts", "--account", "us").code == 0
    done = referrals("sync")
    assert done.code == 5
    assert "us (exit code 5)" in done.err


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        ("no accounts", "The settings have no accounts."),
        ("a demo", "holds the data of a demo"),
        ("an erasure", "is not complete"),
        ("data of its own", "has data of its own"),
        ("locked", "Another sync is writing to"),
        ("another name", "is being moved to the account us"),
    ],
)
def test_what_cannot_be_moved_is_refused_and_nothing_is_touched(
    single: Settings, referrals: Run, alone: dict[str, str | None], prepare: str, words: str
) -> None:
    environ: dict[str, str | None] = {}
    lock = None
    if prepare == "no accounts":
        environ = alone
    elif prepare == "a demo":
        (single.warehouse_dir / "sandbox.sqlite3").touch()
    elif prepare == "an erasure":
        (single.warehouse_dir / "forgotten" / "journal.json").write_text("{}")
    elif prepare == "data of its own":
        own = load_settings(account="uk")
        own.warehouse_dir.mkdir(parents=True)
        shutil.copy(single.load_path, own.load_path)
    elif prepare == "locked":
        lock = lock_file(single.state_dir / "lock")
    else:
        (single.state_dir / account_migration.JOURNAL).write_text('{"account": "us"}')
    before = sorted(str(path) for path in single.warehouse_dir.rglob("*"))
    done = referrals(*(MOVE[:3] if environ else MOVE), **environ)
    assert done.code in (2, 75)
    assert words in done.err
    after = {str(path) for path in single.warehouse_dir.rglob("*")} - {str(single.state_dir / "publication.lock")}
    assert sorted(after) == before
    if lock is not None:
        lock.release()
