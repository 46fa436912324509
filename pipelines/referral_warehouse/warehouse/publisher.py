"""Refuses to publish where another warehouse publishes: the two would replace and remove each other's snapshots.

The published directory and the state of its warehouse hold the same random name.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.workspace.access import Access
from referral_warehouse.workspace.file_kinds import read_regular, write_regular

if TYPE_CHECKING:
    from pathlib import Path

    from referral_warehouse.settings import Settings

MARK = ".publisher"


def claim(settings: Settings) -> None:
    """Make the directory of WAREHOUSE__PUBLISH_DIR this warehouse's own; without the setting there is nothing to do.

    Raises: ConfigurationError when another warehouse publishes there; OSError.
    """
    if settings.published_dir == settings.warehouse_dir:
        return
    refuse_other_publisher(settings)
    if _read(settings.published_dir / MARK) is None:
        take_over(settings)


def refuse_other_publisher(settings: Settings, name: str | None = None) -> None:
    """Refuse to publish where another warehouse does; ``name`` is a further name of this one, from a backup.

    Raises: ConfigurationError.
    """
    folder = settings.published_dir
    found = None if folder == settings.warehouse_dir else _read(folder / MARK)
    if found is not None and found not in (_read(settings.state_dir / MARK), name):
        raise ConfigurationError(
            f"Another warehouse publishes into {folder}; {settings.warehouse_dir} would replace its snapshots.",
            f"Set WAREHOUSE__PUBLISH_DIR to another directory; if that warehouse is no longer used, remove "
            f"{folder / MARK}.",
        )


def take_over(settings: Settings) -> None:
    """Write the name of this warehouse into the directory of WAREHOUSE__PUBLISH_DIR, if it is set. Raises: OSError."""
    if settings.published_dir != settings.warehouse_dir:
        settings.published_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(settings.published_dir / MARK, own_name(settings))


def own_name(settings: Settings) -> str:
    """The random name by which this warehouse recognises what it wrote elsewhere; it is made at the first call.

    Raises: OSError.
    """
    path = settings.state_dir / MARK
    name = _read(path)
    if name is None:
        settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = uuid.uuid4().hex
        _write(path, name)
    return name


def known_name(settings: Settings) -> str | None:
    """The random name of this warehouse; None where it has none yet."""
    return _read(settings.state_dir / MARK)


def _write(path: Path, name: str) -> None:
    write_regular(path, name + "\n")
    Access().file(path)


def _read(path: Path) -> str | None:
    return (read_regular(path) or b"").decode("utf-8", errors="replace").strip() or None
