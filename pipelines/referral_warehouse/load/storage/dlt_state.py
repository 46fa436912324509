"""Reads the state that dlt keeps in its folder, and compares it with that of the load file.

Does not import dlt, which takes half a second: a run that finds nothing new needs only the state.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from referral_warehouse.load.storage.dlt_recovery import belongs, is_usable, pending_packages, recover
from referral_warehouse.load.storage.load_file import LoadFile
from referral_warehouse.load.storage.stored_rows import DATASET
from referral_warehouse.workspace.file_kinds import kind_of

PIPELINE_NAME = "referral_warehouse"
SOURCE_NAME = "referral_factory"
STATE_FORMAT = 4
"""``_state_engine_version`` of the dlt that is installed; dlt itself converts other formats."""


def cursors_of(state: Mapping[str, Any], stream: str) -> dict[str, Any]:
    """The cursors of a stream in dlt's state: a copy, empty before the first run."""
    sources: Mapping[str, Any] = state.get("sources") or {}
    return dict(sources.get(SOURCE_NAME, {}).get("resources", {}).get(stream, {}))


def is_same_as_stored(state: Mapping[str, Any], load_file: LoadFile) -> bool:
    """Whether the state is the newest one of the load file; an empty one where that has none."""
    stored: list[object] = []
    if "_dlt_pipeline_state" in load_file.rows.tables():
        stored = load_file.rows.column(
            f"select version_hash from {DATASET}._dlt_pipeline_state where pipeline_name = '{PIPELINE_NAME}' "
            "order by version desc, created_at desc limit 1"
        )
    return state.get("_version_hash") in stored if stored else not state.get("sources")


def usable_state(folder: Path, load_file: LoadFile) -> dict[str, Any] | None:
    """dlt's state, if dlt has nothing to do before the next package.

    Args:
        folder: where dlt keeps its folders.
        load_file: the open load file.

    Returns:
        The state, empty before the first package; None if a package is pending, or folder and load file may differ. The
        caller then opens the folder through dlt, which recovers it or reports what is wrong with it.
    """
    working_dir = folder / PIPELINE_NAME
    if kind_of(folder) is None and not any(name.startswith("_dlt_") for name in load_file.rows.tables()):
        return {}
    try:
        if not working_dir.is_dir() or folder.is_symlink() or not is_usable(working_dir):
            return None
        recover(working_dir)
        if pending_packages(working_dir) or not belongs(working_dir, load_file):
            return None
        state: dict[str, Any] = json.loads((working_dir / "state.json").read_text(encoding="utf-8"))
        is_current = (
            state["_state_engine_version"] == STATE_FORMAT
            and bool(state["sources"][SOURCE_NAME]["resources"])
            and is_same_as_stored(state, load_file)
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    return state if is_current else None
