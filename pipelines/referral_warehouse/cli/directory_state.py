"""Checks a warehouse directory before a command writes to it: whose data it has, and what is missing."""

from __future__ import annotations

import os

from referral_warehouse.cli.output import warn
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import Settings
from referral_warehouse.workspace.current_snapshot import DATABASE, FEEDS, MANIFEST, SNAPSHOTS, is_published
from referral_warehouse.workspace.directories import DEMO_MARKER
from referral_warehouse.workspace.file_kinds import read_regular, refuse_other_kinds, write_regular

ORIGINS = ("this machine", "the vendor")


def refuse_mixing(settings: Settings, *, accept_account: bool = False) -> None:
    """Refuse to mix rows of a server on this machine with rows of the vendor's API in one directory.

    No server is called; where ``state/origin`` is lost or another account is accepted, the loader compares campaigns.

    Raises: ConfigurationError when the data of the directory comes from the other of the two.
    """
    refuse_other_kinds(settings.load_path, "the load file")
    here = _side_of(settings)
    before = _origin(settings)
    if not settings.load_path.exists() or accept_account:
        write_regular(settings.state_dir / "origin", here)
    elif before is not None and before != here:
        raise ConfigurationError(
            f"{settings.warehouse_dir} holds data of {before}, and {settings.base_url} is {here}: they would mix.",
            "Set WAREHOUSE__DIR to another directory, or move this one away.",
        )


def remember_origin(settings: Settings) -> None:
    """Record where the data of a directory comes from, if that was lost; a load has just confirmed it."""
    if _origin(settings) is None:
        write_regular(settings.state_dir / "origin", _side_of(settings))


def _side_of(settings: Settings) -> str:
    return ORIGINS[0] if settings.is_loopback else ORIGINS[1]


def _origin(settings: Settings) -> str | None:
    """Where the data of the directory comes from; None where that is not known."""
    text = (read_regular(settings.state_dir / "origin") or b"").decode("utf-8", errors="replace").strip()
    return text if text in ORIGINS else None


def warn_of_lost_load_file(settings: Settings) -> None:
    """Warn, before a load file is created, that it was lost: it is missing or empty, and a snapshot is published."""
    path = settings.load_path
    if (path.exists() and path.stat().st_size > 0) or not is_published(settings.published_dir):
        return
    what = "empty" if path.exists() else "missing"
    warn(
        "directory",
        f"{path} is {what}. Everything is read from the API again, but when rewards fell due "
        "is in no API: that history is lost unless the file is restored from a backup.",
    )


def set_demo_aside(settings: Settings) -> None:
    """Move a directory with the demo's data aside before real data is loaded; nothing of it is lost."""
    marker = settings.warehouse_dir / DEMO_MARKER
    if not marker.exists():
        return
    number = 1
    while (aside := settings.warehouse_dir / f"demo-{number}").exists():
        number += 1
    aside.mkdir(mode=0o700)
    for entry in sorted(settings.warehouse_dir.iterdir()):
        if not entry.name.startswith("demo-") and entry != settings.state_dir:
            entry.rename(aside / entry.name)
    if settings.published_dir != settings.warehouse_dir and settings.published_dir.is_dir():
        _set_published_aside(settings, number)
    dlt_folder = settings.state_dir / "dlt"
    if dlt_folder.exists():
        (aside / "state").mkdir(mode=0o700)
        dlt_folder.rename(aside / "state" / "dlt")


def _set_published_aside(settings: Settings, number: int) -> None:
    """Move what the demo published aside, where that is in a directory of its own."""
    while (aside := settings.published_dir / f"demo-{number}").exists():
        number += 1
    aside.mkdir(mode=0o700)
    for name in (DATABASE, FEEDS, MANIFEST, SNAPSHOTS):
        if os.path.lexists(settings.published_dir / name):
            (settings.published_dir / name).rename(aside / name)
