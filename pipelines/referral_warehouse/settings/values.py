"""Kinds of settings: what a value may be, whichever type a file gives it, and how it is shown.

Knows no setting by name and reads nothing. A value is never repeated in full where it may be long.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings.base_url import checked_base_url
from referral_warehouse.settings.sources import Found, shown
from referral_warehouse.settings.token import Token
from referral_warehouse.workspace.directories import absolute_path, warehouse_directory

# int() itself also takes underscores, other scripts' digits, signs and blanks between them.
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,20}")
SWITCHES = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
LONGEST_PATH = 4096


def name_pattern(longest: int) -> re.Pattern[str]:
    """Names of at most so many lower-case letters, digits and single underscores: a letter first, no underscore last.

    They can be folders, parts of environment variables, and names that dlt leaves as they are.
    """
    return re.compile(rf"(?=.{{1,{longest}}}\Z)[a-z](?:_?[a-z0-9])*")


class Kind(Protocol):
    """What the values of a setting are."""

    @property
    def default(self) -> Any:
        """The value where none is given, as it would be given; None for none."""

    @property
    def limits(self) -> str:
        """The values that are accepted, as ``1 to 64``; empty where that needs more words."""

    def read(self, name: str, found: Found, folder: Path | None) -> Any:
        """The value that a text or a value of TOML represents; relative paths begin at ``folder``.

        Raises: ConfigurationError that begins with ``name`` when it represents none.
        """


@dataclass(frozen=True, slots=True)
class WholeNumber:
    """A number from ``low`` to ``high``."""

    default: int
    low: int
    high: int

    @property
    def limits(self) -> str:
        return f"{self.low} to {self.high}"

    def read(self, name: str, found: Found, folder: Path | None) -> int:  # noqa: ARG002
        return whole_number(name, found.value, self.low, self.high)


@dataclass(frozen=True, slots=True)
class Switch:
    """Yes or no."""

    default: bool = False
    limits: str = ""

    def read(self, name: str, found: Found, folder: Path | None) -> bool:  # noqa: ARG002
        return switch(name, found.value)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    default: str
    choices: tuple[str, ...]

    @property
    def limits(self) -> str:
        return ", ".join(self.choices)

    def read(self, name: str, found: Found, folder: Path | None) -> str:  # noqa: ARG002
        value = text(name, found.value)
        if value not in self.choices:
            raise ConfigurationError(f"{name} must be one of {self.limits}, not {shown(value)}.")
        return value


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that is shown nowhere."""

    default: None = None
    limits: str = ""

    def read(self, name: str, found: Found, folder: Path | None) -> Token:  # noqa: ARG002
        return Token(text(name, found.value))


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """The address of an API that may receive the token."""

    default: str
    limits: str = ""

    def read(self, name: str, found: Found, folder: Path | None) -> str:  # noqa: ARG002
        return checked_base_url(text(name, found.value))


@dataclass(frozen=True, slots=True)
class FilePath:
    """The path of a file that is read. ``holds`` is the key whose value the file contains instead of the setting."""

    holds: str = ""
    default: None = None
    limits: str = ""

    def read(self, name: str, found: Found, folder: Path | None) -> Path:
        return absolute_path(name, path_text(name, found.value), folder)


@dataclass(frozen=True, slots=True)
class Directory:
    """The path of a directory that DuckDB and dlt can use."""

    default: str | None = None
    limits: str = ""

    def read(self, name: str, found: Found, folder: Path | None) -> Path:
        return warehouse_directory(name, path_text(name, found.value), folder, found.given)


@dataclass(frozen=True, slots=True)
class Table:
    """A table of TOML, or JSON, which ``entries`` reads and checks, given the setting's name and the value."""

    entries: Callable[[str, Any], tuple[tuple[str, Any], ...]]
    default: None = None
    limits: str = ""

    def read(self, name: str, found: Found, folder: Path | None) -> tuple[tuple[str, Any], ...]:  # noqa: ARG002
        return self.entries(name, found.value)


@dataclass(frozen=True, slots=True)
class Names:
    """Words separated by commas, or a list of TOML; each once, sorted."""

    default: None = None
    limits: str = ""

    def read(self, name: str, found: Found, folder: Path | None) -> tuple[str, ...]:  # noqa: ARG002
        value = found.value
        words = value if isinstance(value, list) else text(name, value).split(",")
        return tuple(sorted({text(name, word).strip() for word in words} - {""}))


@dataclass(frozen=True, slots=True)
class NotifyValue:
    """A value of the section ``notify``, which ``settings.notify`` reads and checks where notifications are sent."""

    default: str | None = None
    limits: str = ""
    is_secret: bool = False

    def read(self, name: str, found: Found, folder: Path | None) -> Any:  # noqa: ARG002
        return found.value


def whole_number(name: str, value: Any, low: int, high: int) -> int:
    """A number of plain digits, as text or as TOML's integer, between ``low`` and ``high``.

    Raises: ConfigurationError for anything else, also for true, 5.0, 0x10, 1_000 and digits of other scripts.
    """
    if isinstance(value, str) and WHOLE_NUMBER.fullmatch(value):
        value = int(value)
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]+", value):
        raise ConfigurationError(f"{name} must be between {low} and {high}, not a number of {len(value):,} digits.")
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigurationError(f"{name} must be a whole number in plain digits, not {shown(value)}.")
    if not low <= value <= high:
        raise ConfigurationError(f"{name} must be between {low} and {high}, not {shown(value)}.")
    return value


def switch(name: str, value: Any) -> bool:
    """A yes or no, as TOML's boolean or as one of the usual words.

    Raises: ConfigurationError for anything else.
    """
    found = value if isinstance(value, bool) else SWITCHES.get(value.lower()) if isinstance(value, str) else None
    if found is None:
        raise ConfigurationError(f"{name} must be true or false, not {shown(value)}.")
    return found


def text(name: str, value: Any) -> str:
    """A value that is text.

    Raises: ConfigurationError for a number, a list or any other type; the message does not show the value.
    """
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} must be text in quotes, not a {type(value).__name__}.")
    return value


def path_text(name: str, value: Any) -> str:
    """The text of a path.

    Raises: ConfigurationError when it is longer than a path can be.
    """
    found = text(name, value)
    if len(found) > LONGEST_PATH:
        raise ConfigurationError(f"{name} is a path of {len(found):,} characters; {LONGEST_PATH:,} are the most.")
    return found
