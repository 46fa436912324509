"""The rows of all accounts are those of each, value by value, whatever columns and types their snapshots have."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from referral_warehouse.errors import DataRefused
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.accounts import union
from referral_warehouse.warehouse.accounts.states import AccountState, current_at_of
from referral_warehouse.warehouse.build import prepare_draft_dir
from referral_warehouse.warehouse.connection import draft_path
from referral_warehouse.warehouse.published_snapshot import PublishedSnapshot

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "bigint": st.integers(-(2**62), 2**62),
    "varchar": st.text(alphabet="ab'\"\\;äé–😀\n\t", max_size=6),
    "boolean": st.booleans(),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "decimal(38,2)": st.integers(-(10**12), 10**12).map(lambda n: Decimal(n).scaleb(-2)),
    "decimal(38,6)": st.integers(-(10**12), 10**12).map(lambda n: Decimal(n).scaleb(-6)),
    "varchar[]": st.lists(st.text(alphabet="ab'", max_size=3), max_size=3),
}
NAMES = ("id", "value", "select", "a b", 'q"uote', "Ümlaut")
Tables = dict[str, list[tuple[str, str]]]


@st.composite
def accounts_with_rows(draw: st.DrawFn) -> dict[str, tuple[list[tuple[str, str]], list[tuple[Any, ...]]]]:
    """One to three accounts, each with some columns of one table and rows; decimals may differ in digits."""
    kinds = {name: draw(st.sampled_from(sorted(VALUES))) for name in NAMES}
    found = {}
    for account in draw(st.sampled_from((("a",), ("a", "b_1"), ("a", "b_1", "group")))):
        columns = [("id", "bigint"), *((n, kinds[n]) for n in draw(st.lists(st.sampled_from(NAMES[1:]), unique=True)))]
        columns = [
            (name, draw(st.sampled_from(("decimal(38,2)", "decimal(38,6)"))) if kind.startswith("decimal") else kind)
            for name, kind in columns
        ]
        values = st.tuples(*(st.none() | VALUES[kind] for _, kind in columns))
        found[account] = (columns, draw(st.lists(values, max_size=5)))
    return found


@given(accounts_with_rows(), st.sets(st.sampled_from(("a", "b_1", "group"))))
@settings(max_examples=25)
def test_every_row_is_that_of_its_account(
    given_rows: dict[str, tuple[list[tuple[str, str]], list[tuple[Any, ...]]]], lost_ones: set[str]
) -> None:
    """Also where the data of some accounts is lost since, so that the common snapshot alone has their rows."""
    with tempfile.TemporaryDirectory() as folder:
        together = Settings(warehouse_dir=Path(folder))
        states = [_state(Path(folder) / name, name, *content) for name, content in given_rows.items()]
        got, names, listed = _united(together, [*states, AccountState("never_synced", None)])
        common = _common_snapshot(together, Path(folder) / "common", states)
        lost = [AccountState(state.account, None, None, None, common) for state in states if state.account in lost_ones]
        states = [state for state in states if state.account not in lost_ones]
        again, _, still_listed = _united(together, [*states, *lost, AccountState("never_synced", None)])
    wanted = [
        {"account": account, **dict.fromkeys(names[1:]), **dict(zip([c for c, _ in columns], row, strict=True))}
        for account, (columns, found) in given_rows.items()
        for row in found
    ]
    assert names[0] == "account"
    assert sorted(map(repr, map(_comparable, again))) == sorted(map(repr, map(_comparable, wanted)))
    assert still_listed == listed
    assert sorted(map(repr, map(_comparable, got))) == sorted(map(repr, map(_comparable, wanted)))
    assert listed == sorted([*((name, True) for name in given_rows), ("never_synced", False)])


def _united(together: Settings, states: list[AccountState]) -> tuple[list[dict[str, Any]], list[str], list[Any]]:
    """The rows and columns of the common table, and the accounts that are listed."""
    prepare_draft_dir(together)
    with union.connect_union(together) as connection:
        union.build_union(connection, states)
        cursor = connection.execute("from draft.core.things")
        names = [column[0] for column in cursor.description or ()]
        got = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        listed = connection.execute("select account, is_included from draft.ops.accounts order by all").fetchall()
        connection.execute("checkpoint draft")
    return got, names, listed


def _common_snapshot(together: Settings, folder: Path, states: list[AccountState]) -> PublishedSnapshot:
    """The draft of all accounts as their published snapshot."""
    folder.mkdir()
    draft_path(together).rename(folder / "warehouse.duckdb")
    manifest = {"snapshot": 1, "tables": {}, "accounts": {state.account: state.entry for state in states}}
    return PublishedSnapshot(1, folder, manifest, "0")


def _comparable(row: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(name, value.normalize() if isinstance(value, Decimal) else value) for name, value in sorted(row.items())]


def _state(folder: Path, account: str, columns: list[tuple[str, str]], rows: list[tuple[Any, ...]]) -> AccountState:
    """An account whose snapshot has one table."""
    folder.mkdir()
    declared = ", ".join(f'"{name.replace(chr(34), chr(34) * 2)}" {kind}' for name, kind in columns)
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute(f"create schema core; create table core.things ({declared})")
        connection.execute("create schema raw; create table raw.hidden (id bigint)")
        for row in rows:
            connection.execute(f"insert into core.things values ({', '.join('?' * len(columns))})", list(row))
    manifest = {"snapshot": 1, "synced_at": "2026-01-01T00:00:00Z", "tables": {}}
    return AccountState(account, PublishedSnapshot(1, folder, manifest, "0"), "2026-01-01T00:00:00Z")


def test_a_table_that_lost_rows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the copy of a table went wrong: the check compares rows and values."""
    together = Settings(warehouse_dir=tmp_path / "data")
    state = _state(tmp_path / "a", "a", [("id", "bigint"), ("value", "bigint")], [(1, 2), (3, 4)])
    prepare_draft_dir(together)
    real = union.connect_union(together)

    class Losing:
        """Loses a value of what is inserted."""

        def execute(self, sql: str, *parameters: Any) -> Any:
            done = real.execute(sql, *parameters)
            if sql.startswith("insert into draft.core"):
                real.execute("update draft.core.things set value = 5 where id = 1")
            return done

    with pytest.raises(DataRefused, match=r"core.things does not have the rows of a"):
        union.build_union(Losing(), [state])  # type: ignore[arg-type]
    real.close()


def test_the_data_is_as_old_as_that_of_the_oldest_account(tmp_path: Path) -> None:
    one = _state(tmp_path / "a", "a", [("id", "bigint")], [])
    old = AccountState("b", one.snapshot, "2025-12-31T00:00:00Z")
    assert current_at_of([one, old, AccountState("c", None, None)]) == "2025-12-31T00:00:00Z"
    assert current_at_of([AccountState("c", None, None)]) is None
