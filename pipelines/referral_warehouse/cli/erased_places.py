"""The places of an erasure: removes leftovers, and describes the other places for the certificate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from referral_warehouse.cli.table_delivery import known_destinations
from referral_warehouse.settings import Settings
from referral_warehouse.workspace.removal import remove

DELIVERING = "destinations"
"""The folder of the state with rows that are being delivered to a destination; a killed delivery leaves it."""
ASIDE = ".aside-"
"""In the names of files that a command set aside because they could not be used."""


def remove_leftovers(settings: Settings) -> tuple[list[str], list[str]]:
    """Remove what may hold rows and cannot be rewritten: drafts, and files that were set aside as unusable."""
    found = [*settings.warehouse_dir.glob("draft*"), settings.state_dir / DELIVERING, *_set_aside(settings)]
    found = [path for path in found if path.exists()]
    problems = [problem for path in found if (problem := remove(path)) is not None]
    return [str(path.relative_to(settings.warehouse_dir)) for path in found if not path.exists()], problems


def _set_aside(settings: Settings) -> Iterator[Path]:
    names = (settings.load_path.name, f"{settings.load_path.name}.wal")
    for folder, wanted in ((settings.warehouse_dir, names), (settings.state_dir, ("dlt",))):
        if folder.is_dir():
            yield from (p for p in sorted(folder.iterdir()) if p.name.partition(ASIDE)[0] in wanted and ASIDE in p.name)


def searched_places(settings: Settings) -> list[str]:
    """The paths that an erasure searches."""
    found = [settings.load_path, settings.state_dir / "dlt", settings.snapshots_dir, settings.state_dir]
    found += [settings.together.snapshots_dir] if settings.together is not None else []
    return [str(path) for path in found]


def delivered_copies(settings: Settings) -> str:
    """When delivered feeds and tables lose the person, in words; ``none`` where nothing is delivered."""
    settings = settings.together or settings
    found = []
    if settings.deliver_to is not None:
        found.append(f"sets at {settings.deliver_to} are removed once the next sync has delivered another one")
    if names := known_destinations(settings):
        found.append(f"rows at {', '.join(names)} are replaced by the next sync or `referrals deliver`")
    return "; ".join(found) or "none"


def lake_versions(settings: Settings) -> str:
    """When the lake loses the person, in words; ``none`` without a lake."""
    settings = settings.together or settings
    if not settings.has_lake:
        return "none"
    return (
        f"versions of the lake of {settings.lake_catalog} that have the person are expired next, by a sync where that "
        f"fails; their files are removed by a sync {settings.snapshot_grace_minutes} minutes later"
    )
