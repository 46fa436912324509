"""One writer per warehouse directory: an operating-system lock that a dead process cannot hold.

Stands beside errors and settings; everything that writes a warehouse directory takes it first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.diskspace import no_room
from pipelines.errors import AnotherSyncRunning, ConfigurationError
from pipelines.limits import refuse_small_limits
from pipelines.settings import Settings


@contextmanager
def warehouse_lock(settings: Settings) -> Iterator[None]:
    """Hold the directory for the length of a ``with``.

    Raises: AnotherSyncRunning at once when another process holds it; ConfigurationError when it cannot be written;
    LimitReached when the process may use too little.
    """
    from filelock import FileLock, Timeout

    refuse_small_limits(writes=True)
    try:
        settings.warehouse_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        settings.state_dir.mkdir(exist_ok=True, mode=0o700)
        lock = FileLock(settings.state_dir / "lock", mode=0o600)
        lock.acquire(timeout=0)
    except Timeout:
        raise AnotherSyncRunning(f"Another sync is writing to {settings.warehouse_dir}.") from None
    except OSError as error:
        raise no_room(error, f"{settings.warehouse_dir} cannot be written") or ConfigurationError(
            f"WAREHOUSE__DIR {settings.warehouse_dir} cannot be written: {error.strerror or error}."
        ) from None
    try:
        _provide_folders(settings.state_dir)
        yield
    finally:
        lock.release()


def _provide_folders(state_dir: Path) -> None:
    """Libraries take a working directory and one for temporary files for granted; a process may have neither.

    Our own paths are absolute by now, so the state folder can stand in for both.
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
