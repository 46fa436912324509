"""Which snapshot is published: the link that names it, or the manifest where the file system has no links.

Reads two names of the published directory; opens no database. Both the loader and the warehouse look it up here.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.workspace.file_kinds import kind_of, read_regular

SNAPSHOTS, DATABASE, FEEDS, MANIFEST = "snapshots", "warehouse.duckdb", "feeds", "manifest.json"
DESCRIPTION, REPORT = "schema.json", "report.html"
"""Files of a snapshot that some publications have."""
NUMBERED = re.compile(r"[0-9]{6,18}", re.ASCII)
LARGEST_NUMBER = 10**12
"""No directory has so many publications: a larger snapshot number comes from a damaged manifest."""


def folder_name(number: int) -> str:
    """The name of a snapshot's folder: at least six digits, so that names sort like numbers."""
    return f"{number:06d}"


def snapshot_name(number: int) -> str:
    """The folder of a snapshot, relative to the published directory, which can be moved or mounted elsewhere."""
    return f"{SNAPSHOTS}/{folder_name(number)}"


def database_name(number: int) -> str:
    """The database of a snapshot, relative to the published directory."""
    return f"{snapshot_name(number)}/{DATABASE}"


def feeds_name(number: int) -> str:
    """The folder of a snapshot's feeds, relative to the published directory."""
    return f"{snapshot_name(number)}/{FEEDS}"


def refuse_no_directory(published: Path) -> None:
    """Raises: ConfigurationError where something else than a directory has the place of what is published."""
    for path in (*reversed(published.parents), published):
        kind = kind_of(path)
        if kind not in (None, "a directory", "unreachable"):
            raise ConfigurationError(
                f"{path} is {kind}, not a directory.", f"Move {path} away, or set another directory in the settings."
            )


def linked_number(published: Path) -> int | None:
    """The number of the snapshot that the link points at, even if it does not exist; None without a link.

    A broken link to another place counts as none: the next publication replaces it.

    Raises: ConfigurationError when another file or link has its name, or the directory is none.
    """
    link = published / DATABASE
    if not link.is_symlink():
        kind = kind_of(link)
        if kind == "unreachable":
            refuse_no_directory(published)
            raise ConfigurationError(
                f"{published} cannot be entered by this user.", "Run it as its owner, or as a member of its group."
            )
        if kind is not None:
            raise ConfigurationError(
                f"{link} is {kind}, not the link that a publication makes.",
                f"Move {link} away and run the command again.",
            )
        return None
    target = link.readlink()
    if NUMBERED.fullmatch(target.parent.name) and target.name == DATABASE:
        return int(target.parent.name)
    if kind_of(link) != "a broken link":
        raise ConfigurationError(
            f"{link} points at {target}, which is not a snapshot of this directory.",
            f"Remove {link} and run the command again: a publication creates the link again.",
        )
    return None


def current_number(published: Path) -> int | None:
    """The number of the published snapshot; None where nothing is published.

    It is the number of the link. Without one, as on file systems that have no links, it is the number in the manifest
    if that snapshot has a database.

    Raises: ConfigurationError when another file or link has the link's name.
    """
    number = linked_number(published)
    if number is not None:
        return number
    listed = number_in_manifest(published)
    return listed if listed is not None and kind_of(published / database_name(listed)) == "a file" else None


def current_database(published: Path) -> Path:
    """The database to read: that of the published snapshot, or the link's name where nothing is published."""
    number = current_number(published)
    return published / (DATABASE if number is None else database_name(number))


def public_database(published: Path) -> Path:
    """The name to give to readers: the link, or the database itself where there are no links."""
    link = published / DATABASE
    return link if os.path.lexists(link) else current_database(published)


def is_published(published: Path) -> bool:
    """Whether there is a publication, readable or not."""
    return os.path.lexists(published / DATABASE) or number_in_manifest(published) is not None


def number_in_manifest(published: Path) -> int | None:
    """The number of the snapshot in the manifest; None where no manifest is readable."""
    try:
        document = json.loads((read_regular(published / MANIFEST) or b"").decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    number = document.get("snapshot") if isinstance(document, dict) else None
    return number if type(number) is int and 0 < number < LARGEST_NUMBER else None
