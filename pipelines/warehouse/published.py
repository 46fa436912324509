"""The published snapshot, opened for reading whatever other programs do with it.

DuckDB opens files for writing unless it is asked not to, and then nobody else can open them at all; a reader that may
write everywhere (root, as in containers) can also leave changes beside the file. Both are passed by: a private copy of
the file alone is read then. Knows neither models nor checks, and changes nothing that is published.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.errors import ReferralsError
from pipelines.warehouse.feeds import read_manifest
from pipelines.warehouse.files import first_line, quote
from pipelines.warehouse.removal import reason, remove
from pipelines.warehouse.snapshots import current_number, folder_name, write_ahead_log

if TYPE_CHECKING:
    import duckdb

    from pipelines.settings import Settings

LOCKED = "Could not set lock"


@contextmanager
def attach_published(
    connection: duckdb.DuckDBPyConnection, settings: Settings, name: str = "published", folder: Path | None = None
) -> Iterator[bool]:
    """Attach the published snapshot read-only as ``name`` for the length of a ``with``.

    Args: ``folder`` is where a copy may lie for so long; without one, the system's folder for temporary files.
    Returns: whether a copy is read, because another program has the file open for writing, or wrote beside it.
    Raises: ReferralsError when neither the file nor a copy can be read.
    """
    path = settings.warehouse_path.resolve()
    if not write_ahead_log(path).exists() and _attach(connection, path, name):
        try:
            yield False
        finally:
            connection.execute(f"detach {name}")
        return
    with _private_copy(path, folder) as copy:
        if not _attach(connection, copy, name):
            raise _unreadable(path, "its copy is locked")
        try:
            yield True
        finally:
            connection.execute(f"detach {name}")


@contextmanager
def open_published(settings: Settings) -> Iterator[tuple[duckdb.DuckDBPyConnection, bool]]:
    """A connection on which ``schema.table`` names the published tables, and whether it reads a copy.

    Raises: ReferralsError when the snapshot cannot be read.
    """
    import duckdb

    with duckdb.connect(":memory:") as connection, attach_published(connection, settings) as is_copy:
        connection.execute("use published")
        try:
            yield connection, is_copy
        finally:
            connection.execute("use memory")


def published_manifest(settings: Settings) -> dict[str, Any] | None:
    """What the manifest says of the snapshot that readers see; None where nothing readable does.

    That is the public one unless a publication is not complete yet; the snapshot's own then.
    """
    public = read_manifest(settings.manifest_path)
    number = current_number(settings)
    if number is None or (public is not None and public.get("snapshot") == number):
        return public
    return read_manifest(settings.snapshots_dir / folder_name(number) / "manifest.json")


def _attach(connection: duckdb.DuckDBPyConnection, path: Path, name: str) -> bool:
    """Attach a file; False when another program's lock forbids it."""
    import duckdb

    try:
        connection.execute(f"attach {quote(path)} as {name} (read_only)")
    except duckdb.Error as error:
        if LOCKED in str(error):
            return False
        raise _unreadable(path, first_line(error)) from error
    return True


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
