"""Renames columns of published rows as in the raw table that they come from, so that one change fits both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

RENAMED = {
    "core.users": {"user_id": "id"},
    "core.coupons": {"user_id": "referral_id"},
    "ops.quarantine": {"record": "raw"},
}
"""Columns of published tables that have another name in the raw table; ``extra`` is ``_extra`` everywhere."""


def raw_names(table: str) -> dict[str, str]:
    """Published column → raw column, for the columns whose names differ."""
    return {"extra": "_extra", **RENAMED.get(table, {})}


def on_published(change: Callable[[Any, Any], Any]) -> Callable[[str, Any], Any]:
    """Make a change of raw rows (schema, rows) applicable to published rows (table, rows); rows are Arrow tables."""
    from referral_warehouse.load.registry import TABLES

    def changed(table: str, rows: Any) -> Any:
        names = raw_names(table)
        renamed = rows.rename_columns([names.get(name, name) for name in rows.column_names])
        found = change(TABLES[table.partition(".")[2]], renamed)
        return found.rename_columns(rows.column_names)

    return changed
