"""Refuses a warehouse directory of another user before anything in it is read or written.

Two users who write one directory lock each other out: files are readable for their owner alone. Knows names and
owners of files, and no content.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.workspace.directories import STATE

ROOT = 0
OWN_NAMES = (STATE, f"{STATE}/lock", f"{STATE}/outcomes.jsonl", f"{STATE}/dlt", "load.duckdb", "snapshots", "draft")
"""What a writer of the directory has to own; the published side may be shared."""


def refuse_files_of_others(warehouse_dir: Path) -> None:
    """Refuse a directory of another user, or one in which another user, or root with sudo, has written.

    A directory that root provides is usable, as volumes of containers are. A file whose owner cannot be read is in a
    directory that is refused itself.

    Raises: ConfigurationError that names the path, its owner and this user.
    """
    own = os.geteuid()
    for path in (warehouse_dir, *(warehouse_dir / name for name in OWN_NAMES)):
        try:
            owner = path.lstat().st_uid
        except OSError:  # missing, or in a folder of another user, which was checked before
            continue
        if owner != own and not (owner == ROOT and path == warehouse_dir):
            raise ConfigurationError(
                f"{path} belongs to {user_name(owner)}, and this command runs as {user_name(own)}.",
                f"Run it as the owner, make all of {warehouse_dir} this user's own (`chown -R`), or set WAREHOUSE__DIR "
                "to another directory.",
            )


def refuse_closed_directory(warehouse_dir: Path) -> None:
    """Refuse a directory whose records this user may not read, for a command that reports its state: it would seem
    empty.

    Raises: ConfigurationError.
    """
    for path in (warehouse_dir, warehouse_dir / STATE, warehouse_dir / STATE / "outcomes.jsonl"):
        try:
            path.lstat()
        except PermissionError:
            raise ConfigurationError(
                f"{path.parent} cannot be entered by {user_name(os.geteuid())}.",
                "Run it as the owner of the directory, or set WAREHOUSE__DIR to the right one.",
            ) from None
        except OSError:
            return


def user_name(number: int) -> str:
    """A user in words; containers have numbers without a name."""
    try:
        return f"the user {pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"the user with number {number}"
