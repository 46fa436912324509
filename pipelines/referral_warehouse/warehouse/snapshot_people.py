"""Reads the rows about people in every kept snapshot. Knows the published tables; the caller chooses the people, and
the column that names a person.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from referral_warehouse.sql_quoting import identifier, literal
from referral_warehouse.warehouse.snapshots import snapshot_numbers
from referral_warehouse.workspace.current_snapshot import DATABASE, folder_name

if TYPE_CHECKING:
    import duckdb

    from referral_warehouse.settings import Settings


def rows_about(
    settings: Settings, persons: Mapping[str, str], user_ids: list[int], unreadable: list[int], account: str = ""
) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """The rows about people in the snapshots that can be read.

    Args:
        settings: where the snapshots are.
        persons: published tables with the column that names a person.
        user_ids: the people.
        unreadable: gets the numbers of the snapshots that cannot be read.
        account: only rows of this account, where several are published together.

    Yields: the number of the snapshot, the table and the row, the oldest snapshot first.
    """
    import duckdb

    for number in snapshot_numbers(settings):
        path = settings.snapshots_dir / folder_name(number) / DATABASE
        try:
            with duckdb.connect(":memory:", config={"threads": 1}) as connection:
                connection.execute(f"attach {literal(str(path))} as published (read_only)")
                connection.execute("set timezone = 'UTC'")
                for table, row in _rows(connection, persons, user_ids, account):
                    yield number, table, row
        except duckdb.Error:
            unreadable.append(number)


def _rows(
    connection: duckdb.DuckDBPyConnection, persons: Mapping[str, str], user_ids: list[int], account: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    there = set(connection.execute(
        "select schema_name || '.' || table_name, column_name from duckdb_columns() where database_name = 'published'"
    ).fetchall())  # fmt: skip
    of_account = f" and account = {literal(account)}" if account else ""
    for table, person in persons.items():
        if (table, person) not in there or (account and (table, "account") not in there):
            continue
        condition = f"list_contains(?, {identifier(person)}){of_account}"
        cursor = connection.execute(f"from published.{table} where {condition}", [user_ids])
        names = [column[0] for column in cursor.description or []]
        for row in cursor.fetchall():
            yield table, dict(zip(names, row, strict=True))
