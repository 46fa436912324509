"""Widens the columns of amounts in a load file of an earlier version, which had fewer decimal places.

Knows no stream: amounts are recognised by their type. Source: DuckDB's ``alter table … set data type``.
"""

from __future__ import annotations

import duckdb

from referral_warehouse.load.records.table_sql import SQL_TYPES
from referral_warehouse.sql_quoting import identifier

FORMER_AMOUNT = "DECIMAL(18,2)"


def has_narrow_amounts(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether an earlier version created a column of amounts."""
    return bool(_narrow_columns(connection))


def widen_amounts(connection: duckdb.DuckDBPyConnection) -> None:
    """Give all columns of amounts six decimal places; dlt's staging tables included."""
    for schema, table, column in _narrow_columns(connection):
        connection.execute(
            f"alter table {identifier(schema)}.{identifier(table)} "
            f"alter column {identifier(column)} set data type {SQL_TYPES['money']}"
        )


def _narrow_columns(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str]]:
    return connection.execute(
        "select schema_name, table_name, column_name from duckdb_columns() "
        "where data_type = ? and database_name = current_database() and not internal",
        [FORMER_AMOUNT],
    ).fetchall()
