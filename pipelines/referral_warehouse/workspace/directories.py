"""Resolves paths from settings, and refuses paths that DuckDB or dlt cannot use.

A path is refused here, before anything is read or created, where a later step would fail or would silently use another
one. Reads no setting and opens no file.
"""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

from referral_warehouse.errors import ConfigurationError

STATE = "state"
"""The folder of a warehouse directory for dlt's working folder, the call store and the lock."""

ACCOUNTS = "accounts"
"""The folder of a warehouse directory for those of several accounts, each of which is a whole warehouse directory."""

FORGOTTEN = "forgotten"
"""The folder of a warehouse directory for digests of forgotten people, certificates, and the journal of an erasure."""

FORGOTTEN_JOURNAL = "journal.json"
"""The journal in that folder, as long as an erasure is not complete."""

DEMO_MARKER = "sandbox.sqlite3"
"""The file of a simulated account, in the directory of a demo."""

UNUSABLE = {
    "?": "DuckDB puts its write-ahead log into another folder then",
    "%": "dlt takes it for a placeholder",
}
"""Characters that the file system allows and a library does not, with the reason."""

LONGEST_BELOW = 256
"""Bytes that are reserved for paths below the warehouse directory; dlt's staged files have the longest paths."""

NAME_MAX, PATH_MAX = 255, 4096  # bytes; where the system does not answer
READABLE = {" ": "a space", "\t": "a tab", "\n": "a line break", "\r": "a carriage return", "\0": "a NUL character"}


def warehouse_directory(name: str, value: str, folder: Path | None, given: str | None = None) -> Path:
    """The absolute path of a warehouse directory.

    Args:
        name: the setting, for messages.
        value: its text; ``~`` and ``~user`` at the beginning stand for a home directory.
        folder: the base of a relative path; None where the working directory does not exist any more.
        given: the text before blanks were removed from its ends, if there were any.

    Raises: ConfigurationError that names the character or the limit, when something cannot work there.
    """
    if given is not None and given.strip() and given != given.strip():
        blank = given[0] if given[0].isspace() else given[-1]
        raise ConfigurationError(
            f"{name} begins or ends with {_readable(blank)}: {_shown(given)}.",
            "Remove it; if it really belongs to the directory's name, rename the directory.",
        )
    path = absolute_path(name, value, folder)
    _refuse_unusable(name, str(path), str(path))
    resolved = os.path.realpath(path)  # never raises, unlike Path.resolve
    _refuse_unusable(name, resolved, str(path))
    for text in (str(path), resolved):
        _refuse_too_long(name, text)
    return path


def absolute_path(name: str, value: str, folder: Path | None) -> Path:
    """The absolute path: ``~`` is a home directory, and relative paths begin at ``folder``.

    Raises: ConfigurationError when no such home directory is known, the file system cannot have such a name, or a path
    is relative to a working directory that is gone.
    """
    if "\0" in value:
        raise ConfigurationError(f"{name} contains a NUL character, which no path can have.")
    meant = Path(_with_home(name, value, folder))
    if folder is None and not meant.is_absolute():
        raise ConfigurationError(
            f"The working directory does not exist any more, and {name} ({value}) is relative to it.",
            f"Change to a directory that exists, or set {name} to an absolute path.",
        )
    path = ((folder or Path("/")) / meant).absolute()
    try:
        os.fsencode(path)
    except UnicodeEncodeError as error:
        raise ConfigurationError(
            f"{name} contains {_readable(str(path)[error.start])}, which file names cannot have in this locale.",
            "Set LC_ALL=C.UTF-8 (or another UTF-8 locale) and run the same command again.",
        ) from None
    return path


def _with_home(name: str, value: str, folder: Path | None) -> str:
    """The path with its ``~`` replaced. ``./~`` is a directory of that name."""
    if not value.startswith("~"):
        return value
    expanded = os.path.expanduser(value)  # noqa: PTH111 - Path.expanduser raises
    user = value.split("/")[0]
    if expanded.startswith("~"):
        raise ConfigurationError(
            f"{name} begins with {_shown(user)}, and no such home directory is known.",
            f"Give the directory's full path, or {_shown(f'./{user}')} for a directory of that name.",
        )
    if folder is not None and os.path.lexists(folder / value):  # earlier versions used the character literally
        raise ConfigurationError(
            f"{name} is {_shown(value)}: that means {_shown(expanded)}, but a directory of that very name exists here.",
            f"Write {_shown(f'./{value}')} to use it, or move it to the intended place.",
        )
    return expanded


def _refuse_unusable(name: str, text: str, path: str) -> None:
    where = f"{name} ({_shown(path)})" if text == path else f"{name} ({_shown(path)}) leads to {_shown(text)}, which"
    for character in text:
        if "\ud800" <= character <= "\udfff":
            raise ConfigurationError(
                f"{where} contains the byte 0x{ord(character) & 0xFF:02X}, which is not UTF-8.",
                "Use a directory whose name is UTF-8 text.",
            )
        if character in UNUSABLE:
            raise ConfigurationError(
                f"{where} contains {_readable(character)}: {UNUSABLE[character]}.",
                "Use a directory without this character in its path.",
            )


def _refuse_too_long(name: str, text: str) -> None:
    name_max, path_max = _limits(text)
    longest = max((len(os.fsencode(part)) for part in text.split("/")), default=0)
    if longest > name_max:
        raise ConfigurationError(
            f"{name} has a part of {longest} bytes; the file system allows {name_max}.", "Use a shorter name."
        )
    length = len(os.fsencode(text))
    if length + LONGEST_BELOW > path_max:
        raise ConfigurationError(
            f"{name} is {length} bytes long; with the files below it, it is longer than the {path_max} bytes that the "
            "file system allows.",
            "Use a directory with a shorter path.",
        )


def _limits(text: str) -> tuple[int, int]:
    """The longest name and the longest path of a file system, in bytes; read from the existing part of the path."""
    existing = Path(text)
    while existing != existing.parent:
        try:
            return os.pathconf(existing, "PC_NAME_MAX"), os.pathconf(existing, "PC_PATH_MAX")
        except (OSError, ValueError):
            existing = existing.parent
    return NAME_MAX, PATH_MAX


def _readable(character: str) -> str:
    """A character with its number, in words where it is invisible."""
    if character in READABLE:
        return READABLE[character]
    shown = repr(character) if character.isprintable() else unicodedata.name(character, "a character")
    return f"{shown} (U+{ord(character):04X})"


def _shown(text: str) -> str:
    """A path for a message: on one line, of bounded length, and without control characters."""
    quoted = ascii(text) if not text.isprintable() else f"'{text}'"
    return quoted if len(quoted) <= 160 else f"{quoted[:100]}…{quoted[-40:]}"
