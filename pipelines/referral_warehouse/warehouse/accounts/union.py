"""Builds the database of all accounts: each published table with the rows of every account, its name in front.

The rows of an account are those of its published snapshot, value by value, or where that is lost, its rows in the last
snapshot of all; nothing is computed across accounts. Each table is compared with the snapshots by its number of rows
and a checksum of all values before it is published.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from referral_warehouse.errors import DataRefused
from referral_warehouse.sql_quoting import identifier, literal
from referral_warehouse.warehouse.accounts.states import AccountState
from referral_warehouse.warehouse.connection import connect_scratch, draft_path
from referral_warehouse.warehouse.exports import Columns, described_columns
from referral_warehouse.warehouse.models import ACCOUNT_COLUMN, PUBLISHED_LAYERS
from referral_warehouse.warehouse.table_comments import comment_statements, header_comment
from referral_warehouse.workspace.current_snapshot import DATABASE

if TYPE_CHECKING:
    import duckdb

    from referral_warehouse.settings import Settings

DECIMAL = re.compile(r"DECIMAL\(\d+,(\d+)\)")
MOST_DIGITS = 38
ACCOUNTS_TABLE = "ops.accounts"
TABLE_HEADER = {
    "description": "The accounts that are published together, each with the snapshot that its rows are from.",
    "grain": "one row per account of the settings",
    "key": ACCOUNT_COLUMN,
    "answers": "Which accounts are in this snapshot? How old is the data of each? Whose last run failed?",
}
ACCOUNT_COMMENT = "name of the account, as in the settings"
COLUMNS = {
    ACCOUNT_COLUMN: ("varchar", ACCOUNT_COMMENT),
    "is_included": ("boolean", "whether rows of the account are in this snapshot; they are not before its first sync"),
    "account_snapshot": ("bigint", "number of the account's own snapshot that its rows are from; null = none"),
    "synced_at": ("timestamp", "data as of, by the server's clock, UTC; null = none"),
    "current_at": ("timestamp", "when a sync last found nothing newer, by the server's clock, UTC; null = none"),
    "last_error": (
        "varchar",
        "class of the error that ended the last run, or HistoryLost where the account's data is lost; null = none",
    ),
}


def connect_union(settings: Settings) -> duckdb.DuckDBPyConnection:
    """A connection with an empty draft attached as ``draft``; the folder of the draft exists."""
    connection = connect_scratch(settings)
    try:
        connection.execute(f"attach {literal(draft_path(settings))} as draft (recovery_mode no_wal_writes)")
    except Exception:
        connection.close()
        raise
    return connection


def build_union(
    connection: duckdb.DuckDBPyConnection,
    states: Sequence[AccountState],
    hidden: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> None:
    """Create the tables of all accounts in the draft, with their comments.

    Args: ``hidden`` has the columns of each table that get no values, whatever the snapshot of an account has: one that
    has failed since they were hidden still has them.
    Raises: DataRefused where a table does not have the rows of its accounts; DuckDB's errors.
    """
    sources: dict[str, dict[str, Columns]] = {}
    comments: dict[str, str | None] = {}
    included = [state for state in states if state.is_included]
    for state in included:
        found, texts = _attach(connection, state)
        for name, columns in found.items():
            if name.partition(".")[0] in PUBLISHED_LAYERS:
                sources.setdefault(name, {})[state.account] = columns
                comments.setdefault(name, texts.get(name))
    for layer in dict.fromkeys([*(name.partition(".")[0] for name in sources), "ops"]):
        connection.execute(f"create schema if not exists draft.{identifier(layer)}")
    for name, by_account in sorted(sources.items()):
        _unite(connection, name, by_account, comments[name], hidden.get(name, ()))
    _list_accounts(connection, states)
    for state in included:
        connection.execute(f"detach {_catalog(state.account)}")
        if state.common is not None:
            connection.execute(f"detach common_{_catalog(state.account)}")


def _attach(
    connection: duckdb.DuckDBPyConnection, state: AccountState
) -> tuple[dict[str, Columns], dict[str, str | None]]:
    """Make the tables of an account readable in its catalog. Returns: their columns and comments."""
    catalog = _catalog(state.account)
    if state.common is None:
        assert state.snapshot is not None  # noqa: S101 - an account without rows is not attached
        connection.execute(f"attach {literal(state.snapshot.folder / DATABASE)} as {catalog} (read_only)")
        return described_columns(connection, catalog)
    all_of_them = f"common_{catalog}"
    connection.execute(f"attach {literal(state.common.folder / DATABASE)} as {all_of_them} (read_only)")
    connection.execute(f"attach ':memory:' as {catalog}")
    found, texts = described_columns(connection, all_of_them)
    tables = {name: columns for name, columns in found.items() if name != ACCOUNTS_TABLE}
    for layer in dict.fromkeys(name.partition(".")[0] for name in tables):
        connection.execute(f"create schema if not exists {catalog}.{identifier(layer)}")
    for name in tables:
        connection.execute(
            f"create view {catalog}.{name} as select * exclude ({ACCOUNT_COLUMN}) from {all_of_them}.{name} "
            f"where {ACCOUNT_COLUMN} = {literal(state.account)}"
        )
    return {name: [one for one in columns if one[0] != ACCOUNT_COLUMN] for name, columns in tables.items()}, texts


def _catalog(account: str) -> str:
    return f"account_{account}"


def _unite(
    connection: duckdb.DuckDBPyConnection, name: str, by_account: dict[str, Columns], comment: str | None,
    hidden: Collection[str],
) -> None:  # fmt: skip
    """Create a table with the rows of each account, and compare it with them."""
    kinds = _kinds(connection, name, by_account)
    declared = ", ".join(f"{identifier(column)} {kind}" for column, kind in kinds.items())
    connection.execute(f"create table draft.{name} ({ACCOUNT_COLUMN} varchar, {declared})")
    for account, columns in by_account.items():
        names = ", ".join(identifier(column) for column, *_ in columns)
        read = ", ".join(
            f"cast(null as {kind})" if column in hidden else identifier(column) for column, kind, _ in columns
        )
        source = f"{_catalog(account)}.{name}"
        connection.execute(
            f"insert into draft.{name} ({ACCOUNT_COLUMN}, {names}) select {literal(account)}, {read} from {source}"
        )
        # As the types that the account has: a value that was shortened is another one then.
        values = ", ".join(f"cast({identifier(column)} as {kind})" for column, kind, _ in columns)
        before = connection.execute(f"select count(*), sum(hash({read})) from {source}").fetchone()
        after = connection.execute(
            f"select count(*), sum(hash({values})) from draft.{name} where {ACCOUNT_COLUMN} = {literal(account)}"
        ).fetchone()
        if before != after:
            raise DataRefused(
                f"{name} does not have the rows of {account}: {before} in its snapshot, {after} in the draft of all "
                "accounts (rows, checksum)."
            )
    texts = {ACCOUNT_COLUMN: ACCOUNT_COMMENT}
    for columns in by_account.values():
        texts |= {column: text for column, _, text in columns if text and column not in texts}
    _comment(connection, name, comment, texts)


def _kinds(connection: duckdb.DuckDBPyConnection, name: str, by_account: dict[str, Columns]) -> dict[str, str]:
    """The types of the columns, in their order: decimals have the digits of the account that has the most.

    Amounts are published with as many digits as the units of an account need. For ``union`` DuckDB takes the digits of
    the first decimal of 38 digits, and would round the others.
    """
    union = " union all by name ".join(f"from {_catalog(account)}.{name}" for account in by_account)
    kinds = {column: kind for column, kind, *_ in connection.execute(f"describe {union}").fetchall()}
    for column in kinds:
        given = {kind for columns in by_account.values() for known, kind, _ in columns if known == column}
        scales = [int(found[1]) for kind in given if (found := DECIMAL.fullmatch(kind))]
        if len(given) > 1 and len(scales) == len(given):
            kinds[column] = f"DECIMAL({MOST_DIGITS},{max(scales)})"
    return kinds


def _list_accounts(connection: duckdb.DuckDBPyConnection, states: Sequence[AccountState]) -> None:
    """Create ``ops.accounts``."""
    declared = ", ".join(f"{name} {kind}" for name, (kind, _) in COLUMNS.items())
    connection.execute(f"create table draft.{ACCOUNTS_TABLE} ({declared})")
    for state in states:
        entry = state.entry
        connection.execute(
            f"insert into draft.{ACCOUNTS_TABLE} values (?, ?, ?, cast(? as timestamptz) at time zone 'UTC', "
            "cast(? as timestamptz) at time zone 'UTC', ?)",
            [
                state.account, state.is_included, entry["snapshot"], entry["synced_at"], entry["current_at"],
                state.failure,
            ],
        )  # fmt: skip
    _comment(
        connection, ACCOUNTS_TABLE, header_comment(TABLE_HEADER), {name: text for name, (_, text) in COLUMNS.items()}
    )


def _comment(connection: duckdb.DuckDBPyConnection, name: str, comment: str | None, columns: dict[str, str]) -> None:
    statements = comment_statements(f"draft.{name}", comment, columns)
    connection.execute("begin; " + ";\n".join([*statements, "commit"]))
