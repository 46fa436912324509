"""The public names of a publication: the link to the database, the link to the feeds, and the manifest.

Every change is one rename, so that a kill leaves the old state or the new one. Knows nothing of a snapshot's content.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from referral_warehouse.warehouse.manifest import write_manifest
from referral_warehouse.warehouse.published_files import remember_published
from referral_warehouse.warehouse.snapshots import access_of
from referral_warehouse.workspace.current_snapshot import database_name, feeds_name, folder_name
from referral_warehouse.workspace.durable_files import sync_file
from referral_warehouse.workspace.file_kinds import kind_of, set_aside
from referral_warehouse.workspace.removal import free_name, remove

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings

WITHOUT_LINKS = (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL)
"""Errors of ``symlink`` on file systems without links."""


def switch_link(settings: Settings, number: int) -> bool:
    """Switch the warehouse link to a snapshot atomically; after an error nothing is published.

    A power failure may undo it until the folder is synced; the snapshot then was never current.

    Returns: False where the file system has no links: the manifest names the snapshot there. Raises: OSError.
    """
    sync_file(settings.snapshots_dir / folder_name(number))
    sync_file(settings.snapshots_dir)
    return place_link(settings.warehouse_path, database_name(number))


def link_feeds(settings: Settings, number: int) -> str | None:
    """Switch the link of the feeds to those of a snapshot. Raises: OSError.

    Returns: a sentence on where files that were in the place of the link were moved; None if there were none.
    """
    feeds = settings.feeds_dir
    note = None
    if kind_of(feeds) is not None and not feeds.is_symlink():
        note = _clear_place(feeds)
    place_link(feeds, feeds_name(number))
    return note


def announce(settings: Settings, number: int, manifest: dict[str, Any]) -> list[str]:
    """Make the link to the feeds and the public manifest those of the published snapshot.

    Returns: a sentence on each thing that was in the place of one of them, and was moved.
    Raises: ConfigurationError, OSError, ValueError.
    """
    sync_file(settings.published_dir)
    note = link_feeds(settings, number)
    write_manifest(settings.manifest_path, manifest, access_of(settings))
    remember_published(settings, number)
    return [note] if note is not None else []


def _clear_place(feeds: Path) -> str | None:
    """Remove the feeds of an earlier version, which were files in a folder; set aside what is anything else."""
    if kind_of(feeds) == "a directory":
        kept = [path for path in feeds.iterdir() if path.suffix != ".parquet" or not path.is_file()]
        if not kept:
            problem = remove(feeds)
            if problem is None:
                return None
    aside = set_aside(feeds)
    return f"{feeds} was not the link to the feeds; what was there is now {aside}"


def place_link(link: Path, target: str) -> bool:
    """Make ``link`` point at ``target`` in one step.

    Returns: False where the file system has no links. Raises: OSError.
    """
    temporary = free_name(link.with_name(f".{link.name}.new"))
    try:
        temporary.symlink_to(target)
    except OSError as error:
        if error.errno in WITHOUT_LINKS and os.access(link.parent, os.W_OK):
            return False
        raise
    temporary.replace(link)
    return True
