"""What a killed process leaves in dlt's folder, and when the folder is not to be trusted at all.

Knows dlt's folder and the load file, not how packages are made. The load file is the truth: a package or a cursor that
lies in the folder alone was never loaded, so losing it costs calls and nothing else.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from pipelines.load.loadfile import DATASET, LoadFile

KEPT_PACKAGES = 10
NAMELESS = re.compile(r"[0-9a-f]{8,}")  # what dlt writes beside a file before it takes its place


def heal(working_dir: Path) -> None:
    """Undo the half-steps that dlt cannot resume, and sweep up what nobody will use.

    A package counts from its rename into ``load/normalized`` on. One that was only extracted goes: dlt would normalise
    it with whatever schema it had saved last, and the boundary of the versions in it would be the one before (or refuse
    it, where the same load id is already normalised). Its rows are read again.
    """
    for leftover in _entries(working_dir / "normalize"):
        _remove(leftover)
    for leftover in _entries(working_dir / "load" / "new"):
        _remove(leftover)
    for folder in (working_dir, working_dir / "schemas", working_dir / "load"):
        for entry in _entries(folder):
            if entry.is_file() and NAMELESS.fullmatch(entry.name):
                entry.unlink()
    for package in _loaded(working_dir)[:-KEPT_PACKAGES]:
        shutil.rmtree(package)


def belongs(working_dir: Path, load_file: LoadFile) -> bool:
    """Whether dlt's folder speaks of this load file, and can be read.

    It does not when the file was lost, or restored from a backup that is older: then it lacks a package that the folder
    has seen loaded.
    """
    if not all(map(_is_json, [working_dir / "state.json", *(working_dir / "schemas").glob("*.json")])):
        return False
    loaded = [package.name for package in _loaded(working_dir) if _was_loaded(package)]
    if not loaded:
        return True
    if "_dlt_loads" not in load_file.tables():
        return False
    return loaded[-1] in load_file.column(f"select load_id from {DATASET}._dlt_loads")


def _loaded(working_dir: Path) -> list[Path]:
    """Packages that dlt is through with, the oldest first: their names are times."""
    return sorted(_entries(working_dir / "load" / "loaded"), key=lambda package: package.name)


def _was_loaded(package: Path) -> bool:
    try:
        return "aborted" not in (package / "package_completed.json").read_text(encoding="utf-8")
    except OSError:
        return False


def _is_json(path: Path) -> bool:
    try:
        return isinstance(json.loads(path.read_bytes()), dict)
    except FileNotFoundError:
        return True
    except ValueError:
        return False


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _remove(entry: Path) -> None:
    if entry.is_dir():
        shutil.rmtree(entry)
    else:
        entry.unlink()
