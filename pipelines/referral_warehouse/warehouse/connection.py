"""Opens the draft, its scratch file and the load file together, so that ``layer.name`` resolves to a table.

Knows the paths of the files and how DuckDB opens them; knows no model and no rule.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from referral_warehouse.display_text import display_text
from referral_warehouse.errors import AnotherSyncRunning, LoadFileDamaged
from referral_warehouse.sql_quoting import identifier, literal
from referral_warehouse.workspace.file_locks import is_lock_refused, refuse_lockless
from referral_warehouse.workspace.load_file_version import refuse_newer, stored_version

if TYPE_CHECKING:
    import duckdb

    from referral_warehouse.settings import Settings

SCRATCH_LAYERS = ("raw", "staging", "intermediate")
SEARCH_PATH = "draft.main,scratch.raw,load.raw,scratch.staging,scratch.intermediate"
"""Where ``layer.name`` is looked up; substitutes in scratch.raw take precedence over the load file's own tables."""

MEMORY_LIMITS_MB = (300, 1000)
"""Least and greatest memory limit; in between it is the size of the load file."""

RECORD_TABLES = ("campaigns", "rewards", "users", "rewards_due", "rewards_issued", "coupons", "observations")
"""Tables of the load file that only dlt's load packages change, and from which they delete no row."""

ONE_THREAD_MB = 256
"""A smaller load file is built by one thread: up to about 2 million users."""

UNPROFITABLE_COMPRESSION = "dictionary"
"""DuckDB tries it on every text column and rarely chooses it: without it, writing users takes 55 % of the time and 6 %
more space."""

CORRECTIONS = ("clock_corrections", "rewritings")
"""The loader's tables of corrected times and of rewritten rows."""


def draft_dir(settings: Settings) -> Path:
    """The folder of the current build."""
    return settings.warehouse_dir / "draft"


def draft_path(settings: Settings) -> Path:
    """The draft: the published layers."""
    return draft_dir(settings) / "warehouse.duckdb"


def scratch_path(settings: Settings) -> Path:
    """The scratch file of a build: staging and intermediate."""
    return draft_dir(settings) / "scratch.duckdb"


def staged_dir(settings: Settings) -> Path:
    """The folder of what becomes part of the next snapshot beside its database: the feeds, the description."""
    return draft_dir(settings) / "snapshot"


def connect_scratch(settings: Settings) -> duckdb.DuckDBPyConnection:
    """A connection without attached files, which spills into the draft folder and has the memory limit of a build."""
    import duckdb

    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": thread_count(settings.load_path),
            "memory_limit": f"{memory_limit_mb(settings.load_path)}MB",
        },
    )
    connection.execute(f"set temp_directory = {literal(draft_dir(settings) / 'tmp')}")
    connection.execute("set timezone = 'UTC'")
    return connection


def connect_draft(settings: Settings) -> duckdb.DuckDBPyConnection:
    """Open the draft with the load file (read-only) and the scratch file, so that ``layer.name`` resolves.

    Raises: as ``attach_load``.
    """
    connection = connect_scratch(settings)
    try:
        connection.execute(f"set variable max_quarantine_percent = {settings.max_quarantine_percent}")
        connection.execute("set variable amount_digits = 2")  # declare_units finds out whether amounts need more
        connection.execute(f"set disabled_compression_methods = {literal(UNPROFITABLE_COMPRESSION)}")
        # without a log of its changes: a draft whose build was interrupted is built again
        connection.execute(f"attach {literal(draft_path(settings))} as draft (recovery_mode no_wal_writes)")
        connection.execute(f"attach {literal(scratch_path(settings))} as scratch (recovery_mode no_wal_writes)")
        attach_load(connection, settings.load_path)
        for layer in SCRATCH_LAYERS:
            connection.execute(f"create schema if not exists scratch.{layer}")
        connection.execute("use draft")
        connection.execute(f"set search_path = {literal(SEARCH_PATH)}")
    except Exception:
        connection.close()
        raise
    return connection


def attach_load(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Attach the load file as ``load``, read-only.

    Raises: AnotherSyncRunning, LoadFileDamaged; ConfigurationError when a newer program wrote it.
    """
    import duckdb

    try:
        connection.execute(f"attach {literal(path)} as load (read_only)")
    except duckdb.IOException as error:
        if is_lock_refused(error):
            refuse_lockless(path)
            raise AnotherSyncRunning(f"Another process is writing {path}.") from error
        raise LoadFileDamaged(f"{path} cannot be opened: {first_line(error)}") from error
    refuse_newer(path, stored_version(connection, "load") or 0)


def substitute_missing_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create a substitute for every table of ``sql/raw.sql`` that the load file lacks, or has without some columns."""
    from referral_warehouse.warehouse.models import raw_tables, sql_dir

    folder = sql_dir()
    present = _columns_of(connection, "load")
    connection.execute("begin")
    for statement in connection.extract_statements((folder / "raw.sql").read_text(encoding="utf-8")):
        connection.execute(statement.query.replace("create table raw.", "create table scratch.raw.", 1))
    wanted = _columns_of(connection, "scratch")
    for table in sorted(name.partition(".")[2] for name in raw_tables(folder)):
        if table not in present:
            continue
        connection.execute(f"drop table scratch.raw.{table}")
        missing = {column: kind for column, kind in wanted[table].items() if column not in present[table]}
        if missing:
            extra = ", ".join(f"cast(null as {kind}) as {identifier(column)}" for column, kind in missing.items())
            connection.execute(f"create view scratch.raw.{table} as select *, {extra} from load.raw.{table}")
    connection.execute("commit")


def _columns_of(connection: duckdb.DuckDBPyConnection, catalog: str) -> dict[str, dict[str, str]]:
    rows = connection.execute(
        "select table_name, column_name, data_type from duckdb_columns() "
        "where database_name = ? and schema_name = 'raw' order by table_name, column_index",
        [catalog],
    ).fetchall()
    tables: dict[str, dict[str, str]] = {}
    for table, column, kind in rows:
        tables.setdefault(table, {})[column] = kind
    return tables


def load_version(connection: duckdb.DuckDBPyConnection) -> str | None:
    """A text that identifies a state of the load file; None if unknown.

    It consists of dlt's count of packages, the id of the last one, the row count of all ``RECORD_TABLES``, so that a
    loss without a package is detected too, and the count of ``CORRECTIONS``, which change rows in place.
    """
    tables = _columns_of(connection, "load")
    if "_dlt_loads" not in tables:
        return None
    counted = " + ".join(f"(select count(*) from load.raw.{name})" for name in RECORD_TABLES if name in tables) or "0"
    corrected = " + ".join(f"(select count(*) from load.raw.{name})" for name in CORRECTIONS if name in tables) or "0"
    row = connection.execute(
        f"select count(*), max(load_id), {counted}, {corrected} from load.raw._dlt_loads"
    ).fetchone()
    return ":".join(map(str, row)) if row else None


def thread_count(load_path: Path) -> int:
    """Threads for a build: those this process may use, four at most (more cost memory and save little time).

    One thread unless the account is very large: while another thread completes a query, the one that called DuckDB
    polls for work without a pause (DuckDB 1.5), which adds a quarter to two fifths to the CPU time of a build.
    """
    if _size_mb(load_path) < ONE_THREAD_MB:
        return 1
    return max(1, min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))


def memory_limit_mb(load_path: Path) -> int:
    """Memory DuckDB may take before it spills, in MB: by the size of the load file, at most half of the machine's."""
    smallest, largest = MEMORY_LIMITS_MB
    load_mb = _size_mb(load_path)
    return max(200, min(max(smallest, load_mb), largest, physical_memory_mb() // 2))


def physical_memory_mb() -> int:
    """The machine's memory in MB (10^6 bytes)."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1_000_000


def _size_mb(path: Path) -> int:
    return path.stat().st_size // 1_000_000 if path.is_file() else 0


def first_line(error: Exception) -> str:
    """The first line of a database error; it may quote a value of the account."""
    return display_text(str(error).strip().partition("\n")[0]) or type(error).__name__
