"""The group of those who may read what is published."""

from __future__ import annotations

import grp
import os
import re
from dataclasses import dataclass
from pathlib import Path

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings.sources import Found, shown

GROUP_NUMBER = re.compile(r"[0-9]{1,10}")
LARGEST_GROUP = 2**32 - 2
"""The number after it means "unchanged" to the operating system."""


@dataclass(frozen=True, slots=True)
class ReadersGroup:
    """A group of the operating system: ``text`` as it was given, and its number."""

    text: str
    number: int

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class ReadersGroupKind:
    """The kind of a setting that is a group of this machine, by name or number, which this user may give files to."""

    default: None = None
    limits: str = ""

    def read(self, name: str, found: Found, folder: Path | None) -> ReadersGroup:  # noqa: ARG002
        """The group. Raises: ConfigurationError when there is none, or this user may not give files to it."""
        value = found.value
        if isinstance(value, bool) or not isinstance(value, (str, int)) or not str(value).strip():
            raise ConfigurationError(f"{name} must be the name or the number of a group, not {shown(value)}.")
        group = ReadersGroup(str(value), _number(name, str(value)))
        if os.geteuid() != 0 and group.number not in {os.getegid(), *os.getgroups()}:
            raise ConfigurationError(
                f"{name} is {shown(group.text)}, and this user is not a member of that group, so it cannot give files "
                "to it.",
                f"As root, add this user to it (`usermod --append --groups {group.number} USER`), and log in again.",
            )
        return group


def _number(name: str, text: str) -> int:
    try:
        return grp.getgrnam(text).gr_gid
    except (KeyError, ValueError):
        pass
    if not GROUP_NUMBER.fullmatch(text):
        raise ConfigurationError(
            f"{name} is {shown(text)}, and this machine has no group of that name.",
            "Name an existing group (`getent group` lists them), or give the group's number.",
        )
    number = int(text)
    if number > LARGEST_GROUP:
        raise ConfigurationError(f"{name} must be at most {LARGEST_GROUP}, not {shown(text)}.")
    return number
