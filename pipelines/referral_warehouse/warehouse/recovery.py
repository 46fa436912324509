"""Completes or cleans a directory after a killed process, before the next build.

Knows the intermediate states of a publication; never changes the current snapshot itself.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from referral_warehouse.errors import ReferralsError
from referral_warehouse.warehouse.connection import first_line
from referral_warehouse.warehouse.manifest import read_manifest
from referral_warehouse.warehouse.public_names import announce, link_feeds, switch_link
from referral_warehouse.warehouse.published import snapshot_path, why_unreadable
from referral_warehouse.warehouse.published_files import changed_files, has_other_readers
from referral_warehouse.warehouse.publisher import claim
from referral_warehouse.warehouse.snapshot_rewriting import WORK
from referral_warehouse.warehouse.snapshots import grant, retain, snapshot_numbers, write_ahead_log
from referral_warehouse.workspace.current_snapshot import (
    DATABASE,
    FEEDS,
    MANIFEST,
    SNAPSHOTS,
    current_number,
    database_name,
    feeds_name,
    folder_name,
    linked_number,
)
from referral_warehouse.workspace.file_kinds import set_aside_unless_file, set_aside_unless_folder
from referral_warehouse.workspace.lock import RESTORE_STAGE
from referral_warehouse.workspace.removal import remove

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings


@dataclass(frozen=True, slots=True)
class Recovery:
    """The result of a recovery: damage with its repair (``done``), and failures (``problems``).

    Both are sentences. No failure prevents another publication.
    """

    done: list[str]
    problems: list[str]


def recover(settings: Settings) -> Recovery:
    """Complete or clean a directory: incomplete snapshots are removed, missing feeds of a switched link are written.

    A lost link is created again; a damaged published file is reported, and the next publication replaces it.

    Raises: ConfigurationError when another warehouse publishes into the same directory; OSError.
    """
    done: list[str] = []
    published = settings.published_dir
    # of a restore that ended before it began, or at its end: in between it has to be completed first
    stages = [folder / RESTORE_STAGE for folder in (settings.warehouse_dir, published)]
    remains = [*sorted(settings.warehouse_dir.glob("draft-*")), *stages]
    problems = [problem for path in remains if (problem := remove(path))]
    claim(settings)
    if published != settings.warehouse_dir and os.path.lexists(settings.warehouse_dir / DATABASE):
        problems.append(
            f"{settings.warehouse_dir} still has what was published before WAREHOUSE__PUBLISH_DIR was set; "
            f"remove {DATABASE}, {FEEDS}, {MANIFEST} and {SNAPSHOTS} there"
        )
    if not published.is_dir():
        return Recovery([], problems)
    leftovers = [write_ahead_log(settings.warehouse_path)]  # written by a reader that does not resolve the link
    leftovers.append(settings.snapshots_dir / WORK)
    for name in (DATABASE, FEEDS, MANIFEST):
        leftovers += sorted(published.glob(f".{name}.new*"))
    current = current_number(published)
    done += _set_aside_obstacles(settings)
    problems += [problem for path in leftovers if (problem := remove(path))]
    if linked_number(published) is None:
        current = _find_lost_link(settings, done, problems)
    if current is None:
        return Recovery(done, problems)
    # Numbers only grow, so snapshots beyond the current one were never published.
    beyond = [settings.snapshots_dir / folder_name(number) for number in snapshot_numbers(settings) if number > current]
    problems += [problem for path in beyond if (problem := remove(path))]
    try:
        _complete(settings, current, done)
    except (OSError, ReferralsError) as error:
        problems.append(f"the feeds and the manifest are still not those of snapshot {current} ({first_line(error)})")
    return Recovery(done, problems + retain(settings, current))


def restore_links(settings: Settings) -> Recovery:
    """Create lost links to the published snapshot again, for a sync that found nothing new and publishes nothing."""
    done: list[str] = []
    current, manifest = current_number(settings.published_dir), read_manifest(settings.manifest_path)
    if current is None or manifest is None:
        return Recovery([], [])
    try:
        if linked_number(settings.published_dir) is None and switch_link(settings, current):
            done.append(_restored(settings.warehouse_path, current))
        if _feeds_are_elsewhere(settings, manifest):
            note = link_feeds(settings, current)
            done.append(note or _restored(settings.feeds_dir, current))
    except OSError as error:
        problem = f"a link to snapshot {current} is missing and could not be created ({first_line(error)})"
        return Recovery(done, [problem])
    return Recovery(done, [])


def _restored(link: Path, number: int) -> str:
    return f"{link} was missing; it points at snapshot {number} again"


def _complete(settings: Settings, current: int, done: list[str]) -> None:
    """Make the public names those of the current snapshot; say what is damaged. Raises: OSError, ReferralsError."""
    manifest = read_manifest(settings.manifest_path)
    unreadable = why_unreadable(snapshot_path(settings, current))
    if unreadable is not None:
        done.append(f"{database_name(current)} could not be read ({unreadable}); the next publication replaces it")
    elif manifest is None or manifest["snapshot"] != current or _feeds_are_elsewhere(settings, manifest):
        own = read_manifest(settings.snapshots_dir / folder_name(current) / MANIFEST)
        if own is None or own["snapshot"] != current or not (settings.published_dir / feeds_name(current)).is_dir():
            done.append(f"snapshot {current} is not complete; the next publication replaces it")
        else:
            done += announce(settings, current, own)
    elif changed := changed_files(settings, manifest):
        named = ", ".join([*changed[:3], *(["…"] if changed[3:] else [])])
        done.append(f"published files are missing or were changed ({named}); all are written again")
    if has_other_readers(settings, current):
        grant(settings)


def _feeds_are_elsewhere(settings: Settings, manifest: dict[str, Any]) -> bool:
    """Whether ``feeds`` is not the link to the feeds of the published snapshot, where there can be links.

    Versions before 0.3 wrote the feeds into a folder of that name; the next publication replaces it.
    """
    feeds, folder = settings.feeds_dir, feeds_name(manifest["snapshot"])
    is_earlier = not all(table["feed"].startswith(folder) for table in manifest["tables"].values())
    if is_earlier or not settings.warehouse_path.is_symlink():
        return False
    return not feeds.is_symlink() or str(feeds.readlink()) != folder


def _set_aside_obstacles(settings: Settings) -> list[str]:
    """Move files aside that have the name of a folder or file of a publication; these are created again."""
    found = [set_aside_unless_folder(settings.snapshots_dir), set_aside_unless_file(settings.manifest_path)]
    return [note for note in found if note is not None]


def _find_lost_link(settings: Settings, done: list[str], problems: list[str]) -> int | None:
    """Create the lost link to the newest readable snapshot; returns its number, None where there is none.

    A first publication that was killed before its link was created leaves one snapshot and no manifest: it is removed.
    """
    numbers = snapshot_numbers(settings)
    manifest = read_manifest(settings.manifest_path)
    if manifest is None and len(numbers) <= 1:
        folders = [settings.snapshots_dir / folder_name(number) for number in numbers]
        problems += [problem for folder in folders if (problem := remove(folder))]
        return None
    newest = [number for number in reversed(numbers) if manifest is None or number <= manifest["snapshot"]]
    for number in newest:
        if why_unreadable(snapshot_path(settings, number)) is None:
            if switch_link(settings, number):
                done.append(_restored(settings.warehouse_path, number))
            return number
    return None
