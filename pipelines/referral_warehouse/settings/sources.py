"""Where settings come from: the environment, then ``.dlt/*.toml`` of the working directory, then those of the home.

Finds a value together with the place that has it; knows no meaning of a value. A process may have no home,
no working directory, or files that belong to somebody else.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.redaction import register_secret
from referral_warehouse.settings.toml_files import TomlFile, read_toml_file
from referral_warehouse.workspace.text_files import UnreadableFile

FILE_NAMES = ("secrets.toml", "config.toml")
TOKENS = ("api_token", "agents_token", "serve_token")
"""Keys whose values are tokens: a file that has one should be readable for its owner alone."""
# Editors, shells and `docker --env-file` put these around values; no value begins or ends with them.
BYTE_ORDER_MARK = "\ufeff"
QUOTES = ("'", '"')
TOKEN_LIKE = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z0-9]*[0-9])(?=[A-Za-z0-9]*[A-Za-z])[A-Za-z0-9]{20,}")
"""Letters and digits without a break, as in tokens and keys; names and paths that people choose have fewer."""


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a value. ``is_own`` is true where only the user writes: the environment and the home directory."""

    name: str
    is_own: bool
    file: TomlFile | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A value as a place has it: cleaned text, or any other type that TOML has.

    ``given`` is the text before it was cleaned; None for any other type.
    """

    value: Any
    place: Place
    given: str | None = None


ENVIRONMENT = Place("the environment", is_own=True)
DEFAULT = Place("the default", is_own=True)


def variable(section: tuple[str, ...], key: str) -> str:
    """The name of a setting's environment variable, which is also its name in messages."""
    return "__".join((*section, key)).upper()


def working_folder() -> Path | None:
    """The working directory; None when it was deleted or cannot be named."""
    try:
        return Path.cwd()
    except OSError:
        return None


def home_folder() -> Path | None:
    """The user's home directory; None without one (no HOME and no account of that number, or HOME is not absolute)."""
    try:
        home = Path.home()
    except (RuntimeError, KeyError):
        return None
    return home if home.is_absolute() else None


def cleaned(text: str) -> str:
    """A value without blanks, line ends and byte order marks at its ends, and without one pair of quotes around it."""
    text = _stripped(text)
    if len(text) >= 2 and text[0] in QUOTES and text[-1] == text[0] and text[0] not in text[1:-1]:
        text = _stripped(text[1:-1])
    return text


def _stripped(text: str) -> str:
    before = None
    while text != before:
        before, text = text, text.strip().strip(BYTE_ORDER_MARK)
    return text


def shown(value: Any) -> str:
    """A value as a message may quote it: on one line and of bounded length. What may be a token is not quoted."""
    if isinstance(value, str) and TOKEN_LIKE.search(value):
        register_secret(value)
        return f"a text of {len(value):,} characters that may be a token"
    if isinstance(value, int) and abs(value) >= 10**20:
        return "a number of more than 20 digits"
    text = repr(value) if isinstance(value, (str, int, float)) else f"a {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:60]}… ({len(text):,} characters)"


class SettingSources:
    """All places of settings, the most important first.

    Attributes: ``warnings`` are sentences on files that were skipped or that others can read; ``skipped_here`` are
    the files of the working directory that may hold settings and could not be read; ``places`` are the files that were
    read.
    Raises: ConfigurationError for a file that can be opened but not understood.
    """

    def __init__(self, environ: Mapping[str, str], folder: Path | None, home: Path | None) -> None:
        self._environ = environ
        self.warnings: list[str] = []
        self.skipped_here: list[Path] = []
        self.places: list[Place] = []
        own = home / ".dlt" if home is not None else None
        for directory in dict.fromkeys(d / ".dlt" for d in (folder, home) if d is not None):
            skipped = self._read_directory(directory, is_own=own is not None and _is_same(directory, own))
            self.skipped_here += skipped if directory != own else []

    @property
    def variables(self) -> dict[str, str]:
        """The variables of the environment that are not empty."""
        return {name: text for name, text in self._environ.items() if cleaned(text)}

    def find(self, section: tuple[str, ...], key: str) -> Found | None:
        """A value and its place; empty values count as absent.

        Raises: ConfigurationError when a variable is not UTF-8 text, or a section of a file is not a table.
        """
        name = variable(section, key)
        given = _decoded(name, self._environ.get(name, ""))
        if cleaned(given):
            return Found(cleaned(given), ENVIRONMENT, given)
        return next(filter(None, (_found_in(place, section, key) for place in self.places)), None)

    def given_in(self, place: Place, names: Iterable[tuple[tuple[str, ...], str]]) -> list[str]:
        """The settings, of those named by section and key, that a file gives, as names of variables."""
        return [variable(section, key) for section, key in names if _found_in(place, section, key)]

    def _read_directory(self, directory: Path, *, is_own: bool) -> list[Path]:
        """Read the files of one ``.dlt``; returns those that may hold settings and could not be read."""
        skipped: list[Path] = []
        for path in (directory / name for name in FILE_NAMES):
            try:
                file = read_toml_file(path)
            except FileNotFoundError:
                continue
            except NotADirectoryError:
                if directory.is_file():
                    self.warnings.append(f"{directory} is a file: settings are read from a directory of this name")
                    break
                continue
            except UnreadableFile as error:
                closed = directory if _is_closed(directory) else path
                if closed not in skipped:
                    skipped.append(closed)
                    self.warnings.append(f"{closed} cannot be read ({error.reason}): settings in it are not used")
                continue
            self.places.append(Place(str(path), is_own, file))
            self._warn_of_readers(path, file.document)
        return skipped

    def _warn_of_readers(self, path: Path, document: dict[str, Any]) -> None:
        if (path.name == FILE_NAMES[0] or _holds_token(document)) and is_open_to_others(path):
            self.warnings.append(f"{path} can be read by others, and a token belongs in it; run: chmod 600 {path}")


def is_open_to_others(path: Path) -> bool:
    """Whether the mode of a file lets anybody but its owner read or change it."""
    try:
        return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
    except OSError:
        return False


def _holds_token(value: Any) -> bool:
    """Whether a table, or one inside of it, gives a token."""
    if not isinstance(value, dict):
        return False
    return any((key in TOKENS and inner != "") or _holds_token(inner) for key, inner in value.items())


def _is_same(directory: Path, other: Path) -> bool:
    try:
        return directory == other or directory.samefile(other)
    except OSError:
        return False


def _is_closed(directory: Path) -> bool:
    return not os.access(directory, os.X_OK)


def _decoded(name: str, value: str) -> str:
    """The text of a variable. Where the locale is not UTF-8, Python has decoded its bytes in another way."""
    try:
        return os.fsencode(value).decode("utf-8")
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise ConfigurationError(
            f"{name} is not UTF-8 text: it contains the byte 0x{byte:02X}, which is not UTF-8."
        ) from None
    except UnicodeEncodeError:
        return value  # given by a program and not by the operating system


def _found_in(place: Place, section: tuple[str, ...], key: str) -> Found | None:
    value: Any = place.file.document if place.file is not None else {}
    for part in (*section, key):
        if not isinstance(value, dict):
            raise ConfigurationError(f"[{'.'.join(section)}] in {place.name} must be a table of settings.")
        value = value.get(part, {} if part != key else None)
    given = value if isinstance(value, str) else None
    value = cleaned(value) if isinstance(value, str) else value
    return None if value is None or value == "" else Found(value, place, given)
