"""The private load file: opened once for a whole run, locked, and recovered where its log is damaged.

dlt loads through the same connection, so that the file is opened once a run and not once a package. Knows no table
(``stored_rows`` does) and no HTTP.
"""

from __future__ import annotations

import importlib
import os
import re
from pathlib import Path
from types import TracebackType

import duckdb

from referral_warehouse.display_text import display_text
from referral_warehouse.errors import AnotherSyncRunning, ConfigurationError, LoadFileDamaged, ReferralsError, causes
from referral_warehouse.load.storage.deferred_signals import held_signals
from referral_warehouse.load.storage.load_file_upgrade import keep_copy, upgrade, version_of
from referral_warehouse.load.storage.stored_rows import StoredRows
from referral_warehouse.workspace.disk_space import disk_full_error
from referral_warehouse.workspace.file_kinds import kind_of, refuse_lockless, refuse_other_kinds, set_aside
from referral_warehouse.workspace.load_file_version import LOAD_FILE_VERSION, refuse_newer

MEMORY_LIMIT = "160MB"
_LOG_LOST = "{log} could not be replayed and is now {aside}; its changes are read from the API again"
SMALLEST_FILE = 3 * 4096
"""The minimum size of a DuckDB file with content; a smaller one was just being created."""


class LoadFile:
    """``load.duckdb``, opened for writing. Use it as a context manager, which also translates DuckDB's errors.

    Attributes:
        connection: the DuckDB connection of the run; its time zone is UTC.
        rows: queries on the raw tables.
        recovered: descriptions of what was moved aside before the file was opened.

    Raises:
        AnotherSyncRunning: when another program has the file open.
        LoadFileDamaged: when it is not a readable DuckDB file, or a part of it is not.
        ConfigurationError: when something else has its name, this user has no permission, or a newer program wrote it.
        DiskFull: when the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.recovered: list[str] = []
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        refuse_other_kinds(path, "the load file")
        with held_signals():  # DuckDB imports it with the first table that it is given, and loses signals meanwhile
            importlib.import_module("pyarrow.dataset")
        if _is_unfinished(path):
            path.unlink()
        # DuckDB creates the file, its log and its spill itself: none of them is readable by others at any time.
        self._umask_before = os.umask(0o077)
        try:
            self.connection = self._connect(path)
            self._upgrade()
        except BaseException:
            os.umask(self._umask_before)
            raise
        path.chmod(0o600)
        self.connection.execute("set TimeZone = 'UTC'")
        self.rows = StoredRows(self.connection)

    def _connect(self, path: Path) -> duckdb.DuckDBPyConnection:
        """Open the file, without its log where that cannot be replayed: its rows are read from the API again."""
        log = path.with_name(f"{path.name}.wal")
        if kind_of(log) not in (None, "a file"):
            self.recovered.append(_LOG_LOST.format(log=log, aside=set_aside(log).name))
        try:
            return _connect(path)
        except LoadFileDamaged as damaged:
            if kind_of(log) is None:
                raise
            aside = set_aside(log)
            try:
                connection = _connect(path)
            except BaseException:
                aside.rename(log)
                raise damaged from None
            self.recovered.append(_LOG_LOST.format(log=log, aside=aside.name))
            return connection

    def _upgrade(self) -> None:
        """Bring a file of an earlier version up to date, after a copy of it was made.

        Raises: as the class; the connection is closed then.
        """
        path = self._path
        try:
            version, is_stamped = version_of(self.connection)
            refuse_newer(path, version)
            is_older = version < LOAD_FILE_VERSION
            if is_older:
                self.connection.execute("checkpoint")
                self.connection.close()  # a second descriptor of an open file would release DuckDB's lock of it
                copy = keep_copy(path, version)
                self.recovered.append(
                    f"{path} was upgraded from version {version} to {LOAD_FILE_VERSION}; {copy.name} is the file of "
                    "before, until the next load succeeds"
                )
                self.connection = self._connect(path)
            if is_older or not is_stamped:
                upgrade(self.connection, version)
        except (duckdb.Error, OSError) as error:
            self.connection.close()
            raise _translated(path, error) or ReferralsError(f"{path} could not be upgraded: {error}.") from error
        except BaseException:
            self.connection.close()
            raise

    def damage_behind(self, error: BaseException) -> ReferralsError | None:
        """The error to raise where a damaged load file is the cause of an error; None for any other error."""
        found = [cause for cause in causes(error) if isinstance(cause, duckdb.Error) and _names_damage(cause)]
        if not found or not any(self._path.name in str(cause) or "orrupt" in str(cause) for cause in found):
            return None
        return _unreadable(self._path, found[-1])

    def __enter__(self) -> LoadFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.connection.close()
        except duckdb.Error as closing:
            error = error or closing
        finally:
            os.umask(self._umask_before)
        translated = _translated(self._path, error) if isinstance(error, duckdb.Error) else None
        if translated is not None:
            raise translated from error


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    try:
        # a second thread costs memory and, at the size of a slice, saves no time
        return duckdb.connect(
            str(path), config={"memory_limit": MEMORY_LIMIT, "threads": 1, "preserve_insertion_order": False}
        )
    except duckdb.IOException as error:
        if "Could not set lock" in str(error):
            refuse_lockless(path)
            raise AnotherSyncRunning(
                f"{path} is open in another program.", "Close it there; analysts read warehouse.duckdb instead."
            ) from None
        if re.search("Permission denied|not permitted|Read-only file system", str(error)):
            raise ConfigurationError(
                f"{path} cannot be opened: {_first_line(error)}.",
                f"Give this user the right to read and write {path}, and run the same command again.",
            ) from None
        raise _translated(path, error) or _unreadable(path, error) from None
    except duckdb.Error as error:
        raise _unreadable(path, error) from None


def _translated(path: Path, error: BaseException) -> ReferralsError | None:
    """The error to raise for a database error of the file; None for any other."""
    full = disk_full_error(error, f"{path} could not be written")
    if full is not None:
        return full
    return _unreadable(path, error) if _names_damage(error) else None


def _names_damage(error: BaseException) -> bool:
    return re.search("not a valid DuckDB|corrupt|could not read", str(error), re.IGNORECASE) is not None


def _is_unfinished(path: Path) -> bool:
    """Whether the process was killed while DuckDB created the file, so that it is empty."""
    if not path.is_file() or path.stat().st_size >= SMALLEST_FILE:
        return False
    beginning = path.read_bytes()[:12]
    return not beginning or beginning[8:] == b"DUCK"


def _unreadable(path: Path, error: BaseException) -> LoadFileDamaged:
    return LoadFileDamaged(f"{path} is not a readable load file: {_first_line(error)}.")


def _first_line(error: BaseException) -> str:
    return display_text(str(error).partition("\n")[0])
