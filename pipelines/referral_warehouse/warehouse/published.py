"""Opens the published data for reading, also when another program has it open or a file is damaged.

By default DuckDB opens files for writing, and then no other program can open them; a reader with write permission
(root, as in containers) can also leave changes beside the file. A private copy of the file alone is read then. For
comparisons, a damaged snapshot is replaced by the feeds that were written with it or by an older snapshot. Knows
neither models nor checks, and changes nothing that is published.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from referral_warehouse.errors import ReferralsError, SnapshotDamaged
from referral_warehouse.sql_quoting import identifier, literal, parquet_rows
from referral_warehouse.warehouse.connection import connect_scratch, draft_dir, draft_path, first_line
from referral_warehouse.warehouse.manifest import read_manifest
from referral_warehouse.warehouse.snapshots import snapshot_numbers, write_ahead_log
from referral_warehouse.workspace.current_snapshot import (
    current_database,
    current_number,
    database_name,
    folder_name,
    number_in_manifest,
)
from referral_warehouse.workspace.durable_files import file_sha256
from referral_warehouse.workspace.file_kinds import kind_of
from referral_warehouse.workspace.file_locks import is_lock_refused
from referral_warehouse.workspace.removal import reason, remove

if TYPE_CHECKING:
    import duckdb

    from referral_warehouse.settings import Settings

PUBLISHED = "published"
"""The catalog that the published data is attached as."""


def snapshot_path(settings: Settings, number: int) -> Path:
    """The database of a snapshot."""
    return settings.published_dir / database_name(number)


@contextmanager
def attach_published(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    name: str = PUBLISHED,
    folder: Path | None = None,
    path: Path | None = None,
) -> Iterator[bool]:
    """Attach the published snapshot, or that of ``path``, read-only as ``name`` for the length of a ``with``.

    Args: ``folder`` is for a temporary copy; without one, the system's folder for temporary files is used.
    Yields: whether a copy is read, because another program has the file open for writing, or wrote beside it.
    Raises: ReferralsError when neither the file nor a copy can be read.
    """
    with _attached(connection, path or current_database(settings.published_dir).resolve(), name, folder) as is_copy:
        yield is_copy


@contextmanager
def open_published(settings: Settings) -> Iterator[tuple[duckdb.DuckDBPyConnection, bool]]:
    """A connection on which ``schema.table`` names the published tables, and whether it reads a copy.

    Raises: ReferralsError when the snapshot cannot be read.
    """
    import duckdb

    with duckdb.connect(":memory:") as connection, attach_published(connection, settings) as is_copy:
        connection.execute(f"use {PUBLISHED}")
        try:
            yield connection, is_copy
        finally:
            connection.execute("use memory")


def published_manifest(settings: Settings) -> dict[str, Any] | None:
    """The manifest of the published snapshot; None where none is readable.

    It is the public one, or that of the snapshot itself where a publication is not complete yet.
    """
    public = read_manifest(settings.manifest_path)
    number = current_number(settings.published_dir)
    if number is None or (public is not None and public.get("snapshot") == number):
        return public
    return read_manifest(settings.snapshots_dir / folder_name(number) / "manifest.json")


def compare_with_published(settings: Settings, compare: Callable[[duckdb.DuckDBPyConnection], None]) -> list[str]:
    """Compare the finished draft with the last published data that can be read.

    The snapshot comes first, then its feeds, then older snapshots. Each gets a connection of its own: a damaged file
    may end it.

    Args:
        compare: gets a connection with the catalogs ``draft`` and ``published``, both read-only.

    Returns: a sentence where it was not the published snapshot that could be read.
    Raises: whatever ``compare`` raises of the project's own errors.
    """
    number = current_number(settings.published_dir)
    if number is not None and _compared(settings, _snapshot(settings, number), compare):
        return []
    for source, attach in _fallback_sources(settings, number):
        if _compared(settings, attach, compare):
            return [f"the published snapshot could not be read; its history was compared with {source}"]
    if number is None and number_in_manifest(settings.published_dir) is None:
        return []
    return ["no published data can be read; its history could not be compared"]


def tables_of(connection: duckdb.DuckDBPyConnection, catalog: str) -> dict[str, set[str]]:
    """Qualified name of each table of a catalog, with its columns: snapshots of older versions have fewer."""
    found: dict[str, set[str]] = {}
    for schema, table, column in connection.execute(
        "select schema_name, table_name, column_name from duckdb_columns() where database_name = ?", [catalog]
    ).fetchall():
        found.setdefault(f"{schema}.{table}", set()).add(column)
    return found


def why_unreadable(path: Path) -> str | None:
    """Why a snapshot cannot be opened, in words; None where it can."""
    import duckdb

    if kind_of(path) != "a file":
        return f"{path} is {kind_of(path) or 'missing'}"
    try:
        with duckdb.connect(":memory:", config={"threads": 1}) as connection:
            connection.execute(f"attach {literal(path)} as {PUBLISHED} (read_only)")
            connection.execute("select count(*) from duckdb_tables() where database_name = ?", [PUBLISHED])
    except (duckdb.Error, OSError) as error:
        # A program that has it open for writing locks it; the file is intact.
        return None if is_lock_refused(error) else first_line(error)
    return None


def refuse_unreadable(settings: Settings) -> None:
    """Refuse a published snapshot that exists but cannot be read.

    Raises: SnapshotDamaged.
    """
    path = settings.warehouse_path
    what = f"What {path} points at"
    if not os.path.lexists(path):
        number = number_in_manifest(settings.published_dir)
        if number is None:
            return
        path = snapshot_path(settings, number)
        what = str(path)
    if (why := why_unreadable(path)) is not None:
        raise SnapshotDamaged(f"{what} cannot be read: {why}.")


Attach = Callable[["duckdb.DuckDBPyConnection"], AbstractContextManager[object]]


def _compared(settings: Settings, attach: Attach, compare: Callable[[duckdb.DuckDBPyConnection], None]) -> bool:
    """Whether the comparison was made; False where the files cannot be read."""
    import duckdb

    unreadable = (duckdb.IOException, duckdb.FatalException, duckdb.InternalException, duckdb.SerializationException)
    with connect_scratch(settings) as connection:
        connection.execute(f"attach {literal(draft_path(settings))} as draft (read_only)")
        try:
            with attach(connection):
                compare(connection)
        except (*unreadable, OSError, SnapshotDamaged):
            return False
    return True


def _snapshot(settings: Settings, number: int) -> Attach:
    path = snapshot_path(settings, number)
    return lambda connection: _attached(connection, path, PUBLISHED, draft_dir(settings))


def _fallback_sources(settings: Settings, current: int | None) -> Iterator[tuple[str, Attach]]:
    yield "the feeds", lambda connection: _attached_feeds(connection, settings)
    for number in reversed(snapshot_numbers(settings)):
        if number != current:
            yield f"snapshot {number}", _snapshot(settings, number)


@contextmanager
def _attached(connection: duckdb.DuckDBPyConnection, path: Path, name: str, folder: Path | None) -> Iterator[bool]:
    """A database attached read-only as ``name``; True where it is a private copy. Raises: SnapshotDamaged."""
    if kind_of(path) != "a file":
        raise SnapshotDamaged(f"{path} is {kind_of(path) or 'missing'}.")
    if not write_ahead_log(path).exists() and _attach(connection, path, name):
        try:
            yield False
        finally:
            _detach(connection, name)
        return
    with _private_copy(path, folder) as copy:
        if not _attach(connection, copy, name):
            raise _unreadable(path, "its copy is locked")
        try:
            yield True
        finally:
            _detach(connection, name)


@contextmanager
def _attached_feeds(connection: duckdb.DuckDBPyConnection, settings: Settings) -> Iterator[None]:
    """The feeds, as tables of the same names. Raises: SnapshotDamaged where they are not all as they were written."""
    manifest = read_manifest(settings.manifest_path)
    if manifest is None:
        raise SnapshotDamaged(f"{settings.manifest_path} cannot be read.")
    feeds = {name: settings.published_dir / table["feed"] for name, table in manifest["tables"].items()}
    for name, path in feeds.items():
        checksum = manifest["tables"][name]["checksum"]
        if kind_of(path) != "a file" or checksum != f"sha256:{file_sha256(path)}":
            raise SnapshotDamaged(f"{path} has changed since it was published.")
    connection.execute(f"attach ':memory:' as {PUBLISHED}")
    for name, path in feeds.items():
        schema, _, bare_name = name.partition(".")
        connection.execute(f"create schema if not exists {PUBLISHED}.{identifier(schema)}")
        connection.execute(
            f"create view {PUBLISHED}.{identifier(schema)}.{identifier(bare_name)} as "
            f"from {parquet_rows(literal(path))}"
        )
    try:
        yield
    finally:
        _detach(connection, PUBLISHED)


def _attach(connection: duckdb.DuckDBPyConnection, path: Path, name: str) -> bool:
    """Attach a file; False when another program's lock forbids it."""
    import duckdb

    try:
        connection.execute(f"attach {literal(path)} as {name} (read_only)")
    except duckdb.Error as error:
        if is_lock_refused(error):
            return False
        raise SnapshotDamaged(f"The published snapshot {path} cannot be read ({first_line(error)}).") from error
    return True


def _detach(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Detach a database; where it was so damaged that it ended the connection, there is nothing to detach."""
    import duckdb

    try:
        connection.execute(f"detach {name}")
    except duckdb.FatalException:
        return


@contextmanager
def _private_copy(path: Path, folder: Path | None) -> Iterator[Path]:
    holder: Path | None = None
    try:
        try:
            holder = Path(tempfile.mkdtemp(prefix="published-", dir=folder))  # for its owner alone
            shutil.copyfile(path, copy := holder / path.name)
        except OSError as error:
            raise _unreadable(path, f"no copy could be made: {reason(error)}") from error
        yield copy
    finally:
        if holder is not None:
            remove(holder)


def _unreadable(path: Path, why: str) -> ReferralsError:
    return ReferralsError(
        f"The published snapshot {path} cannot be read ({why}).",
        "Close the program that has it open for writing (DuckDB opens files so unless it is asked for read_only), and "
        "run the same command again.",
    )
