"""Recovery: a directory that a killed process left is completed or cleaned before the next build.

Knows what each step of a publication leaves behind; never touches the current snapshot itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.errors import ReferralsError
from pipelines.warehouse.feeds import manifest_of, read_manifest, replace_feeds, write_feeds, write_manifest
from pipelines.warehouse.files import first_line, staged_feeds
from pipelines.warehouse.published import attach_published
from pipelines.warehouse.removal import remove
from pipelines.warehouse.snapshots import (
    current_number,
    folder_name,
    link_target,
    retain,
    snapshot_numbers,
    write_ahead_log,
)

if TYPE_CHECKING:
    from pipelines.settings import Settings


def recover(settings: Settings) -> list[str]:
    """Complete or clean what a killed process left: half snapshots go, a flip without feeds gets its feeds.

    Returns: what could not be done, in words. None of it stands in the way of another publication.
    """
    import duckdb

    if not settings.warehouse_dir.is_dir():
        return []
    leftovers = [write_ahead_log(settings.warehouse_path)]  # of a reader that does not resolve the link
    for pattern in (".warehouse.duckdb.new*", ".manifest.json.new*", "draft-*"):
        leftovers += sorted(settings.warehouse_dir.glob(pattern))
    current = current_number(settings)
    # Numbers only grow, so what lies beyond the current snapshot was never anybody's warehouse.
    beyond = [number for number in snapshot_numbers(settings) if current is None or number > current]
    leftovers += [settings.snapshots_dir / folder_name(number) for number in beyond]
    problems = [problem for path in leftovers if (problem := remove(path))]
    if current is None:
        return problems
    published = read_manifest(settings.manifest_path)
    if published is None or published.get("snapshot") != current:
        try:
            problems += _republish(settings, current)
        except (OSError, duckdb.Error, ReferralsError) as error:
            problems.append(
                f"the feeds and the manifest are still not those of snapshot {current} ({first_line(error)})"
            )
    return problems + retain(settings, current)


def _republish(settings: Settings, number: int) -> list[str]:
    """Write feeds and manifest of the current snapshot anew, from the snapshot itself."""
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
    return problems
