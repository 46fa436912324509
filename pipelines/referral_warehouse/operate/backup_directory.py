"""A directory of backups: which of its folders are complete, and that nothing else is in it. Reads no backup.

A backup has a temporary name until it is complete, so that each folder with the name of a backup is complete.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from referral_warehouse.errors import AnotherSyncRunning, BackupDamaged, ConfigurationError, ReferralsError
from referral_warehouse.workspace.disk_space import disk_full_error
from referral_warehouse.workspace.durable_files import sync_file
from referral_warehouse.workspace.file_kinds import kind_of
from referral_warehouse.workspace.file_locks import lock_file
from referral_warehouse.workspace.removal import reason, remove

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings

NAME = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
NAME_FORMAT = "%Y%m%dT%H%M%SZ"
DRAFT = re.compile(r"\.\d{8}T\d{6}Z\.new", re.ASCII)
LOCK = ".lock"
NOT_OURS = frozenset({"lost+found"})
"""Names that are ignored: every new ext file system has this one."""


class BackupDirectory:
    """The directory ``root``; it need not exist until ``locked``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        """The names of the backups, the oldest first.

        Raises: ConfigurationError where the directory holds anything else, or cannot be read.
        """
        try:
            found = sorted(path.name for path in self.root.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ConfigurationError(
                f"{self.root} cannot be read as a directory of backups: {reason(error)}.", "Name another directory."
            ) from None
        others = [name for name in found if not NAME.fullmatch(name) and name[0] != "." and name not in NOT_OURS]
        if others:
            raise ConfigurationError(
                f"{self.root} is not a directory of backups: it holds {others[0]!r}.",
                "Name a directory that is empty or does not exist; only backups may be in it.",
            )
        return [name for name in found if NAME.fullmatch(name)]

    def folder(self, name: str | None) -> Path:
        """A backup by its name, or the newest one. Raises: ConfigurationError where there is none."""
        names = self.names()
        if not names:
            raise ConfigurationError(f"There is no backup in {self.root}.", "`referrals backup DIR` makes one.")
        if name is not None and name not in names:
            raise ConfigurationError(f"There is no backup {name!r} in {self.root}.", f"The newest is {names[-1]}.")
        return self.root / (name or names[-1])

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the directory for the length of a ``with``; create it, and remove what a killed backup left in it.

        Raises: AnotherSyncRunning when another backup is being made there; ConfigurationError; OSError.
        """
        self.names()
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = lock_file(self.root / LOCK)
        if lock is None:
            raise AnotherSyncRunning(f"Another backup is being made in {self.root}.")
        try:
            for path in self.root.iterdir():
                if DRAFT.fullmatch(path.name):
                    remove(path)
            yield
        finally:
            lock.release()

    def new_name(self) -> str:
        """A name for a new backup: the time, and later than all others whatever the clock shows."""
        now = datetime.now(UTC)
        if names := self.names():
            newest = datetime.strptime(names[-1], NAME_FORMAT).replace(tzinfo=UTC)
            now = max(now, newest + timedelta(seconds=1))
        return now.strftime(NAME_FORMAT)

    def draft(self, name: str) -> Path:
        """Where the backup of that name is made."""
        return self.root / f".{name}.new"

    def complete(self, name: str) -> Path:
        """Give a finished backup its name. Returns: its folder. Raises: OSError."""
        folder = self.root / name
        self.draft(name).rename(folder)
        sync_file(self.root)
        return folder

    def keep(self, count: int) -> list[str]:
        """Remove all but the ``count`` newest backups. Returns: why some are still there, in words.

        Each gets a temporary name first, so that a kill leaves nothing that seems complete.
        """
        problems = []
        for name in self.names()[:-count]:
            try:
                (self.root / name).rename(self.draft(name))
            except OSError as error:
                problems.append(f"{self.root / name} could not be removed ({reason(error)})")
            else:
                problem = remove(self.draft(name))
                problems += [problem] if problem is not None else []
        return problems


def backup_directory(settings: Settings, path: Path) -> BackupDirectory:
    """The directory of backups at a path.

    Raises: ConfigurationError where it is, or is in, a directory of the warehouse, or is no directory.
    """
    resolved = Path(os.path.realpath(path))
    for name, taken, why in _taken_places(settings.together or settings):
        own = Path(os.path.realpath(taken))
        if own == resolved or own in resolved.parents:
            raise ConfigurationError(
                f"{path} is in {name} ({taken}): {why}.", "Name a directory outside, best on another disk."
            )
    if kind_of(resolved) not in (None, "a directory"):
        raise ConfigurationError(f"{path} is {kind_of(resolved)}, not a directory.", "Name a directory.")
    return BackupDirectory(resolved)


def _taken_places(settings: Settings) -> Iterator[tuple[str, Path, str]]:
    """Setting, its directory, and why no backup may be there, for each directory that is for something else."""
    yield "WAREHOUSE__DIR", settings.warehouse_dir, "a backup there would be lost with the warehouse"
    yield "WAREHOUSE__PUBLISH_DIR", settings.published_dir, "a backup there would be lost with the warehouse"
    for name, target in (("WAREHOUSE__DELIVER_TO", settings.deliver_to), ("WAREHOUSE__LAKE_DATA", settings.lake_data)):
        if target is not None and target.folder is not None:
            yield name, target.folder, "files that do not belong there are removed"


def explained(error: OSError, what: str) -> ReferralsError:
    """The error to raise where files could not be written or read; ``what`` is the sentence about the failed step."""
    return disk_full_error(error, what) or ConfigurationError(
        f"{what}: {reason(error)}.", "Correct that, or name another directory, and run the same command again."
    )


def refuse_damaged(found: Iterable[str], what: str, next_step: str | None = None) -> None:
    """Raises: BackupDamaged where there are damages; it names the first ones."""
    if damages := list(found):
        named = "; ".join([*damages[:3], *([f"and {len(damages) - 3} more"] if damages[3:] else [])])
        raise BackupDamaged(f"{what}: {named}.", next_step)
