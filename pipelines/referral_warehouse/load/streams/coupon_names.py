"""Reads the file of coupon names to request."""

from __future__ import annotations

from pathlib import Path

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.workspace.text_files import UnreadableFile, read_text_file

MAX_NAMES_BYTES = 16 * 1024 * 1024
"""The maximum size of the file: each name costs a call, so that more names would take days."""


def read_names(path: Path | None) -> tuple[str, ...]:
    """Read a file of names: one a line, UTF-8; no file, no names.

    Blank lines and blanks around a name do not count; every other character does (``#`` may be the first character of a
    name, so there are no comments). A name that occurs twice is requested once.

    Raises:
        ConfigurationError: when the file cannot be read.
    """
    if path is None:
        return ()
    try:
        text = read_text_file(path, MAX_NAMES_BYTES)
    except (OSError, UnreadableFile) as error:
        reason = error.reason if isinstance(error, UnreadableFile) else error.strerror or error
        raise ConfigurationError(
            f"SOURCES__REFERRAL_FACTORY__COUPON_NAMES_FILE {path} cannot be read: {reason}."
        ) from None
    return tuple(dict.fromkeys(name for line in text.split("\n") if (name := line.strip())))
