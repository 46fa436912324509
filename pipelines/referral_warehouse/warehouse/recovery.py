"""Completes or cleans a directory after a killed process, before the next build.

Knows the intermediate states of a publication; never changes the current snapshot itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from referral_warehouse.errors import ReferralsError
from referral_warehouse.warehouse.connection import first_line, staged_feeds
from referral_warehouse.warehouse.exports import replace_feeds, write_feeds
from referral_warehouse.warehouse.manifest import manifest_of, read_manifest, write_manifest
from referral_warehouse.warehouse.published import attach_published, snapshot_path, why_unreadable
from referral_warehouse.warehouse.published_files import changed_files, remember_published
from referral_warehouse.warehouse.snapshots import (
    current_number,
    folder_name,
    link_target,
    retain,
    snapshot_numbers,
    switch_link,
    write_ahead_log,
)
from referral_warehouse.workspace.file_kinds import set_aside_unless_file, set_aside_unless_folder
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
    """
    import duckdb

    done: list[str] = []
    if not settings.warehouse_dir.is_dir():
        return Recovery([], [])
    leftovers = [write_ahead_log(settings.warehouse_path)]  # written by a reader that does not resolve the link
    for pattern in (".warehouse.duckdb.new*", ".manifest.json.new*", "draft-*"):
        leftovers += sorted(settings.warehouse_dir.glob(pattern))
    current = current_number(settings)
    done += _free_places(settings)
    problems = [problem for path in leftovers if (problem := remove(path))]
    if current is None:
        current = _find_lost_link(settings, done, problems)
    if current is None:
        return Recovery(done, problems)
    # Numbers only grow, so snapshots beyond the current one were never published.
    beyond = [settings.snapshots_dir / folder_name(number) for number in snapshot_numbers(settings) if number > current]
    problems += [problem for path in beyond if (problem := remove(path))]
    published = read_manifest(settings.manifest_path)
    unreadable = why_unreadable(snapshot_path(settings, current))
    if unreadable is not None:
        done.append(f"{link_target(current)} could not be read ({unreadable}); the next publication replaces it")
    elif published is None or published["snapshot"] != current:
        try:
            problems += _republish(settings, current)
        except (OSError, duckdb.Error, ReferralsError) as error:
            problems.append(
                f"the feeds and the manifest are still not those of snapshot {current} ({first_line(error)})"
            )
    elif changed := changed_files(settings, published):
        named = ", ".join([*changed[:3], *(["…"] if changed[3:] else [])])
        done.append(f"published files are missing or were changed ({named}); all are written again")
    return Recovery(done, problems + retain(settings, current))


def _free_places(settings: Settings) -> list[str]:
    """Move files aside that have the name of a folder or file of a publication; these are created again."""
    found = [set_aside_unless_folder(folder) for folder in (settings.snapshots_dir, settings.feeds_dir)]
    found.append(set_aside_unless_file(settings.manifest_path))
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
            switch_link(settings, number)
            done.append(f"{settings.warehouse_path} was missing; it points at snapshot {number} again")
            return number
    return None


def _republish(settings: Settings, number: int) -> list[str]:
    """Write feeds and manifest of the current snapshot again, from the snapshot itself."""
    import duckdb

    folder = settings.snapshots_dir / folder_name(number)
    own = read_manifest(folder / "manifest.json") or {}
    staged = staged_feeds(settings)
    remove(staged)
    staged.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (
        duckdb.connect(":memory:") as connection,
        attach_published(connection, settings, "snapshot", folder=staged.parent),
    ):
        feeds = write_feeds(connection, "snapshot", staged)
    manifest = manifest_of(number, link_target(number), own, feeds)
    write_manifest(folder / "manifest.json", manifest)
    problems = replace_feeds(staged, settings.feeds_dir, feeds)
    write_manifest(settings.manifest_path, manifest)
    remember_published(settings, number)
    return problems
