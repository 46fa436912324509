"""What a warehouse directory holds, looked at before a command writes in it: whose data, and what is missing."""

from __future__ import annotations

from pipelines.cli.output import warn
from pipelines.errors import ConfigurationError
from pipelines.settings import Settings

DEMO_MARKER = "sandbox.sqlite3"


def refuse_mixing(settings: Settings) -> None:
    """A directory holds one account: rows of a server on this machine and of the vendor's are never put together.

    Raises: ConfigurationError when the directory was filled from the other of the two.
    """
    origin = settings.state_dir / "origin"
    here = "this machine" if settings.is_loopback else "the vendor"
    if not settings.load_path.exists():
        origin.write_text(here, encoding="utf-8")
    elif origin.exists() and (before := origin.read_text(encoding="utf-8")) != here:
        raise ConfigurationError(
            f"{settings.warehouse_dir} holds data of {before}, and {settings.base_url} is {here}: they would mix.",
            "Set WAREHOUSE__DIR to another directory, or move this one away.",
        )


def say_what_is_lost(settings: Settings) -> None:
    """A load file that is missing beside a published warehouse was lost: that is said before it is made anew."""
    if settings.load_path.exists() or not settings.warehouse_path.is_symlink():
        return
    warn(
        "directory",
        f"{settings.load_path} is missing. Everything is read from the API again, but when rewards fell due "
        "is in no API: that history is lost unless the file is restored from a backup.",
    )


def set_demo_aside(settings: Settings) -> None:
    """A directory that holds the demo's data is moved aside before real data goes in; nothing of it is lost."""
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
    dlt_folder = settings.state_dir / "dlt"
    if dlt_folder.exists():
        (aside / "state").mkdir(mode=0o700)
        dlt_folder.rename(aside / "state" / "dlt")
