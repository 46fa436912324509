"""Locks of files that end with the process that holds them, and file systems that have none.

Knows no warehouse directory: the caller decides which file is locked, and why. The existence of a file is never a lock:
it would not show whether the process that created it is still running.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Protocol

from referral_warehouse.errors import ConfigurationError

NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL})
"""Error numbers of file systems without locks of a kind (some network and FUSE mounts)."""
IN_USE = frozenset({errno.EACCES, errno.EAGAIN})
"""Error numbers where another process holds a record lock."""


class FileLock(Protocol):
    """A lock that is held."""

    def release(self) -> None: ...


class _RecordLock:
    """A record lock (fcntl). ``flags`` are added to those the file is opened with."""

    def __init__(self, path: Path, flags: int = 0) -> None:
        import fcntl

        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | flags, 0o600)
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Closing the file frees the lock."""
        os.close(self._descriptor)


def lock_file(path: Path) -> FileLock | None:
    """Lock a file, which is created for its owner alone, with flock or, where the file system has none, with fcntl.

    Returns: the lock; None where another process holds it.
    Raises: ConfigurationError where the file system has no locks; OSError when the file cannot be opened or created.
    """
    import filelock

    lock = filelock.FileLock(path, mode=0o600, fallback_to_soft=False)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    else:
        return lock
    try:
        return _RecordLock(path, os.O_CREAT | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in IN_USE:
            return None
        if error.errno not in NO_LOCKS:
            raise
        raise _no_locks(path, error) from None


def is_locked(path: Path) -> bool:
    """Whether another process holds the lock of a file; nothing is created, and no lock is left behind.

    The file is locked for reading for an instant; a process that requests the lock at that time waits (see
    ``warehouse_lock``). Raises: OSError when the file cannot be opened; where there are no locks nothing is locked.
    """
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        for lock in (fcntl.flock, fcntl.lockf):
            try:
                lock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in IN_USE:
                    return True
                if error.errno not in NO_LOCKS:
                    raise
            else:
                return False
        return False
    finally:
        os.close(descriptor)


def refuse_lockless(path: Path) -> None:
    """Find out, after a file could not be locked, whether its file system has no record locks at all.

    Raises: ConfigurationError where it has none: no other process holds the lock then, and waiting would not help.
    """
    try:
        _RecordLock(path).release()
    except OSError as error:
        if error.errno in NO_LOCKS:
            raise _no_locks(path, error) from None


def is_lock_refused(error: BaseException) -> bool:
    """Whether DuckDB could not lock a file, which its exceptions say in words alone."""
    return "Could not set lock" in str(error)


def _no_locks(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"{path} cannot be locked: its file system has no file locks ({error.strerror}), so that two processes could "
        "write there at once.",
        "Set WAREHOUSE__DIR to a directory on a local disk, or mount this one with locks.",
    )
