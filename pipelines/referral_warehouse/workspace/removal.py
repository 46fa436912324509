"""Removes what nobody needs any more, as far as that can be done.

What cannot be removed (a file that a reader has open on NFS, another owner, an immutable flag, a mount) stays: the rest
is removed, and the reason is returned in words. Nothing here raises, because nothing depends on it. Knows no snapshot
and no draft.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from itertools import count
from pathlib import Path


def remove(path: Path) -> str | None:
    """Remove a file, a link or a whole folder. Returns: None, or why ``path`` is still there, naming what is left.

    Links are removed and never followed.
    """
    first: OSError | None = None

    def attempt(step: Callable[[], object]) -> None:
        nonlocal first
        try:
            step()
        except FileNotFoundError:
            return
        except OSError as error:
            first = first or error

    def note(error: OSError) -> None:
        nonlocal first
        if not isinstance(error, FileNotFoundError):
            first = first or error

    if not _is_folder(path):
        attempt(path.unlink)
    else:
        for folder, folders, files in os.walk(path, topdown=False, onerror=note):
            for name in files:
                attempt((Path(folder) / name).unlink)
            for name in folders:
                inner = Path(folder) / name
                attempt(inner.rmdir if _is_folder(inner) else inner.unlink)
        attempt(path.rmdir)
    if not _exists(path):
        return None
    return f"{path} could not be removed ({reason(first)})" if first else f"{path} could not be removed"


def free_name(path: Path) -> Path:
    """A name that nothing has: that of ``path`` where what lies there can be removed, else one with a number."""
    if remove(path) is None:
        return path
    return next(name for number in count(1) if not _exists(name := path.with_name(f"{path.name}-{number}")))


def reason(error: Exception) -> str:
    """The message of the operating system with the name of its file; the text of any other error."""
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    name = getattr(error, "filename", None)
    return f"{name}: {words}" if name else words


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def _exists(path: Path) -> bool:
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True
