"""Reads every value of a DuckDB file, so that damage shows; DuckDB compares the checksum of each block that it reads.

Knows no table. Opens files read-only, and changes nothing beside them.
"""

from __future__ import annotations

from pathlib import Path

from referral_warehouse.sql_quoting import identifier, literal
from referral_warehouse.warehouse.connection import first_line
from referral_warehouse.workspace.load_file_version import stored_version


def read_whole(path: Path) -> str | None:
    """Read all rows of all tables. Returns: why that is not possible, in words; None where it is."""
    import duckdb

    try:
        with duckdb.connect(":memory:", config={"threads": 1, "memory_limit": "300MB"}) as connection:
            connection.execute("set temp_directory = ''")
            connection.execute(f"attach {literal(path)} as read_whole (read_only)")
            names = connection.execute(
                "select schema_name, table_name from duckdb_tables() where database_name = 'read_whole'"
            ).fetchall()
            for schema, table in names:
                name = f"read_whole.{identifier(schema)}.{identifier(table)}"
                connection.execute(f"select count(*), bit_xor(hash(everything)) from {name} as everything").fetchall()
    except (duckdb.Error, OSError) as error:
        return first_line(error)
    return None


def version_of(path: Path) -> int | None:
    """The version that a load file carries; None where it carries none, as those of earlier programs.

    Raises: duckdb.Error where it cannot be read.
    """
    import duckdb

    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        connection.execute(f"attach {literal(path)} as versioned (read_only)")
        return stored_version(connection, "versioned")
