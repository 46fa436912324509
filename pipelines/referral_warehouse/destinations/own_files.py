"""Refuses a destination that is a file of the warehouse itself, before anything is opened there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings.sources import variable
from referral_warehouse.workspace.current_snapshot import public_database

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings
    from referral_warehouse.settings.destinations import DestinationValues

OF_FILES = frozenset({"duckdb"})
"""The types of destinations that are a file."""


def refuse_own_files(settings: Settings, values: DestinationValues, pipeline: Any) -> None:
    """Raises: ConfigurationError where the file of a destination is one of the warehouse, or would be in its directory.

    Args: ``pipeline`` is that of the destination; its client opens nothing before it is used.
    """
    if values.kind not in OF_FILES:
        return
    path = Path(pipeline.destination_client().config.credentials.database)
    own = next((folder for folder in (settings.warehouse_dir, settings.published_dir) if _is_in(path, folder)), None)
    if own is None and not any(_is_same(path, file) for file in _own_files(settings)):
        return
    raise ConfigurationError(
        f"{values.name} is {path}, which is a file of this warehouse, or in its directory: a delivery would write into "
        "it.",
        f"Set {variable(('destination', values.name), 'credentials')} to a file elsewhere.",
    )


def _own_files(settings: Settings) -> list[Path]:
    catalog = None if settings.lake_catalog is None else settings.lake_catalog.path
    return [settings.load_path, public_database(settings.published_dir), *([] if catalog is None else [catalog])]


def _is_in(path: Path, folder: Path) -> bool:
    """Whether a path leads into a folder, also by links."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _is_same(path: Path, other: Path) -> bool:
    """Whether two names are of one file, also where neither is a link to the other."""
    try:
        return path.samefile(other)
    except OSError:
        return False
