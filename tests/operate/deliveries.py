"""Publications to deliver, places that are watched or killed at a step, and a reader that begins with the manifest."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

from referral_warehouse.cli.publication import publish_draft
from referral_warehouse.operate.delivery_folder import DeliveryFolder
from referral_warehouse.operate.delivery_place import Place
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.manifest import read_manifest, write_manifest
from referral_warehouse.warehouse.public_names import announce, switch_link
from referral_warehouse.workspace.access import Access
from tests.warehouse.planting import insert, plant


class Killed(BaseException):
    """The process ended here."""


def published_thrice(folder: Path) -> Settings:
    """A warehouse with three snapshots; the second has one user more, and the third is a copy of it."""
    settings = plant(folder / "data", {"users": [{"id": 1, "campaign_id": 5}]}, syncs=["2026-01-01 08:00:00"])
    for number in (2, 3):
        with duckdb.connect(str(settings.load_path)) as connection:
            insert(connection, "users", [{"id": number, "campaign_id": 5}])
        publication = publish_draft(settings, build(settings))
        assert publication.problems == ()
    third = shutil.copytree(settings.snapshots_dir / "000002", settings.snapshots_dir / "000003")
    manifest = json.loads((third / "manifest.json").read_text().replace("/000002/", "/000003/")) | {"snapshot": 3}
    write_manifest(third / "manifest.json", manifest, Access(), is_frozen=True)
    return settings


def switch_to(settings: Settings, number: int) -> Settings:
    """Make an existing snapshot the published one, as its publication did."""
    manifest = read_manifest(settings.snapshots_dir / f"{number:06d}" / "manifest.json")
    assert manifest is not None
    assert switch_link(settings, number)
    announce(settings, number, manifest)
    return settings


def read_set(read: Callable[[str], bytes | None]) -> dict[str, Any] | None:
    """Read as a reader does: the manifest, then every file that it names. Returns: the manifest; None without one.

    Raises: AssertionError where a file is missing or is not the one of the manifest.
    """
    text = read("manifest.json")
    if text is None:
        return None
    manifest: dict[str, Any] = json.loads(text)
    assert manifest["tables"]
    for table in manifest["tables"].values():
        content = read(table["feed"])
        assert content is not None, f"{table['feed']} is missing"
        assert f"sha256:{hashlib.sha256(content).hexdigest()}" == table["checksum"]
    return manifest


def read_folder(root: Path) -> dict[str, Any] | None:
    """``read_set`` in a folder."""
    return read_set(lambda name: (root / name).read_bytes() if (root / name).exists() else None)


def names_in(root: Path) -> set[str]:
    """The files below a folder."""
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


class WatchedFolder(DeliveryFolder):
    """A folder that is read before and after each change; the process may be killed before one of them."""

    def __init__(self, root: Path, kill_at: int = 0) -> None:
        super().__init__(root, Access())
        self.root = root
        self.steps = 0
        self.seen: list[int | None] = []
        self._kill_at = kill_at

    def write(self, name: str, content: bytes) -> None:
        self._step(name, content)
        super().write(name, content)
        self._check_reader()

    def upload(self, name: str, source: Path, sha256: str) -> None:
        self._step(name, source.read_bytes())
        super().upload(name, source, sha256)
        self._check_reader()

    def remove(self, names: list[str]) -> None:
        for name in names:
            self._step()
            super().remove([name])
            self._check_reader()

    def _step(self, name: str | None = None, content: bytes = b"") -> None:
        self._check_reader()
        self.steps += 1
        if self.steps == self._kill_at:
            if name is not None and (self.root / name).parent.is_dir():
                path = self.root / name
                path.with_name(f".{path.name}.new").write_bytes(content[: len(content) // 2])
            raise Killed

    def _check_reader(self) -> None:
        manifest = read_folder(self.root)
        self.seen.append(None if manifest is None else manifest["snapshot"])
        for of_a_set in self.root.glob(f"snapshots/{'[0-9]' * 6}/manifest.json"):
            named = json.loads(of_a_set.read_text())["tables"].values()
            assert all((self.root / table["feed"]).exists() for table in named), f"{of_a_set.parent} is not whole"


class BrokenPlace:
    """A place of which one method always fails."""

    def __init__(self, place: Place, method: str, error: Exception) -> None:
        self._place, self._method, self._error = place, method, error

    def __getattr__(self, name: str) -> Any:
        if name != self._method:
            return getattr(self._place, name)

        def fail(*_: Any) -> None:
            raise self._error

        return fail


def without_grace(settings: Settings, keep: int = 1) -> Settings:
    """The same settings, with older sets removed at once."""
    return replace(settings, keep_snapshots=keep, snapshot_grace_minutes=0)
