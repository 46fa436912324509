"""Writes the token into ``.dlt/secrets.toml`` and leaves everything else in that file as it is.

The file is replaced in one step, and is readable for its owner alone from the beginning.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings.table import SOURCE, Section
from referral_warehouse.settings.toml_files import read_toml_file
from referral_warehouse.workspace.disk_space import disk_full_error
from referral_warehouse.workspace.file_kinds import kind_of, write_regular
from referral_warehouse.workspace.text_files import UnreadableFile

KEY = "api_token"
NEW_FILE = """\
# Written by `referrals init`. Whoever can read this file can read the account: keep its mode at 600.
[{section}]
api_token = ""
"""
BY_HAND = f"Put {KEY} into [{'.'.join(SOURCE)}] of that file yourself, or set SOURCES__REFERRAL_FACTORY__API_TOKEN."


class SecretsFile:
    """The file in one ``.dlt`` folder. Whatever would prevent writing it is reported before a token is asked for.

    Raises: ConfigurationError where it cannot be written, or belongs to somebody else.
    """

    def __init__(self, folder: Path, section: Section = SOURCE) -> None:
        self._section = section
        self.path = folder / ".dlt" / "secrets.toml"
        directory = self.path.parent
        if kind_of(directory) not in (None, "a directory"):
            raise ConfigurationError(
                f"{directory} is {kind_of(directory)}, not a directory.", f"Move {directory} away."
            )
        if self.path.is_symlink() or kind_of(self.path) not in (None, "a file"):
            kind = "a link" if self.path.is_symlink() else kind_of(self.path)
            raise ConfigurationError(f"{self.path} is {kind}, not a file.", BY_HAND)
        self._text = self._read()
        existing = directory if directory.is_dir() else folder
        if not os.access(existing, os.W_OK | os.X_OK):
            raise ConfigurationError(
                f"{existing} cannot be written.",
                f"Give this user the right to write {existing}, or change to another folder.",
            )

    def write(self, token: str) -> None:
        """Write the token.

        Raises: ConfigurationError, with the file as it was, where that is impossible.
        """
        text = self._with(token)
        try:
            self.path.parent.mkdir(mode=0o700, exist_ok=True)
            write_regular(self.path, text)
        except OSError as error:
            raise disk_full_error(error, f"{self.path} was not written") or ConfigurationError(
                f"{self.path} cannot be written: {error.strerror or error}.", BY_HAND
            ) from None

    def _read(self) -> str | None:
        try:
            file = read_toml_file(self.path)
        except FileNotFoundError:
            return None
        except UnreadableFile as error:
            raise ConfigurationError(f"{self.path} cannot be read: {error.reason}.", BY_HAND) from None
        if file.owner != os.geteuid():
            raise ConfigurationError(f"{self.path} belongs to another user.", BY_HAND)
        return file.text

    def _with(self, token: str) -> str:
        """The text with the token in its place; comments and all other values stay."""
        import tomlkit
        from tomlkit.exceptions import TOMLKitError

        new = NEW_FILE.format(section=".".join(self._section))
        before = new if self._text is None else self._text
        try:
            document = tomlkit.parse(before)
            table: Any = document
            for part in self._section:
                if part not in table:
                    table[part] = tomlkit.table(is_super_table=part != self._section[-1])
                table = table[part]
            table[KEY] = token
            after = tomlkit.dumps(document)
            is_right = tomllib.loads(after) == _expected(before, token, self._section)
        except (TOMLKitError, ValueError, TypeError, AttributeError):
            is_right = False
        if not is_right:
            raise ConfigurationError(f"{self.path} could not be changed without changing other parts of it.", BY_HAND)
        return after


def _expected(text: str, token: str, section: Section) -> dict[str, Any]:
    document = tomllib.loads(text)
    table = document
    for part in section:
        table = table.setdefault(part, {})
    table[KEY] = token
    return document
