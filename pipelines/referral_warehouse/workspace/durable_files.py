"""Files and folders that survive a power failure: whole files, copies with checksums, moves between file systems."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from referral_warehouse.workspace.access import WITHOUT_MODES
from referral_warehouse.workspace.removal import free_name, remove

CLONE = 0x40049409
"""``FICLONE`` of Linux's ``ioctl``: the copy shares the blocks of its source until one of them changes."""
CHUNK = 1 << 20


def sync_file(path: Path) -> None:
    """Write a file's bytes, or a folder's names, to the disk. Raises: OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal. Raises: OSError."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def new_file(path: Path, mode: int = 0o600) -> Iterator[BinaryIO]:
    """Write a file that is on the disk when the ``with`` ends; nothing is left of it after an error.

    Raises: OSError, also where something has the name already.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "w+b") as stream:
            yield stream
            stream.flush()
            os.fsync(descriptor)
    except BaseException:
        remove(path)
        raise


@contextlib.contextmanager
def replaced_file(path: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """Write a file beside ``path`` that takes its place when the ``with`` ends: readers see the old or the new one.

    Yields: the stream, and the temporary name, for the owner alone until its modes are set; a later run removes what
    a kill leaves of it. Raises: OSError.
    """
    temporary = free_name(path.with_name(f".{path.name}.new"))
    with new_file(temporary) as stream:
        yield stream, temporary
    temporary.replace(path)
    sync_file(path.parent)


def write_whole_file(path: Path, text: str) -> None:
    """Write a text in UTF-8 with the mode that the umask leaves; several processes may write the same file at once.

    Raises: OSError when the file cannot be written, also when ``path`` is a directory; nothing is left behind then.
    """
    draft = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}")
    with new_file(draft, 0o666) as stream:
        stream.write(text.encode())
    try:
        os.replace(draft, path)  # noqa: PTH105 - refuses a directory in words
    except BaseException:
        remove(draft)
        raise


def copy_file(source: Path, target: Path, mode: int | None = None) -> str:
    """Copy a regular file with its time of last change to a name that nothing has; on the disk when this returns.

    The copy shares the blocks of the source where the file system can do that.

    Args: ``mode`` is that of the copy; that of the source without one.
    Returns: the SHA-256 of the bytes, in hexadecimal. Raises: OSError, also where the source is no regular file.
    """
    digest = hashlib.sha256()
    descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as reading, new_file(target) as writing:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(source))
        is_shared = _share_blocks(descriptor, writing.fileno())
        while chunk := reading.read(CHUNK):
            digest.update(chunk)
            if not is_shared:
                writing.write(chunk)
        writing.flush()
        try:
            os.fchmod(writing.fileno(), stat.S_IMODE(found.st_mode) if mode is None else mode)
        except OSError as error:
            if error.errno not in WITHOUT_MODES:
                raise
        os.utime(writing.fileno(), ns=(found.st_atime_ns, found.st_mtime_ns))
    return digest.hexdigest()


def _share_blocks(source: int, target: int) -> bool:
    """Make an empty file share the blocks of another one; False where the system or the file system cannot."""
    if sys.platform != "linux":
        return False
    import fcntl

    try:
        fcntl.ioctl(target, CLONE, source)
    except OSError:
        return False
    return True


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
