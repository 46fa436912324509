"""A folder that feeds are delivered to, on any file system. Must not know which files form a set."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from referral_warehouse.operate.delivery_place import Stored
from referral_warehouse.workspace.access import Access
from referral_warehouse.workspace.current_snapshot import SNAPSHOTS
from referral_warehouse.workspace.durable_files import file_sha256, replaced_file
from referral_warehouse.workspace.file_kinds import kind_of, read_regular
from referral_warehouse.workspace.removal import remove


class DeliveryFolder:
    """The folder as a ``Place``. Files get a temporary name first, and are renamed when they are whole."""

    def __init__(self, root: Path, access: Access) -> None:
        self._root = root
        self._access = access

    def files(self) -> dict[str, Stored]:
        """The files below ``snapshots/``; links are left out. Raises: OSError."""
        found = {}
        for folder, _, names in os.walk(self._root / SNAPSHOTS, onerror=_raise_unless_missing):
            for path in (Path(folder) / name for name in names):
                name = path.relative_to(self._root).as_posix()
                if (stored := self.find(name)) is not None:
                    found[name] = stored
        return found

    def find(self, name: str) -> Stored | None:
        """A file's size and time; None where there is no regular file. Raises: OSError."""
        try:
            status = (self._root / name).lstat()
        except FileNotFoundError:
            return None
        return Stored(status.st_size, status.st_mtime) if stat.S_ISREG(status.st_mode) else None

    def read(self, name: str) -> bytes | None:
        """The bytes of a file; None where there is none. Raises: OSError where it is there and cannot be read."""
        content = read_regular(self._root / name)
        if content is None and kind_of(self._root / name) is not None:
            raise OSError(f"{self._root / name} cannot be read")
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write a small file. Raises: OSError, ConfigurationError."""
        self._put(name, BytesIO(content))

    def upload(self, name: str, source: Path, sha256: str) -> None:
        """Copy a file and compare its checksum. Raises: OSError, ConfigurationError."""
        with source.open("rb") as stream:
            self._put(name, stream, sha256)

    def remove(self, names: list[str]) -> None:
        """Remove files and empty folders. Raises: OSError where a file cannot be removed; the others are gone then."""
        problems = [problem for name in names if (problem := remove(self._root / name)) is not None]
        folders = {parent for name in names for parent in (self._root / name).parents if self._root in parent.parents}
        for folder in sorted(folders, key=lambda path: len(path.parts), reverse=True):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        if problems:
            raise OSError(problems[0])

    def grant_read_access(self, names: Iterable[str]) -> None:
        """Set the modes of files and of the folders above them. Raises: OSError, ConfigurationError."""
        self._access.outer_folder(self._root)
        folders = set()
        for path in (self._root / name for name in names):
            if self.find(path.relative_to(self._root).as_posix()) is not None:
                self._set_mode(path, path)
                folders |= {parent for parent in path.parents if self._root in parent.parents}
        for folder in folders:
            self._access.folder(folder)

    def _put(self, name: str, stream: BinaryIO, sha256: str | None = None) -> None:
        path = self._root / name
        self._make_folders(path)
        with replaced_file(path) as (target, temporary):
            shutil.copyfileobj(stream, target)
            target.flush()
            if sha256 is not None and file_sha256(temporary) != sha256:
                raise OSError(f"{path} has other bytes than its source after it was copied")
            self._set_mode(path, temporary)

    def _set_mode(self, path: Path, where: Path) -> None:
        """Set the mode of the file ``path``, which is still at ``where``. Files in sets are frozen, others are not."""
        is_replaced = path.parent == self._root
        (self._access.file if is_replaced else self._access.frozen_file)(where)

    def _make_folders(self, path: Path) -> None:
        if not self._root.is_dir():
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._access.outer_folder(self._root)
        for folder in reversed([parent for parent in path.parents if self._root in parent.parents]):
            if not folder.is_dir():
                folder.mkdir(mode=0o700)
            self._access.folder(folder)


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
