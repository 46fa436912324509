"""Kinds of files: reads, moves aside or removes whatever is at a path.

One of our names may be a directory, a named pipe or a circular link, and one of our files may contain anything. Reading
here never blocks and never fails; files that may contain data are not deleted. Knows nothing of the files' meaning.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.workspace.file_locks import refuse_lockless as refuse_lockless
from referral_warehouse.workspace.removal import remove

_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISREG, "a file"),
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def kind_of(path: Path) -> str | None:
    """What is at a path, in words, with links followed; None where nothing is.

    Returns: "a file", "a directory", "a named pipe", "a socket", "a device", "of an unknown kind", "a broken link"
    (also one that leads to itself) or "unreachable" (a folder above it cannot be entered).
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            return None
        except OSError:
            return "unreachable"
        if stat.S_ISLNK(mode):
            return "a broken link"
        # another process has created it between the two checks
    return next((words for holds, words in _KINDS if holds(mode)), "of an unknown kind")


def refuse_other_kinds(path: Path, what: str) -> None:
    """Refuse to open anything but a regular file: a pipe would block, the error of a directory is unclear.

    Args: ``what`` the path should be, such as "the load file".
    Raises: ConfigurationError naming the path and the step.
    """
    kind = kind_of(path)
    if kind not in (None, "a file"):
        raise ConfigurationError(f"{path} is {kind}, not {what}.", f"Move {path} away and run the same command again.")


def read_regular(path: Path) -> bytes | None:
    """The bytes of a regular file; None where there is none, or it cannot be read."""
    if kind_of(path) != "a file":
        return None
    try:
        return path.read_bytes()
    except OSError:
        return None


def write_regular(path: Path, text: str) -> None:
    """Write a small file for its owner alone, atomically, whatever was there before (a directory is moved aside)."""
    if path.is_dir() and not path.is_symlink():
        set_aside(path)
    temporary = path.with_name(f".{path.name}.new")
    remove_or_raise(temporary)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    temporary.replace(path)


def set_aside(path: Path) -> Path:
    """Rename what is at a path, so that the path is free and nothing is lost. Returns: the new path."""
    number = 1
    while os.path.lexists(aside := path.with_name(f"{path.name}.aside-{number}")):
        number += 1
    path.rename(aside)
    return aside


def set_aside_unless_folder(path: Path) -> str | None:
    """Move anything but a folder aside. Returns: a description; None where nothing was moved."""
    kind = kind_of(path)
    if kind in (None, "a directory"):
        return None
    return f"{path} was {kind}, not a folder; it is now {set_aside(path).name}"


def set_aside_unless_file(path: Path) -> str | None:
    """Move anything but a file aside. Returns: a description; None where nothing was moved."""
    kind = kind_of(path)
    if kind in (None, "a file"):
        return None
    return f"{path} was {kind}, not a file; it is now {set_aside(path).name}"


def remove_or_raise(path: Path) -> None:
    """Remove what is at a path, folders with their contents, also those that their owner may not enter.

    Raises: OSError when something of it cannot be removed; the rest is gone then.
    """
    if path.is_dir() and not path.is_symlink():
        _open_up(path)
    problem = remove(path)
    if problem is not None:
        raise OSError(problem)


def _open_up(path: Path) -> None:
    """Give the owner access to every folder, so that what is in it can be listed and removed."""
    with contextlib.suppress(OSError):
        path.chmod(stat.S_IRWXU)
    for folder, folders, _ in os.walk(path):
        for inner in (Path(folder) / name for name in folders):
            if not inner.is_symlink():
                with contextlib.suppress(OSError):
                    inner.chmod(stat.S_IRWXU)
