"""The interface of a place that feeds are delivered to, such as a folder or a bucket."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Stored:
    """A file at a place: its size in bytes and the time of its last change, in seconds since 1970."""

    size: int
    changed_at: float


class Place(Protocol):
    """Where feeds are delivered. Names are relative and have slashes; a file is replaced as a whole or not at all."""

    def files(self) -> dict[str, Stored]:
        """The files below ``snapshots/``, whoever wrote them."""

    def find(self, name: str) -> Stored | None:
        """One file; None where there is none."""

    def read(self, name: str) -> bytes | None:
        """The bytes of a small file; None where there is none."""

    def write(self, name: str, content: bytes) -> None:
        """Write a small file."""

    def upload(self, name: str, source: Path, sha256: str) -> None:
        """Copy a file. Raises: any error, also where the copy does not have the checksum."""

    def remove(self, names: list[str]) -> None:
        """Remove files, and folders that become empty; files that do not exist are no error."""

    def grant_read_access(self, names: Iterable[str]) -> None:
        """Let the readers that the settings name read files, where the place has owners and modes."""
