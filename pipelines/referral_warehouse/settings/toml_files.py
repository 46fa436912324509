"""Reads one TOML file; what is wrong with it is reported with its line and column, and never quoted.

Knows no setting.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.workspace.text_files import UnreadableFile, open_text_file, position

MAX_TOML_BYTES = 1024 * 1024
NEXT_STEP = "Correct or remove the file; every setting can also be given in the environment."
_POSITION = re.compile(r"\(at line (\d+), column (\d+)\)$")
_LONG_NUMBER = re.compile(r"\d{4300}")  # what Python converts at most
_NESTED = re.compile(r"(?:[\[{] ?(?:[\w-]+ ?= ?)?){50}")


@dataclass(frozen=True, slots=True)
class TomlFile:
    """A file that was read. ``owner`` is the number of the user that it belongs to."""

    path: Path
    document: dict[str, Any]
    text: str
    owner: int

    def position_of(self, keys: tuple[str, ...]) -> str:
        """Where a value or a table is given, as ``line 2, column 8``; a value of several lines: where it ends."""
        lines = self.text.splitlines(keepends=True)
        for count in range(1, len(lines) + 1):
            try:
                found: Any = tomllib.loads("".join(lines[:count]))
            except (ValueError, RecursionError):
                continue
            for key in keys:
                found = found.get(key) if isinstance(found, dict) else None
            if found is not None:
                return f"line {count}, column {max(0, lines[count - 1].find(keys[-1])) + 1}"
        return "line 1, column 1"


def read_toml_file(path: Path) -> TomlFile:
    """Read a file.

    Raises: FileNotFoundError and NotADirectoryError where there is none; UnreadableFile where its permissions forbid
    it; ConfigurationError for a file that can be opened but not understood.
    """
    try:
        file = open_text_file(path, MAX_TOML_BYTES)
    except UnreadableFile as error:
        if error.is_forbidden:
            raise
        raise ConfigurationError(f"{path} cannot be read: {error.reason}.", NEXT_STEP) from None
    return TomlFile(path, parsed_toml(path, file.text), file.text, file.owner)


def parsed_toml(path: Path, text: str) -> dict[str, Any]:
    """The document. Raises: ConfigurationError with the position of what is no TOML."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # The position alone: the rest of the message may quote a token.
        where = _position(text, error)
    raise ConfigurationError(f"{path} cannot be read: it is not valid TOML ({where}).", NEXT_STEP)


def _position(text: str, error: Exception) -> str:
    found = _POSITION.search(str(error))
    if found:
        return f"line {found[1]}, column {found[2]}"
    if str(error).endswith("(at end of document)"):
        return f"{position(text, len(text))}, the end of the file"
    number = _LONG_NUMBER.search(text)
    if number:
        return f"{position(text, number.start())}, a number of too many digits"
    nested = _NESTED.search(text)
    return f"{position(text, nested.start() if nested else 0)}, nested too deeply"
