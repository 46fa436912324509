"""Reports which directory and settings files a command uses, so that a wrong working directory is noticed.

A relative directory begins at the working directory: the same command elsewhere would start a second warehouse.
"""

from __future__ import annotations

import os
from typing import Any

import click

from referral_warehouse.cli.output import warn, write_line
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.events import log_event
from referral_warehouse.settings import Settings


def in_use_facts(settings: Settings) -> dict[str, Any]:
    """The directory and the files, for programs."""
    return {
        "directory": str(settings.warehouse_dir),
        "published_directory": str(settings.published_dir),
        "is_directory_new": is_directory_new(settings),
        "settings_files": [str(path) for path in settings.files],
        "left_out_streams": _left_out(settings),
    }


def print_in_use(settings: Settings) -> None:
    """The directory, the files, and whether the directory is new, for people, on standard output.

    Each is one line, however wide, so that a path can be copied.
    """
    write_line(f"Directory: {settings.warehouse_dir}")
    if settings.published_dir != settings.warehouse_dir:
        write_line(f"Published in: {settings.published_dir}")
    write_line(f"Settings: {_places(settings)}")
    if names := _left_out(settings):
        write_line(f"Left out by SOURCES__REFERRAL_FACTORY__STREAMS: {', '.join(names)}")
    if is_directory_new(settings):
        write_line("There is no warehouse in this directory yet: the first sync creates it.")


def is_directory_new(settings: Settings) -> bool:
    """Whether nothing of a warehouse is in the directory, or there is no such directory."""
    paths = (settings.load_path, settings.state_dir, settings.snapshots_dir)
    return not any(os.path.exists(path) for path in paths)  # noqa: PTH110 - Path.exists raises in a closed folder


def refuse_missing_warehouse(settings: Settings) -> None:
    """Raises: ConfigurationError where there is no warehouse, for a command that needs one and must not create it."""
    if is_directory_new(settings):
        raise ConfigurationError(
            f"There is no warehouse in {settings.warehouse_dir}.",
            "Run `referrals sync` first, or set WAREHOUSE__DIR to the directory of an existing warehouse.",
        )


def log_in_use(settings: Settings) -> None:
    """Log the directory and the settings files of a run."""
    text = f"directory {settings.warehouse_dir}; settings: {_places(settings)}"
    log_event("warehouse", "directory", text, **in_use_facts(settings))


def announce_new_directory(settings: Settings) -> None:
    """Report that a new warehouse is created; on standard error where that may be a mistake."""
    text = f"Created a new warehouse directory: {settings.warehouse_dir}"
    if settings.is_directory_relative:
        warn(
            "directory",
            f"{text}. WAREHOUSE__DIR is not an absolute path, so that the same command in another working directory "
            "uses another one.",
        )
    elif not click.get_current_context().params.get("as_json"):
        write_line(text)


def _left_out(settings: Settings) -> list[str]:
    """The streams that the settings leave out."""
    if not settings.streams:
        return []
    from referral_warehouse.load.registry import left_out

    return left_out(settings.streams)


def _places(settings: Settings) -> str:
    return ", ".join(["the environment", *map(str, settings.files)])
