"""Packages that only some commands need: what to install where one is missing."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from referral_warehouse.errors import ConfigurationError


def install_step(extra: str) -> str:
    """The next step of a message: the command that installs an extra."""
    return f"Run: pip install 'referral-warehouse[{extra}]'"


@contextmanager
def packages_of(extra: str, packages: Collection[str], needed_by: str) -> Iterator[None]:
    """Explain a failed import of a package of an extra inside a ``with`` block.

    Args:
        extra: the extra of this project that brings the packages.
        packages: their import names; the error of any other missing module is not changed.
        needed_by: what needs them, as the beginning of a sentence.

    Raises: ConfigurationError that says what to install when one of the packages is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in packages:
            raise
        raise ConfigurationError(
            f"{needed_by} needs the package {missing.replace('_', '-')}, which is not installed.", install_step(extra)
        ) from None
