"""The sums of a snapshot: rows and amounts of every mart, which show that only personal values have changed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from referral_warehouse.sql_quoting import identifier, literal
from referral_warehouse.warehouse.snapshot_rewriting import fingerprint
from referral_warehouse.warehouse.snapshots import snapshot_numbers
from referral_warehouse.workspace.current_snapshot import DATABASE, folder_name

if TYPE_CHECKING:
    import duckdb

    from referral_warehouse.settings import Settings

NUMBERS = ("BIGINT", "INTEGER", "HUGEINT", "DECIMAL")


def snapshot_totals(settings: Settings) -> dict[str, dict[str, Any]]:
    """For each kept snapshot: a digest of all but personal columns, and rows and sums of each mart, as texts.

    Nothing is known of one that cannot be read.
    """
    import duckdb

    found = {}
    for number in snapshot_numbers(settings):
        path = settings.snapshots_dir / folder_name(number) / DATABASE
        if path.is_file():
            with duckdb.connect(":memory:", config={"threads": 1}) as connection, suppress(duckdb.Error):
                connection.execute(f"attach {literal(path)} as snapshot (read_only)")
                found[f"snapshot {number}"] = {"digest": fingerprint(connection, "snapshot"), **_marts(connection)}
    return found


def _marts(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    columns: dict[str, list[str]] = {}
    for table, column, kind in connection.execute(
        "select table_name, column_name, data_type from duckdb_columns() where database_name = 'snapshot' "
        "and schema_name = 'marts' order by table_name, column_index"
    ).fetchall():
        kept = columns.setdefault(table, [])
        if kind.startswith(NUMBERS) and column.endswith(("_count", "_value")):
            kept.append(column)
    return {f"marts.{table}": _sums(connection, table, names) for table, names in columns.items()}


def _sums(connection: duckdb.DuckDBPyConnection, table: str, columns: list[str]) -> dict[str, str]:
    sums = "".join(f", coalesce(sum({identifier(name)}), 0)::varchar" for name in columns)
    row = connection.execute(f"select count(*)::varchar{sums} from snapshot.marts.{identifier(table)}").fetchone() or ()
    return dict(zip(("rows", *columns), row, strict=True))
