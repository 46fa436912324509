"""What single settings may be: whole numbers, text and paths, whichever type a file gives them.

Knows no setting by name and reads nothing. A value is never repeated in full where it may be long.
"""

from __future__ import annotations

import re
from typing import Any

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings.sources import shown

# int() itself also takes underscores, other scripts' digits, signs and blanks between them.
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,20}")
MOST_DIGITS = 20
SWITCHES = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
LONGEST_PATH = 4096


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
