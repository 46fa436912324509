"""Recovery: a directory that a killed process left is completed or cleaned before the next build.

Knows what each step of a publication leaves behind; never touches the current snapshot itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.file_kinds import remove, set_aside_unless_file, set_aside_unless_folder
from pipelines.warehouse.feeds import manifest_of, read_manifest, replace_feeds, write_feeds, write_manifest
from pipelines.warehouse.files import staged_feeds
from pipelines.warehouse.published_files import changed_files, remember_published
from pipelines.warehouse.readable_snapshot import snapshot_path, why_unreadable
from pipelines.warehouse.snapshots import (
    SNAPSHOT_NAME,
    current_number,
    flip,
    folder_name,
    link_target,
    retain,
    snapshot_numbers,
)

if TYPE_CHECKING:
    from pipelines.settings import Settings


def recover(settings: Settings) -> list[str]:
    """Complete or clean what a killed process left: half snapshots go, a flip without feeds gets its feeds.

    A lost link is made anew; a published file that is damaged is named, and the publication that follows replaces it.
    Returns: what was damaged and what became of it, in words.
    """
    if not settings.warehouse_dir.is_dir():
        return []
    for leftover in (settings.warehouse_path, settings.manifest_path):
        remove(leftover.with_name(f".{leftover.name}.new"))
    current, notes = current_number(settings), _free_places(settings)
    if current is None:
        current = _find_lost_link(settings, notes)
    if current is None:
        return notes
    for number in snapshot_numbers(settings):
        # Numbers only grow, so what lies beyond the current snapshot was never anybody's warehouse.
        if number > current:
            remove(settings.snapshots_dir / folder_name(number))
    published = read_manifest(settings.manifest_path)
    unreadable = why_unreadable(snapshot_path(settings, current))
    if unreadable is not None:
        notes.append(f"{link_target(current)} could not be read ({unreadable}); the next publication replaces it")
    elif published is None or published["snapshot"] != current:
        _republish(settings, current)
    else:
        changed = changed_files(settings, published)
        if changed:
            named = ", ".join([*changed[:3], *(["…"] if changed[3:] else [])])
            notes.append(f"published files are missing or were changed ({named}); all are written anew")
    retain(settings, current)
    return notes


def _free_places(settings: Settings) -> list[str]:
    """Put aside what stands where a folder or file of a publication has to be; all of it is made anew."""
    found = [set_aside_unless_folder(folder) for folder in (settings.snapshots_dir, settings.feeds_dir)]
    found.append(set_aside_unless_file(settings.manifest_path))
    return [note for note in found if note is not None]


def _find_lost_link(settings: Settings, notes: list[str]) -> int | None:
    """Point the link that was lost at the newest snapshot that can be read; its number, None where there is none.

    A first publication that was killed before its link was made leaves one snapshot and no manifest: it goes.
    """
    numbers = snapshot_numbers(settings)
    manifest = read_manifest(settings.manifest_path)
    if manifest is None and len(numbers) <= 1:
        for number in numbers:
            remove(settings.snapshots_dir / folder_name(number))
        return None
    newest = [number for number in reversed(numbers) if manifest is None or number <= manifest["snapshot"]]
    for number in newest:
        if why_unreadable(snapshot_path(settings, number)) is None:
            flip(settings, number)
            notes.append(f"{settings.warehouse_path} was missing; it points at snapshot {number} again")
            return number
    return None


def _republish(settings: Settings, number: int) -> None:
    """Write feeds and manifest of the current snapshot anew, from the snapshot itself."""
    import duckdb

    folder = settings.snapshots_dir / folder_name(number)
    own = read_manifest(folder / "manifest.json") or {}
    staged = staged_feeds(settings)
    remove(staged)
    staged.mkdir(mode=0o700, parents=True)
    with duckdb.connect(":memory:") as connection:
        literal = str(folder / SNAPSHOT_NAME).replace("'", "''")
        connection.execute(f"attach '{literal}' as snapshot (read_only)")
        feeds = write_feeds(connection, "snapshot", staged)
    manifest = manifest_of(number, link_target(number), own, feeds)
    write_manifest(folder / "manifest.json", manifest)
    replace_feeds(staged, settings.feeds_dir, feeds)
    write_manifest(settings.manifest_path, manifest)
    remember_published(settings, number)
