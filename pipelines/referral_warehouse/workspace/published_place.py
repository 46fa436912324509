"""The directory that is published into, where it is not the warehouse directory: refused before anything is loaded.

Knows no snapshot.
"""

from __future__ import annotations

import os
from pathlib import Path

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.workspace.current_snapshot import refuse_no_directory
from referral_warehouse.workspace.disk_space import disk_full_error


def refuse_unusable_place(publish_dir: Path | None) -> None:
    """Raises: ConfigurationError where the directory is none, or this user cannot write it; nothing is created."""
    if publish_dir is None:
        return
    refuse_no_directory(publish_dir)
    existing = next((path for path in (publish_dir, *publish_dir.parents) if path.is_dir()), publish_dir)
    if not os.access(existing, os.W_OK | os.X_OK):
        raise _unusable(publish_dir, f"this user has no right to write {existing}")


def provide_place(publish_dir: Path | None) -> None:
    """Create the directory. Raises: ConfigurationError where that is impossible."""
    if publish_dir is None:
        return
    try:
        publish_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise disk_full_error(error, f"{publish_dir} was not created") or _unusable(
            publish_dir, error.strerror or str(error)
        ) from None


def _unusable(publish_dir: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"WAREHOUSE__PUBLISH_DIR {publish_dir} cannot be written: {why}.",
        f"Give this user the right to write {publish_dir}, or set WAREHOUSE__PUBLISH_DIR to another directory.",
    )
