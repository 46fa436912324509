"""Comparison: the snapshot that readers have, attached beside the draft, so that guards can hold one against the other.

Knows where snapshots lie and how DuckDB opens them; knows no rule.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.warehouse.files import draft_dir, quote
from pipelines.warehouse.snapshots import SNAPSHOT_NAME, folder_name, snapshot_numbers

if TYPE_CHECKING:
    import duckdb

    from pipelines.settings import Settings

PUBLISHED = "published"
"""The catalog that the snapshot is attached as."""


@contextmanager
def published_beside(connection: duckdb.DuckDBPyConnection, settings: Settings) -> Iterator[bool]:
    """Attach the newest snapshot that can be read as ``published``, read-only.

    Yields: whether there is one. A snapshot that is damaged cannot be compared with: the one before it is taken then.
    """
    copy = draft_dir(settings) / "published.duckdb"
    is_attached = any(_attach(connection, path, copy) for path in _candidates(settings))
    try:
        yield is_attached
    finally:
        if is_attached:
            connection.execute(f"detach {PUBLISHED}")
        copy.unlink(missing_ok=True)


def _candidates(settings: Settings) -> Iterator[Path]:
    """The current snapshot, then the older ones that were kept."""
    current = settings.warehouse_path.resolve()
    if current.is_file():
        yield current
    for number in reversed(snapshot_numbers(settings)):
        path = settings.snapshots_dir / folder_name(number) / SNAPSHOT_NAME
        if path.is_file() and path.resolve() != current:
            yield path


def _attach(connection: duckdb.DuckDBPyConnection, path: Path, copy: Path) -> bool:
    """Whether a snapshot could be attached; one that a reader opened for writing is copied, since it is locked."""
    import duckdb

    try:
        try:
            connection.execute(f"attach {quote(path)} as {PUBLISHED} (read_only)")
        except duckdb.IOException as error:
            if "Could not set lock" not in str(error):
                return False
            shutil.copyfile(path, copy)
            connection.execute(f"attach {quote(copy)} as {PUBLISHED} (read_only)")
        return True
    except (duckdb.Error, OSError):
        return False


def tables_of(connection: duckdb.DuckDBPyConnection, catalog: str) -> dict[str, set[str]]:
    """Qualified name of each table of a catalog, with its columns: snapshots of older versions have fewer."""
    found: dict[str, set[str]] = {}
    for schema, table, column in connection.execute(
        "select schema_name, table_name, column_name from duckdb_columns() where database_name = ?", [catalog]
    ).fetchall():
        found.setdefault(f"{schema}.{table}", set()).add(column)
    return found
