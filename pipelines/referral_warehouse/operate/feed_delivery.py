"""Copies the feeds of the published snapshot to another place, so that readers there never mix two snapshots.

A set is what is delivered of one snapshot: its feeds, ``schema.json`` and manifest. It is complete before
``manifest.json`` of the place, which readers open first, names it; older sets are removed afterwards. A delivery that
is interrupted anywhere leaves the set that this manifest names, and the next delivery continues. Does not depend on the
kind of place.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from referral_warehouse.display_text import json_text
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.operate.delivered_sets import (
    INCOMPLETE,
    is_of_a_set,
    names_of_set,
    removable_sets,
    withdrawn_upto,
)
from referral_warehouse.operate.delivery_place import Place, Stored
from referral_warehouse.warehouse.manifest import read_manifest
from referral_warehouse.warehouse.publisher import MARK, own_name
from referral_warehouse.workspace.current_snapshot import (
    DESCRIPTION,
    MANIFEST,
    SNAPSHOTS,
    current_number,
    folder_name,
    snapshot_name,
)
from referral_warehouse.workspace.durable_files import file_sha256

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings


class DeliveryFailed(Exception):
    """The feeds cannot be delivered; the text is the reason, as a clause."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What was delivered: the number of the snapshot, the files that were copied, and what went wrong afterwards.

    Attributes: ``is_new`` is true where readers were switched to this snapshot or its manifest changed.
    """

    snapshot: int
    copied: int
    is_new: bool
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Set:
    """The set to deliver: ``files`` by name with their sources and checksums, and the two manifests."""

    number: int
    files: dict[str, tuple[Path, str]]
    manifest: bytes
    """The one in the folder of the set, which never changes."""
    current_manifest: bytes
    """The one that readers open first: the same, with the time until which the data is current."""


def deliver_feeds(settings: Settings, place: Place) -> Delivery | None:
    """Bring the feeds of the published snapshot to a place; the caller holds the lock of the warehouse.

    Returns: None where nothing is published. Raises: DeliveryFailed, ConfigurationError when another warehouse delivers
    there, and the errors of the place. Readers then keep the set that they have.
    """
    wanted = _published_set(settings)
    if wanted is None:
        return None
    _claim(settings, place)
    before = place.read(MANIFEST)
    stored = place.files()
    is_new = before != wanted.current_manifest
    current = _number(before)
    there, copied = _complete(place, wanted, stored, current)
    folder = snapshot_name(wanted.number)
    if current != wanted.number or f"{folder}/{MANIFEST}" not in there:
        # Written even if it exists: the time of this file is when the older set was replaced.
        place.write(f"{folder}/{MANIFEST}", wanted.manifest)
    if f"{folder}/{INCOMPLETE}" in there:
        place.remove([f"{folder}/{INCOMPLETE}"])
    if is_new:
        place.write(MANIFEST, wanted.current_manifest)
    problems = [*_grant_read_access(place, stored), *_retain(settings, place, wanted.number, is_new=is_new)]
    return Delivery(wanted.number, copied, is_new, tuple(problems))


def _published_set(settings: Settings) -> _Set | None:
    """The set of the published snapshot; None where nothing is published. Raises: DeliveryFailed."""
    published = settings.published_dir
    number = current_number(published)
    if number is None:
        return None
    folder = published / SNAPSHOTS / folder_name(number)
    manifest = read_manifest(folder / MANIFEST)
    if manifest is None or manifest["snapshot"] != number:
        raise DeliveryFailed(
            f"snapshot {number} has no readable manifest of its own (an earlier version made none); the next "
            "publication is delivered (`referrals publish` makes one)"
        )
    current = read_manifest(published / MANIFEST)
    if current is None or current["snapshot"] != number:
        current = manifest
    sums = {table["feed"]: table["checksum"].removeprefix("sha256:") for table in manifest["tables"].values()}
    files = {name: (published / name, checksum) for name, checksum in sums.items()}
    if (folder / DESCRIPTION).is_file():
        files[f"{snapshot_name(number)}/{DESCRIPTION}"] = (folder / DESCRIPTION, file_sha256(folder / DESCRIPTION))
    return _Set(number, files, _delivered(manifest), _delivered(current))


def _delivered(manifest: dict[str, Any]) -> bytes:
    """A manifest without the name of the database, which is not delivered."""
    kept = {key: value for key, value in manifest.items() if key != "warehouse"}
    return (json_text(kept, indent=True) + "\n").encode()


def _claim(settings: Settings, place: Place) -> None:
    """Mark a place as used by this warehouse. Raises: ConfigurationError when another warehouse or program uses it."""
    own = own_name(settings)
    found = (place.read(MARK) or b"").decode("utf-8", errors="replace").strip()
    if found and found != own:
        raise ConfigurationError(
            "Another warehouse delivers there; this one would replace its feeds.",
            f"Set WAREHOUSE__DELIVER_TO to another place; if that warehouse is no longer used, remove {MARK} there.",
        )
    there = None if found else place.read(MANIFEST)
    if there is not None and _number(there) is None:
        raise ConfigurationError(
            f"{MANIFEST} there was not written by this program, and would be replaced.",
            "Set WAREHOUSE__DELIVER_TO to a place of its own, such as an empty folder.",
        )
    if not found:
        place.write(MARK, f"{own}\n".encode())


def _complete(
    place: Place, wanted: _Set, stored: dict[str, Stored], current: int | None
) -> tuple[dict[str, Stored], int]:
    """Copy the files of a set that a place does not have. Raises: DeliveryFailed.

    Files of the right size are taken as they are where the place says that they are of this very set.

    Returns: the files that are there now, and how many were copied.
    """
    folder = snapshot_name(wanted.number)
    there = {name: stored[name] for name in names_of_set(stored, wanted.number)}
    marks = [name for name in (f"{folder}/{MANIFEST}", f"{folder}/{INCOMPLETE}") if name in there]
    if not marks or place.read(marks[0]) != wanted.manifest:
        if marks and current == wanted.number:
            raise DeliveryFailed(
                f"another snapshot {wanted.number} was delivered before, and readers may use it; the next publication "
                "is delivered (`referrals publish` makes one)"
            )
        if marks:
            _remove_set(place, wanted.number, there)
        there = {}
        place.write(f"{folder}/{INCOMPLETE}", wanted.manifest)
    missing = [name for name, (source, _) in wanted.files.items() if not _is_there(source, there.get(name))]
    for name in missing:
        source, checksum = wanted.files[name]
        if file_sha256(source) != checksum:
            raise DeliveryFailed(f"{source} has changed since it was published; the next sync publishes it again")
        place.upload(name, source, checksum)
    if missing:
        there = place.files()
        wrong = [name for name, (source, _) in wanted.files.items() if not _is_there(source, there.get(name))]
        if wrong:
            raise DeliveryFailed(f"{wrong[0]} has another size than its source after it was copied")
    return there, len(missing)


def _is_there(source: Path, found: Stored | None) -> bool:
    return found is not None and found.size == source.stat().st_size


def _grant_read_access(place: Place, stored: dict[str, Stored]) -> list[str]:
    """Let the readers of the settings read what earlier deliveries wrote. Returns: why that was not possible."""
    try:
        place.grant_read_access([MANIFEST, *(name for name in stored if is_of_a_set(name))])
    except Exception as error:
        return [f"readers could not be granted access to earlier deliveries ({type(error).__name__}: {error})"]
    return []


def _retain(settings: Settings, place: Place, current: int, *, is_new: bool) -> list[str]:
    """Remove older sets by the rule for snapshots, and incomplete sets. Returns: what could not be removed.

    Where the manifest was just written, its time at the place counts as now: the place may have another clock.
    """
    try:
        stored = place.files()
        written = place.find(MANIFEST) if is_new else None
        now = time.time() if written is None else written.changed_at
        grace_s = settings.snapshot_grace_minutes * 60
        upto = withdrawn_upto(settings.state_dir)
        removable = removable_sets(stored, current, settings.keep_snapshots, grace_s, now, upto)
    except Exception as error:
        return [f"older sets could not be listed ({type(error).__name__}: {error})"]
    problems = []
    for number in removable:
        try:
            _remove_set(place, number, stored)
        except Exception as error:
            problems.append(f"{snapshot_name(number)} could not be removed ({type(error).__name__}: {error})")
    return problems


def _remove_set(place: Place, number: int, stored: dict[str, Stored]) -> None:
    """Remove the files of a set; first its manifest, without which it counts as incomplete."""
    names = names_of_set(stored, number)
    first = f"{snapshot_name(number)}/{MANIFEST}"
    if first in names:
        place.remove([first])
    if rest := [name for name in names if name != first]:
        place.remove(rest)


def _number(manifest: bytes | None) -> int | None:
    """The snapshot that a delivered manifest names; None where it cannot be read as a manifest."""
    try:
        document = json.loads(manifest or b"")
    except (ValueError, RecursionError):
        return None
    number = document.get("snapshot") if isinstance(document, dict) else None
    return number if type(number) is int else None
