"""Forgetting a person of one account reaches what all accounts publish together, and nobody of another account."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from referral_warehouse.settings import Settings, load_settings
from referral_warehouse.warehouse import snapshot_rewriting
from tests.account_server import AccountServer, user
from tests.accounts.conftest import Run, name_of, rows

TOTALS = """
select account, count(*), sum(stage_count) from marts.referral_funnel group by account
union all
select account, count(*), sum(owed_value) from marts.reward_liability group by account
order by all
"""


def places_of(folder: Path, account: str, user_id: int) -> list[str]:
    """The files below a folder that have a planted value of a person, also where it is stored compressed."""
    mark = name_of(account, user_id).encode()
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    return [
        str(path.relative_to(folder))
        for path in files
        if mark in (held := path.read_bytes()) or mark in _values(path, held)
    ]


_known: dict[str, bytes] = {}
"""The texts of files that were read before, by the hash of all their bytes: most are copies or stay as they are."""


def _values(path: Path, held: bytes) -> bytes:
    """All texts of a database or a Parquet file."""
    if path.suffix not in (".duckdb", ".parquet"):
        return b""
    key = path.suffix + sha256(held).hexdigest()
    if key not in _known:
        _known[key] = _read(path)
    return _known[key]


def _read(path: Path) -> bytes:
    if path.suffix == ".parquet":
        return repr(pq.read_table(path).to_pydict()).encode()
    with duckdb.connect(str(path), read_only=True) as connection:
        tables = connection.execute("select schema_name || '.' || table_name from duckdb_tables()").fetchall()
        return b"".join(repr(connection.execute(f"from {table}").fetchall()).encode() for (table,) in tables)


@pytest.fixture
def two_snapshots(two_snapshots_once: Path, together: Settings, uk: AccountServer) -> Settings:
    """Two snapshots of all accounts, and the draft of a third one whose publication was killed."""
    uk.lists["users"].append(user(50))
    shutil.copytree(two_snapshots_once, together.warehouse_dir, symlinks=True)
    shutil.copytree(together.snapshots_dir / "000002", together.warehouse_dir / "draft")
    return together


def test_the_command_about_backups_names_the_account(synced: Settings, referrals: Run, tmp_path: Path) -> None:
    assert referrals("backup", "--account", "uk", str(tmp_path / "backups")).code == 0
    done = referrals("forget", "--account", "uk", "--user-id", "1")
    assert f"Next: referrals backup --account uk {tmp_path / 'backups'} --keep 1" in done.out.replace("'", "")


def test_a_person_of_one_account_is_forgotten_everywhere(two_snapshots: Settings, referrals: Run) -> None:
    together = two_snapshots
    before, other = rows(together.warehouse_path, TOTALS), places_of(together.warehouse_dir, "us", 1)
    assert {"snapshots/000001/warehouse.duckdb", "snapshots/000002/warehouse.duckdb"} <= set(
        places_of(together.warehouse_dir, "uk", 1)
    )
    done = referrals("forget", "--account", "uk", "--user-id", "1")
    assert done.code == 0, done.err
    assert places_of(together.warehouse_dir, "uk", 1) == []
    kept = {path for path in other if not path.startswith("draft/")}
    assert kept <= set(places_of(together.warehouse_dir, "us", 1))
    assert rows(together.warehouse_path, TOTALS) == before
    assert places_of(together.warehouse_dir, "uk", 2) != []
    certificate = json.loads((load_settings(account="uk").warehouse_dir / "forgotten" / "1.json").read_text())
    rewritten = [(one["directory"], one["snapshot"]) for one in certificate["rewritten"][1:]]
    assert {(str(together.published_dir), 1), (str(together.published_dir), 2)} <= set(rewritten)
    assert referrals("sync").code == 0
    assert places_of(together.warehouse_dir, "uk", 1) == []


@pytest.mark.parametrize("stops", [(2, 4), pytest.param((1, 2, 3, 4), marks=pytest.mark.full)])
def test_an_erasure_that_was_interrupted_continues(
    two_snapshots: Settings, referrals: Run, monkeypatch: pytest.MonkeyPatch, stops: tuple[int, ...]
) -> None:
    """Interrupted before snapshots that are rewritten: of the account's own two, and of the two of all accounts."""
    rewrite = snapshot_rewriting._rewrite
    before = rows(two_snapshots.warehouse_path, TOTALS)
    for stop_at in stops:
        calls = iter(range(1, 99))

        def rewrite_some(*arguments: object, calls: object = calls, stop_at: int = stop_at) -> object:
            if next(calls) == stop_at:  # type: ignore[call-overload]
                raise KeyboardInterrupt
            return rewrite(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(snapshot_rewriting, "_rewrite", rewrite_some)
        assert referrals("forget", "--account", "uk", "--user-id", "1").code == 130
        assert places_of(two_snapshots.published_dir / "snapshots" / "000002", "uk", 1) != []
    monkeypatch.setattr(snapshot_rewriting, "_rewrite", rewrite)
    assert referrals("forget", "--account", "uk", "--user-id", "1").code == 0
    assert places_of(two_snapshots.warehouse_dir, "uk", 1) == []
    assert rows(two_snapshots.warehouse_path, TOTALS) == before


def test_a_policy_of_fields_applies_to_what_all_accounts_published(two_snapshots: Settings, referrals: Run) -> None:
    done = referrals("sync", "--account", "uk", PRIVACY__MODE="drop")
    assert done.code == 0, done.err
    for number in ("000001", "000002"):
        found = rows(
            two_snapshots.snapshots_dir / number / "warehouse.duckdb",
            "select account, count(first_name), count(email) from core.users group by all order by all",
        )
        assert found == [("uk", 0, 0), ("us", 3, 3)]
    assert places_of(two_snapshots.warehouse_dir, "uk", 2) == []


def test_the_places_of_an_account_include_those_of_all(two_snapshots: Settings, referrals: Run) -> None:
    found = json.loads(referrals("privacy", "--account", "uk", "--json").out)
    places = {(place["place"], place["path"]) for place in found["places"]}
    own = load_settings(account="uk")
    assert ("snapshot 1", str(own.snapshots_dir / "000001")) in places
    assert ("snapshot 1 (all accounts)", str(two_snapshots.snapshots_dir / "000001")) in places


def test_what_is_held_of_a_person_is_that_of_the_account(synced: Settings, referrals: Run, tmp_path: Path) -> None:
    done = referrals("export", "--account", "us", "--user-id", "2", "--out", str(tmp_path / "person"))
    assert done.code == 0, done.err
    text = b"".join(path.read_bytes() for path in (tmp_path / "person").iterdir())
    assert name_of("us", 2).encode() in text
    assert b"zq7plantuk" not in text
