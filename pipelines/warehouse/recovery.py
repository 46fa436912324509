"""Recovery: a directory that a killed process left is completed or cleaned before the next build.

Knows what each step of a publication leaves behind; never touches the current snapshot itself.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from pipelines.warehouse.feeds import manifest_of, read_manifest, replace_feeds, write_feeds, write_manifest
from pipelines.warehouse.files import staged_feeds
from pipelines.warehouse.snapshots import (
    SNAPSHOT_NAME,
    current_number,
    folder_name,
    link_target,
    retain,
    snapshot_numbers,
)

if TYPE_CHECKING:
    from pipelines.settings import Settings


def recover(settings: Settings) -> None:
    """Complete or clean what a killed process left: half snapshots go, a flip without feeds gets its feeds."""
    if not settings.warehouse_dir.is_dir():
        return
    for leftover in (settings.warehouse_path, settings.manifest_path):
        leftover.with_name(f".{leftover.name}.new").unlink(missing_ok=True)
    current = current_number(settings)
    for number in snapshot_numbers(settings):
        # Numbers only grow, so what lies beyond the current snapshot was never anybody's warehouse.
        if current is None or number > current:
            shutil.rmtree(settings.snapshots_dir / folder_name(number))
    if current is None:
        return
    published = read_manifest(settings.manifest_path)
    if published is None or published.get("snapshot") != current:
        _republish(settings, current)
    retain(settings, current)


def _republish(settings: Settings, number: int) -> None:
    """Write feeds and manifest of the current snapshot anew, from the snapshot itself."""
    import duckdb

    folder = settings.snapshots_dir / folder_name(number)
    own = read_manifest(folder / "manifest.json") or {}
    staged = staged_feeds(settings)
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(mode=0o700, parents=True)
    with duckdb.connect(":memory:") as connection:
        literal = str(folder / SNAPSHOT_NAME).replace("'", "''")
        connection.execute(f"attach '{literal}' as snapshot (read_only)")
        feeds = write_feeds(connection, "snapshot", staged)
    manifest = manifest_of(number, link_target(number), own, feeds)
    write_manifest(folder / "manifest.json", manifest)
    replace_feeds(staged, settings.feeds_dir, feeds)
    write_manifest(settings.manifest_path, manifest)
