"""Readable snapshot: where what was published last can still be read, should its own file be damaged.

The feeds hold the same tables as the snapshot they were written with, and older snapshots hold most of the past.
Asks questions of published data and changes none; knows no draft and no rule.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipelines.errors import SnapshotDamaged
from pipelines.file_kinds import kind_of
from pipelines.warehouse.feeds import file_sha256, read_manifest
from pipelines.warehouse.files import first_line, quote
from pipelines.warehouse.snapshots import current_number, link_target, snapshot_numbers

if TYPE_CHECKING:
    import duckdb

    from pipelines.settings import Settings

CATALOG = "published"
T = TypeVar("T")


def snapshot_path(settings: Settings, number: int) -> Path:
    """The database of a snapshot."""
    return settings.warehouse_dir / link_target(number)


def why_unreadable(path: Path) -> str | None:
    """Why a snapshot cannot be opened, in words; None where it can."""
    import duckdb

    try:
        with _opened(path) as connection:
            connection.execute("select count(*) from duckdb_tables() where database_name = ?", [CATALOG])
    except (duckdb.Error, OSError) as error:
        # A reader that has it open for writing keeps others out for as long as it runs; the file is whole.
        return None if "Could not set lock" in str(error) else first_line(error)
    return None


def refuse_unreadable(settings: Settings) -> None:
    """Say what is wrong with a published snapshot that is there and cannot be read.

    Raises: SnapshotDamaged.
    """
    link = settings.warehouse_path
    if not os.path.lexists(link):
        return
    reason = why_unreadable(link)
    if reason is not None:
        raise SnapshotDamaged(f"What {link} points at cannot be read: {reason}.")


def ask_published(
    settings: Settings, question: Callable[[duckdb.DuckDBPyConnection, str], T]
) -> tuple[T | None, list[str]]:
    """Ask what was published last, wherever it can be read: the snapshot, its feeds, else an older snapshot.

    Args: ``question`` gets a connection and the name of the catalog to read.
    Returns: its answer (None where nothing was published or nothing can be read), and a note in words where it was not
    the published snapshot that answered.
    """
    import duckdb

    current = current_number(settings)
    if current is not None:
        with suppress(duckdb.Error, OSError), _opened(snapshot_path(settings, current)) as connection:
            return question(connection, CATALOG), []
    for source, opened in _others(settings, current):
        with suppress(duckdb.Error, OSError), opened as connection:
            answer = question(connection, CATALOG)
            if answer is not None:
                note = f"the published snapshot could not be read; its history was compared with {source}"
                return answer, [note]
    if current is None and read_manifest(settings.manifest_path) is None:
        return None, []
    return None, ["nothing that was published can be read; its history could not be compared"]


def _others(settings: Settings, current: int | None) -> Iterator[tuple[str, Any]]:
    yield "the feeds", _opened_feeds(settings)
    for number in reversed(snapshot_numbers(settings)):
        if number != current:
            yield f"snapshot {number}", _opened(snapshot_path(settings, number))


@contextmanager
def _opened(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of its own, since a damaged file may end it."""
    import duckdb

    if kind_of(path) != "a file":
        raise FileNotFoundError(f"{path} is {kind_of(path) or 'missing'}")
    with closing(duckdb.connect(":memory:", config={"threads": 1})) as connection:
        connection.execute(f"attach {quote(path)} as {CATALOG} (read_only)")
        yield connection


@contextmanager
def _opened_feeds(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """The feeds that are whole, as tables of the same names."""
    import duckdb

    manifest = read_manifest(settings.manifest_path)
    if manifest is None:
        raise FileNotFoundError(f"{settings.manifest_path} cannot be read")
    with closing(duckdb.connect(":memory:", config={"threads": 1})) as connection:
        connection.execute(f"attach ':memory:' as {CATALOG}")
        for name, table in manifest["tables"].items():
            path = settings.warehouse_dir / table["feed"]
            if kind_of(path) == "a file" and table["checksum"] == f"sha256:{file_sha256(path)}":
                schema, _, bare_name = name.partition(".")
                connection.execute(f'create schema if not exists {CATALOG}."{schema}"')
                connection.execute(
                    f'create view {CATALOG}."{schema}"."{bare_name}" as '
                    f"from read_parquet({quote(path)}, hive_partitioning = false)"
                )
        yield connection
