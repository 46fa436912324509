"""Recovers dlt's folder after a killed process, and detects a folder that cannot be used.

Knows dlt's folder and the load file, not how packages are made. The load file is authoritative: a package or a
cursor that is in the folder alone was never loaded, so losing it costs only calls.
"""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from referral_warehouse.errors import DataRefused, LoadFileDamaged, ReferralsError, causes
from referral_warehouse.load.storage.load_file import LoadFile
from referral_warehouse.load.storage.stored_rows import DATASET
from referral_warehouse.workspace.disk_space import disk_full_error
from referral_warehouse.workspace.file_kinds import kind_of, remove_or_raise

KEPT_PACKAGES = 10
VERSION_NAME = ".version"
FILE_SUFFIXES = frozenset({".json", ".pickle", ".parquet", ".typed-jsonl", ".gz"})
TEMPORARY_NAME = re.compile(r"[0-9a-f]{8,}")  # dlt's temporary files, before they replace others


def recover(working_dir: Path) -> None:
    """Undo the incomplete steps that dlt cannot resume, and remove what is not used any more.

    A package is kept from its rename into ``load/normalized`` on. One that was only extracted is removed, and its rows
    are read again: dlt would normalise it with the schema that it saved last, which has the boundary time of the
    package before, so that its versions would begin too early; or dlt would refuse it, where the same load id is
    already normalised.
    """
    for leftover in _entries(working_dir / "normalize"):
        remove_or_raise(leftover)
    for leftover in _entries(working_dir / "load" / "new"):
        remove_or_raise(leftover)
    for folder in (working_dir, working_dir / "schemas", working_dir / "load"):
        for entry in _entries(folder):
            if entry.is_file() and TEMPORARY_NAME.fullmatch(entry.name):
                entry.unlink()
    for package in _loaded(working_dir)[:-KEPT_PACKAGES]:
        remove_or_raise(package)


def is_usable(working_dir: Path) -> bool:
    """Whether everything in dlt's folder can be opened: a pipe blocks dlt, and a directory instead of a file fails.

    The content of the files is checked by dlt itself; see ``may_be_caused_by_folder``.
    """
    if kind_of(working_dir) is None:
        return True
    if not all(kind_of(folder) in (None, "a directory") for folder in (working_dir, *_folders(working_dir))):
        return False
    for entry in working_dir.rglob("*"):
        if entry.is_symlink() or kind_of(entry) not in ("a file", "a directory"):
            return False
        if entry.is_dir() and (entry.suffix in FILE_SUFFIXES or entry.name == VERSION_NAME):
            return False
    return True


def may_be_caused_by_folder(error: BaseException) -> bool:
    """Whether an error of dlt may come from its folder, so that a new folder may help.

    Replacing the folder loses no data, so only errors with another known cause are excluded: a full disk, a load file
    that is damaged or in use, the user's own signal.
    """
    found = list(causes(error))
    if disk_full_error(error, "") is not None or not all(isinstance(cause, Exception) for cause in found):
        return False
    if isinstance(error, (duckdb.Error, LoadFileDamaged)):
        return False
    return isinstance(error, DataRefused) or not isinstance(error, ReferralsError)


def _folders(working_dir: Path) -> list[Path]:
    names = ("schemas", "normalize", "normalize/extracted", "load", "load/new", "load/normalized", "load/loaded")
    return [working_dir / name for name in names]


def belongs(working_dir: Path, load_file: LoadFile) -> bool:
    """Whether dlt's folder belongs to this load file.

    It does not when the file was lost, or restored from an older backup: then the file lacks a package that the folder
    has as loaded.
    """
    loaded = [package.name for package in _loaded(working_dir) if _was_loaded(package)]
    if not loaded:
        return True
    if "_dlt_loads" not in load_file.rows.tables():
        return False
    return loaded[-1] in load_file.rows.column(f"select load_id from {DATASET}._dlt_loads")


def pending_packages(working_dir: Path) -> list[Path]:
    """Packages that were normalised and not loaded."""
    return _entries(working_dir / "load" / "normalized")


def _loaded(working_dir: Path) -> list[Path]:
    """Completed packages, the oldest first: their names are times."""
    return sorted(_entries(working_dir / "load" / "loaded"), key=lambda package: package.name)


def _was_loaded(package: Path) -> bool:
    try:
        return "aborted" not in (package / "package_completed.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
