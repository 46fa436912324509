"""Writes the load file of a release as SQL, by running that release: python -m tests.load.releases.make 0.2.0 COMMIT

The commit's files are taken from Git, and its program syncs two states of the account of ``account.py`` with the
packages that are installed here. Run this when a version is released, for the commit of the release.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

import duckdb

from referral_warehouse.sql_quoting import identifier, literal
from tests.end_to_end.small_api import SmallApi
from tests.load.releases.account import show, state

FOLDER = Path(__file__).parent
PROJECT = FOLDER.parents[2]
STATES = (1, 2)
"""The states of the account that a release has read."""


def main() -> None:
    release, commit = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        load_file = run_release(Path(folder), commit)
        text = f"-- The load file of release {release}, from commit {commit}; python -m tests.load.releases.make\n"
        path(release).write_text(text + "\n".join(statements_of(load_file)) + "\n", encoding="utf-8")
    sys.stdout.write(f"{path(release)}: {path(release).stat().st_size:,} bytes\n")


def path(release: str) -> Path:
    """The fixture of a release."""
    return FOLDER / f"{release}.sql"


def releases() -> list[str]:
    """The releases that have a fixture."""
    return sorted(one.stem for one in FOLDER.glob("*.sql"))


def run_release(folder: Path, commit: str) -> Path:
    """Sync the states of the account with the program of a commit. Returns: its load file."""
    archive = subprocess.run(["git", "archive", commit], cwd=PROJECT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(folder / "release", filter="data")
    source = folder / "release"
    is_package = (source / "pipelines" / "referral_warehouse").is_dir()  # 0.1.0 was imported as ``pipelines``
    module, place = ("referral_warehouse", source / "pipelines") if is_package else ("pipelines", source)
    with SmallApi(state(1)) as api:
        environ = {
            "PATH": os.environ["PATH"], "HOME": str(folder), "XDG_STATE_HOME": str(folder / "machine"),
            "PYTHONPATH": str(place), "WAREHOUSE__DIR": str(folder / "data"),
            "SOURCES__REFERRAL_FACTORY__BASE_URL": api.base_url, "SOURCES__REFERRAL_FACTORY__API_TOKEN": "a-token",
            "SOURCES__REFERRAL_FACTORY__CALLS_PER_MINUTE": "0", "SOURCES__REFERRAL_FACTORY__SIMULATED_TIME": "true",
        }  # fmt: skip
        for number in STATES:
            show(api, number)
            subprocess.run([sys.executable, "-m", module, "sync"], cwd=folder, env=environ, check=True)
    return folder / "data" / "load.duckdb"


def statements_of(load_file: Path) -> list[str]:
    """What makes the file again: its schemas, its tables and their rows."""
    with duckdb.connect(str(load_file), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        schemas = connection.execute(
            "select schema_name from duckdb_schemas() where database_name = current_database() and not internal "
            "and schema_name <> 'main' order by all"
        ).fetchall()
        found = [f"create schema {identifier(schema)};" for (schema,) in schemas]
        for schema, table, sql in connection.execute(
            "select schema_name, table_name, sql from duckdb_tables() where not internal order by all"
        ).fetchall():
            found.append(sql)
            name = f"{identifier(schema)}.{identifier(table)}"
            rows = connection.execute(f"select columns(*)::varchar from {name} order by all").fetchall()
            if rows:
                values = ",\n".join(f"  ({', '.join(map(_value, row))})" for row in rows)
                found.append(f"insert into {name} values\n{values};")
    return found


def restore(release: str, load_file: Path) -> None:
    """Write the load file of a release."""
    with duckdb.connect(str(load_file)) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(path(release).read_text(encoding="utf-8"))


def _value(value: Any) -> str:
    return "null" if value is None else literal(value)


if __name__ == "__main__":
    main()
