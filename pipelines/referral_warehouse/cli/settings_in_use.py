"""Says which directory and which settings files a command uses, so that another working directory is noticed.

A relative directory begins at the working directory: the same command elsewhere would start a second warehouse.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from referral_warehouse.cli.output import warn, write_line
from referral_warehouse.cli.run_logging import LogHandler, open_log
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.events import log_event
from referral_warehouse.settings import Settings
from referral_warehouse.workspace.lock import warehouse_lock


def in_use_facts(settings: Settings) -> dict[str, Any]:
    """The directory and the files, for programs."""
    return {
        "directory": str(settings.warehouse_dir),
        "is_directory_new": is_directory_new(settings),
        "settings_files": [str(path) for path in settings.files],
    }


def print_in_use(settings: Settings) -> None:
    """The directory and the files, for people, on standard output."""
    new = " (no warehouse is there yet; the first sync creates it)" if is_directory_new(settings) else ""
    write_line(f"Directory: {settings.warehouse_dir}{new}")
    write_line(f"Settings:  {_places(settings)}")


def is_directory_new(settings: Settings) -> bool:
    """Whether nothing of a warehouse is in the directory, or there is no such directory."""
    return not any(path.exists() for path in (settings.load_path, settings.state_dir, settings.snapshots_dir))


@contextmanager
def locked_directory(settings: Settings, *, creates: bool = False, as_json: bool = False) -> Iterator[LogHandler]:
    """Lock the directory and open the log, whose first line has the directory and the files.

    Args:
        settings: of the command.
        creates: whether the command may begin a new warehouse; a person is told when it does.
        as_json: whether standard output is for programs.

    Raises: AnotherSyncRunning; ConfigurationError where there is no warehouse and the command needs one.
    """
    is_new = is_directory_new(settings)
    if is_new and not creates:
        raise ConfigurationError(
            f"There is no warehouse in {settings.warehouse_dir}.",
            "Run `referrals sync` first, or set WAREHOUSE__DIR to the directory of an existing warehouse.",
        )
    with warehouse_lock(settings.warehouse_dir), open_log() as log:
        facts = in_use_facts(settings) | {"is_directory_new": is_new}
        text = f"warehouse directory {settings.warehouse_dir}; settings: {_places(settings)}"
        log_event("settings", "settings", text, **facts)
        if is_new:
            _announce(settings, as_json=as_json)
        yield log


def _announce(settings: Settings, *, as_json: bool) -> None:
    text = f"Created a new warehouse directory: {settings.warehouse_dir}"
    if settings.is_directory_relative:
        warn(
            "directory",
            f"{text}. WAREHOUSE__DIR is not an absolute path, so that the same command in another working directory "
            "uses another one.",
        )
    elif not as_json:
        write_line(text)


def _places(settings: Settings) -> str:
    return ", ".join(["the environment", *map(str, settings.files)])
