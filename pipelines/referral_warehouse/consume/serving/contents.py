"""The files of the published directory that are served: feeds, schema, report and manifest of each snapshot.

No name of a request becomes a path: it is looked up in the snapshot's manifest. Knows no HTTP, and opens no database.
"""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.warehouse.manifest import read_manifest
from referral_warehouse.warehouse.published import published_manifest
from referral_warehouse.warehouse.snapshot_description import impersonal_tables
from referral_warehouse.warehouse.snapshots import snapshot_numbers
from referral_warehouse.workspace.current_snapshot import (
    DESCRIPTION,
    FEEDS,
    MANIFEST,
    REPORT,
    current_number,
    feeds_name,
    folder_name,
    snapshot_name,
)

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings

PARQUET = ".parquet"
LISTED = 100
"""Snapshots that the list names at most."""
REMEMBERED = 32
"""Snapshots whose manifest and schema are kept in memory."""

NOTHING_PUBLISHED = "Nothing is published yet."


class NotServed(Exception):
    """A file that cannot be served: missing, withheld or damaged. ``next_step`` says what the reader can do."""

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step


class NotFound(NotServed):
    """There is no such file, or it was removed."""


class Withheld(NotServed):
    """The file has personal data, and the settings do not allow that."""


class NotAvailable(NotServed):
    """Nothing is published, or it is damaged: a sync repairs it."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A file of a snapshot, open for reading. ``checksum`` is that of the manifest, where it has one.

    ``is_final`` is False for what an erasure of personal values rewrites.
    """

    stream: BinaryIO
    name: str
    checksum: str | None = None
    is_final: bool = True


@dataclass(frozen=True, slots=True)
class _Known:
    """What a manifest says: the checksum of each feed by table, the tables that name people, and those withheld."""

    checksums: dict[str, str]
    personal: Collection[str]
    withheld: Collection[str]


class PublishedFiles:
    """The files of one published directory that readers may have. Each call looks up what is published then."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known = functools.lru_cache(maxsize=REMEMBERED)(self._read_known)

    def published_number(self) -> int:
        """The number of the published snapshot. Raises: NotAvailable."""
        try:
            number = current_number(self._settings.published_dir)
        except ConfigurationError:
            raise NotAvailable(
                "What is published cannot be determined.", "On the server, run `referrals status`: it says why."
            ) from None
        if number is None:
            raise NotAvailable(NOTHING_PUBLISHED, "Try again after the next `referrals sync` on the server.")
        return number

    def open(self, number: int, name: str) -> Opened:
        """Open a file of a snapshot.

        Args: ``name`` is that of the schema, the manifest or the report, or ``feeds/`` with that of a feed.
        Raises: NotServed.
        """
        known = self._snapshot(number)
        table = name.removeprefix(f"{FEEDS}/").removesuffix(PARQUET)
        if name not in (DESCRIPTION, MANIFEST, REPORT) and (
            table not in known.checksums or name != f"{FEEDS}/{table}{PARQUET}"
        ):
            raise NotFound(f"Snapshot {number} has no such file.", "The manifest names the feeds; / names the rest.")
        if table in known.withheld:
            raise Withheld(
                f"{table} has columns that name people.",
                "Whoever runs the server decides: WAREHOUSE__SERVE_PERSONAL=true serves such tables too.",
            )
        try:
            stream = _open_regular(self._settings.published_dir, f"{snapshot_name(number)}/{name}")
            is_final = name != MANIFEST and table not in known.personal
            return Opened(stream, f"{snapshot_name(number)}/{name}", known.checksums.get(table), is_final)
        except OSError:
            if name == REPORT:
                raise NotFound(f"Snapshot {number} has no report.", "WAREHOUSE__REPORT=true makes one.") from None
            raise NotFound(f"Snapshot {number} has no such file any more.", _LIST_STEP) from None

    def manifest(self) -> dict[str, Any]:
        """The manifest of the published snapshot. Raises: NotAvailable."""
        self.published_number()
        found = published_manifest(self._settings)
        if found is None:
            raise NotAvailable("The manifest is damaged.", "The next `referrals sync` on the server writes it anew.")
        return found

    def listed(self) -> dict[str, Any]:
        """The published snapshot with its feeds, and the kept ones, newest first. Raises: NotAvailable."""
        number = self.published_number()
        known = self._snapshot(number)
        return {
            "published": number,
            "feeds": f"/{feeds_name(number)}/",
            "tables": [table for table in known.checksums if table not in known.withheld],
            "withheld": [table for table in known.checksums if table in known.withheld],
            "snapshots": [self._entry(kept) for kept in reversed(self._kept())],
        }

    def _kept(self) -> list[int]:
        return snapshot_numbers(self._settings)[-LISTED:]

    def _entry(self, number: int) -> dict[str, Any]:
        folder = self._settings.snapshots_dir / folder_name(number)
        manifest = read_manifest(folder / MANIFEST) or {}
        names = [name for name in (MANIFEST, DESCRIPTION, REPORT) if (folder / name).is_file()]
        files = {name.partition(".")[0]: f"/{snapshot_name(number)}/{name}" for name in names}
        return {"snapshot": number, "synced_at": manifest.get("synced_at"), **files}

    def _snapshot(self, number: int) -> _Known:
        """What is known of a snapshot. Raises: NotServed."""
        folder = self._settings.snapshots_dir / folder_name(number)
        try:
            found = (folder / MANIFEST).stat()
        except OSError:
            if number == self.published_number():
                raise _damaged(number) from None
            raise NotFound(f"There is no snapshot {number}, or not any more.", _LIST_STEP) from None
        return self._known(number, found.st_ino, found.st_mtime_ns)

    def _read_known(self, number: int, _inode: int, _mtime_ns: int) -> _Known:
        """Read a snapshot's manifest and schema. Without a schema all tables may name people, and are withheld."""
        folder = self._settings.snapshots_dir / folder_name(number)
        manifest = read_manifest(folder / MANIFEST)
        if manifest is None or manifest["snapshot"] != number:
            raise _damaged(number)
        checksums = {name: str(table["checksum"]) for name, table in sorted(manifest["tables"].items())}
        described = impersonal_tables(folder)
        personal = {table for table in checksums if table not in described}
        return _Known(checksums, personal, () if self._settings.serve_personal else personal)


_LIST_STEP = "/ lists the snapshots that there are; older ones are removed. Begin with the published one."


def _damaged(number: int) -> NotAvailable:
    return NotAvailable(
        f"Snapshot {number} is damaged: its manifest cannot be read.", "Run `referrals publish` on the server."
    )


def _open_regular(folder: Path, name: str) -> BinaryIO:
    """Open a regular file of a folder: no pipe, and nothing that a link in the folder leads to. Raises: OSError."""
    path = Path(os.path.realpath(folder)) / name
    if os.path.realpath(path) != str(path):
        raise OSError(f"{path} is behind a link")
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is not a regular file")
    return os.fdopen(descriptor, "rb")
