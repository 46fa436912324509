"""Reads a text file that a setting or a person names: a regular file, of bounded size, in UTF-8.

Nothing else is opened: reading a pipe would wait for a writer for ever, a device has no end, and reading some devices
has an effect. Knows no setting.
"""

from __future__ import annotations

import codecs
import os
import stat
from dataclasses import dataclass
from pathlib import Path

KINDS = {
    stat.S_IFDIR: "it is a directory",
    stat.S_IFIFO: "it is a pipe",
    stat.S_IFCHR: "it is a device",
    stat.S_IFBLK: "it is a device",
    stat.S_IFSOCK: "it is a socket",
}


class UnreadableFile(Exception):
    """A file that is there but cannot be used. ``reason`` is a clause for a sentence.

    Attributes: ``is_forbidden`` is true when the permissions of the file or of a directory above it are the reason.
    """

    def __init__(self, reason: str, *, is_forbidden: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_forbidden = is_forbidden


@dataclass(frozen=True, slots=True)
class TextFile:
    """The text of a file without a byte order mark, and the number of the user that the file belongs to."""

    text: str
    owner: int


def read_text_file(path: Path, max_bytes: int) -> str:
    """The text of a file, without a byte order mark.

    Raises: as ``open_text_file``.
    """
    return open_text_file(path, max_bytes).text


def open_text_file(path: Path, max_bytes: int) -> TextFile:
    """The text of a file, and its owner at the time of reading.

    Args: ``max_bytes`` is the largest size that is accepted.
    Raises: FileNotFoundError and NotADirectoryError when there is no such file; UnreadableFile for all else.
    """
    try:
        # Checked before it is opened: opening a device may already have an effect.
        _refuse_irregular(os.stat(path).st_mode)  # noqa: PTH116 - Path.stat is this call
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            opened = os.fstat(descriptor)
            _refuse_irregular(opened.st_mode)
            content = stream.read(max_bytes + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UnreadableFile(reason, is_forbidden=isinstance(error, PermissionError)) from None
    except ValueError:
        raise UnreadableFile("its name contains a character that no file name can have") from None
    if len(content) > max_bytes:
        raise UnreadableFile(f"it is larger than {max_bytes:,} bytes")
    return TextFile(_decoded(content), opened.st_uid)


def position(text: str, at: int) -> str:
    """The position of a character of a text, as ``line 2, column 8``; both are counted from 1."""
    before = text[:at]
    return f"line {before.count(chr(10)) + 1}, column {at - before.rfind(chr(10))}"


def _decoded(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UnreadableFile("it is UTF-16 text, not UTF-8; save it as UTF-8")
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", "replace")
        raise UnreadableFile(f"it is not UTF-8 text ({position(before, len(before))})") from None
    if "\0" in text:
        raise UnreadableFile(f"it contains NUL bytes, which no text has ({position(text, text.index(chr(0)))})")
    return text


def _refuse_irregular(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise UnreadableFile(KINDS.get(stat.S_IFMT(mode), "it is not a regular file"))
