"""Files and folders that survive a power failure, and moves that also work between file systems."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path


def sync_file(path: Path) -> None:
    """Write a file's bytes, or a folder's names, to the disk. Raises: OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def move(source: Path, target: Path) -> None:
    """Move a file or a folder to a name that nothing has; between file systems it is copied first. Raises: OSError.

    The rename is atomic; a copy is not, so the name must not mean anything before the move is done.
    """
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        if source.is_dir():
            shutil.copytree(source, target, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(source, target)
