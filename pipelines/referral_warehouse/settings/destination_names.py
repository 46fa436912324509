"""Which destinations of dlt get the tables, and what their dataset is called there. Knows no credentials."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings.sources import Found, shown
from referral_warehouse.settings.values import name_pattern, text

DATASET = "referrals"
NAME = name_pattern(48)
"""The form of names of destinations and datasets that dlt does not change."""


@dataclass(frozen=True, slots=True)
class DestinationNames:
    """The kind of a setting that has names of destinations."""

    default: None = None
    limits: str = ""

    def read(self, name: str, found: Found, folder: Path | None) -> tuple[str, ...]:  # noqa: ARG002
        """The names, each once. Raises: ConfigurationError where one cannot be a name."""
        given = found.value if isinstance(found.value, list) else text(name, found.value).split(",")
        names = [one.strip() if isinstance(one, str) else one for one in given]
        return tuple(dict.fromkeys(destination_name(name, one) for one in names if one != ""))


@dataclass(frozen=True, slots=True)
class DatasetName:
    """The kind of a setting that is the name of a dataset."""

    default: str
    limits: str = ""

    def read(self, name: str, found: Found, folder: Path | None) -> str:  # noqa: ARG002
        return destination_name(name, found.value)


def destination_name(name: str, value: Any) -> str:
    """A name that dlt leaves as it is. Raises: ConfigurationError; ``name`` is what has the value."""
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise ConfigurationError(
            f"{name} has {shown(value)}, which is not a valid name: lower-case letters, digits and single underscores, "
            "48 or fewer, a letter first.",
            "Correct the name; docs/delivering.md has examples.",
        )
    return value
