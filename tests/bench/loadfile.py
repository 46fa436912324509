"""A load file of N users with the rest in proportion, made by SQL: no API could serve ten million users in minutes.

``python -m tests.bench.loadfile USERS FILE``. The tables are the loader's, the rows those of loadfile.sql.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

from tests.schema_files import load_file_sql

HERE = Path(__file__).parent


def make_load_file(users: int, path: Path) -> None:
    """Write the file; it must not exist yet. The same number gives the same rows."""
    rows = (HERE / "loadfile.sql").read_text(encoding="utf-8").replace("$users", str(users))
    with duckdb.connect(path) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(load_file_sql())
        connection.execute(rows)


if __name__ == "__main__":
    make_load_file(int(sys.argv[1]), Path(sys.argv[2]))
