"""The manifest of a publication: its number, times and versions, and the rows and checksum of every table.

Knows the feeds that it lists; knows nothing of databases and links.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from referral_warehouse.display_text import json_text
from referral_warehouse.warehouse.exports import Feed
from referral_warehouse.workspace.access import Access
from referral_warehouse.workspace.current_snapshot import LARGEST_NUMBER, database_name, feeds_name
from referral_warehouse.workspace.durable_files import replaced_file
from referral_warehouse.workspace.file_kinds import read_regular, set_aside_unless_file

SCHEMA_VERSION = 4
"""Grows when a published column changes its name, type or meaning; new columns and tables leave it."""

TABLE_NAME = re.compile(r"[a-z_]+\.[a-z0-9_]+")
ORIGIN_KEYS = (
    "synced_at",
    "built_at",
    "load_version",
    "models_version",
    "waiting_changes",
    "reward_units",
    "unit_terms",
    "personal_columns",
    "streams",
)


def manifest_of(number: int, origin: Mapping[str, Any], feeds: list[Feed]) -> dict[str, Any]:
    """What readers of a publication may rely on; the order of keys is fixed. Paths begin at the published directory.

    ``origin`` holds synced_at (the server's time of the last observation, which is also the newest ``observed_at`` in
    ``ops.runs``), built_at (this machine's), both UTC, and the versions of what it was built from: load_version and
    models_version; waiting_changes counts reward changes that wait for a sync of both reward lists; reward_units is the
    setting of that name; unit_terms has each unit of the setting settles_on with its word and the days of
    expires_after_days. personal_columns says where personal columns have values, as warehouse.personal does. streams
    are those of the setting of that name, null where all are loaded: the tables of the others are empty. current_at is
    when a sync last found nothing newer (the server's time). Only this value changes without a publication. accounts,
    where several are published together, has the snapshot of each with its times; synced_at and current_at are then
    those of the oldest data, waiting_changes is the sum, models_version is null where they differ, and load_version,
    reward_units, unit_terms and streams are empty.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "snapshot": number,
        "warehouse": database_name(number),
        **{key: origin.get(key) for key in ORIGIN_KEYS},
        "current_at": origin.get("synced_at"),
        **({"accounts": origin["accounts"]} if "accounts" in origin else {}),
        "tables": {
            feed.table: {
                "rows": feed.rows,
                "feed": f"{feeds_name(number)}/{feed.file_name}",
                "checksum": f"sha256:{feed.sha256}",
            }
            for feed in sorted(feeds, key=lambda feed: feed.table)
        },
    }


def write_manifest(path: Path, manifest: Mapping[str, Any], access: Access, *, is_frozen: bool = False) -> None:
    """Write a JSON document for its readers, so that they see the old one or the new one, never half.

    Args: ``is_frozen`` is for the manifest of a snapshot, which nobody changes.
    Raises: ConfigurationError, OSError.
    """
    if path.is_dir():
        set_aside_unless_file(path)
    with replaced_file(path) as (stream, temporary):
        stream.write((json_text(dict(manifest), indent=True) + "\n").encode())
        (access.frozen_file if is_frozen else access.file)(temporary)


def read_manifest(path: Path) -> dict[str, Any] | None:
    """The manifest, or None where there is none or it is not readable as one (then it is written anew)."""
    try:
        document = json.loads((read_regular(path) or b"").decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return document if _is_manifest(document) else None


def _is_manifest(document: Any) -> bool:
    """Whether all that is read from a manifest is of the kind that was written."""
    if not isinstance(document, dict):
        return False
    number, tables = document.get("snapshot"), document.get("tables")
    return (
        type(number) is int
        and 0 < number < LARGEST_NUMBER
        and isinstance(tables, dict)
        and all(
            TABLE_NAME.fullmatch(name) is not None
            and isinstance(table, dict)
            and type(table.get("rows")) is int
            and table.get("feed") in (f"{feeds_name(number)}/{name}.parquet", f"feeds/{name}.parquet")
            and isinstance(table.get("checksum"), str)
            for name, table in tables.items()
        )
        and all(document.get(key) is None or _is_time(document[key]) for key in ("synced_at", "built_at", "current_at"))
    )


def _is_time(value: Any) -> bool:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True
