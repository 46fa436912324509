"""One writer per warehouse directory: an operating-system lock, released when its process ends.

Everything that writes a warehouse directory takes it first.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from referral_warehouse.errors import AnotherSyncRunning, ConfigurationError
from referral_warehouse.workspace.directories import STATE
from referral_warehouse.workspace.disk_space import disk_full_error
from referral_warehouse.workspace.file_kinds import kind_of, refuse_other_kinds
from referral_warehouse.workspace.file_locks import FileLock, lock_file
from referral_warehouse.workspace.process_limits import refuse_small_limits

RESTORE_STAGE = ".restore"
"""The folder of what a restore puts into a directory."""
UNFINISHED_RESTORE = Path(RESTORE_STAGE, "journal.json")
"""Exists in a warehouse directory while a restore replaces its files."""

MIN_RETRIES, RETRY_S = 5, 0.02
"""How often at least, and after how many seconds each, a lock that is held is tried again: a command that only checks
it holds it for microseconds."""


@contextmanager
def warehouse_lock(warehouse_dir: Path, *, wait_s: float = 0, completes_restore: bool = False) -> Iterator[None]:
    """Lock the directory for the length of a ``with``.

    Args:
        wait_s: seconds to wait where another process holds it.
        completes_restore: whether the caller completes a restore that was interrupted; nobody else may write then.

    Raises: AnotherSyncRunning when another process holds it, at once or after the wait; ConfigurationError when it
    cannot be written, or a restore has to be completed first; LimitReached when a limit of the process is too small.
    """
    refuse_small_limits(writes=True)
    state_dir = warehouse_dir / STATE
    path = state_dir / "lock"
    try:
        warehouse_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        state_dir.mkdir(exist_ok=True, mode=0o700)
        lock = _acquire(path, warehouse_dir, wait_s)
    except OSError as error:
        raise disk_full_error(error, f"{warehouse_dir} cannot be written") or _explain(error, warehouse_dir) from None
    try:
        if not completes_restore:
            refuse_unfinished_restore(warehouse_dir)
        _provide_folders(state_dir)
        yield
    finally:
        lock.release()


@contextmanager
def waiting_lock(path: Path, warehouse_dir: Path, wait_s: float) -> Iterator[None]:
    """Lock a file of a warehouse directory for the length of a ``with``, and wait while another process holds it.

    Raises: AnotherSyncRunning when it is still held after ``wait_s`` seconds; ConfigurationError when it cannot be
    written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = _acquire(path, warehouse_dir, wait_s)
    except OSError as error:
        raise disk_full_error(error, f"{warehouse_dir} cannot be written") or _explain(error, warehouse_dir) from None
    try:
        yield
    finally:
        lock.release()


def _provide_folders(state_dir: Path) -> None:
    """Use the state folder in place of a missing working directory, or a missing one for temporary files.

    Libraries require both, and a process may have neither. Our own paths are absolute by then.
    """
    import tempfile

    try:
        Path.cwd()
    except OSError:
        os.chdir(state_dir)
    try:
        tempfile.gettempdir()
    except OSError:
        tempfile.tempdir = str(state_dir)


def refuse_unfinished_restore(warehouse_dir: Path) -> None:
    """Raises: ConfigurationError where a restore was interrupted while it replaced the files of the directory."""
    if (warehouse_dir / UNFINISHED_RESTORE).exists():
        raise ConfigurationError(
            f"A restore of {warehouse_dir} was interrupted: some of its files are restored and others are not.",
            "Run the same `referrals restore` again: it completes what was begun.",
        )


def _acquire(path: Path, warehouse_dir: Path, wait_s: float) -> FileLock:
    """The lock. Raises: AnotherSyncRunning; ConfigurationError where there can be none; OSError for all else."""
    refuse_other_kinds(path, "the lock file")
    lock = lock_file(path)
    retries_left = max(MIN_RETRIES, round(wait_s / RETRY_S))  # `status` may hold it for a check
    while lock is None and retries_left > 0:
        time.sleep(RETRY_S)
        retries_left -= 1
        lock = lock_file(path)
    if lock is None:
        raise AnotherSyncRunning(f"Another sync is writing to {warehouse_dir}.")
    return lock


def _explain(error: OSError, warehouse_dir: Path) -> ConfigurationError:
    """The error about the one of the lock's three paths that is wrong, with advice."""
    state_dir = warehouse_dir / STATE
    lock = state_dir / "lock"
    for path, kinds in ((warehouse_dir, "a directory"), (state_dir, "a directory"), (lock, "a file")):
        kind = kind_of(path)
        if kind not in (None, kinds):
            return ConfigurationError(
                f"{path} is {kind}, not {kinds}.", f"Move {path} away and run the same command again."
            )
    if lock.is_symlink():
        return ConfigurationError(f"{lock} is a link, not a file.", f"Remove {lock} and run the same command again.")
    place = lock if kind_of(lock) and not os.access(lock, os.W_OK) else warehouse_dir
    return ConfigurationError(
        f"WAREHOUSE__DIR {place} cannot be written: {error.strerror or error}.",
        f"Give this user the right to write {place}, or set WAREHOUSE__DIR to another directory.",
    )
