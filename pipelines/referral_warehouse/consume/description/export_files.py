"""Writes the description as files of another tool into a new folder. Knows which tools there are, not their formats."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from referral_warehouse.consume.description.describe import describe
from referral_warehouse.consume.description.model import Description
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.workspace.removal import reason


def export_files(tool: str, description: Description | None = None) -> dict[str, str]:
    """Path → text of the files for a tool: ``dbt``, ``cube`` or ``superset``.

    Args: ``description`` is what they describe; without one, it is that of this version.
    """
    from referral_warehouse.consume.description import cube, dbt, superset

    exports = {"dbt": dbt.dbt_files, "cube": cube.cube_files, "superset": superset.superset_files}
    return exports[tool](describe() if description is None else description)


def write_files(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Write files into a folder that does not exist or is empty. Returns: their paths, in order.

    Raises: ConfigurationError where the folder has files, or cannot be written.
    """
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConfigurationError(f"{folder} exists and is not an empty folder.", "Name a new folder with --out.")
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{folder} cannot be written ({reason(error)}).", "Name another folder with --out."
        ) from None
    return sorted(files)
