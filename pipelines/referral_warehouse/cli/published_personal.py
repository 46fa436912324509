"""Published rows under the names of the raw table that they come from, so that a change of stored rows fits them."""

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
    """Columns of a published table by the name that they have in the raw table, where that is another one."""
    return {"extra": "_extra", **RENAMED.get(table, {})}


def on_published(change: Callable[[Any, Any], Any]) -> Callable[[str, Any], Any]:
    """A change of rows of a raw table, given its schema, as one of published rows, given their table; all in Arrow."""
    from referral_warehouse.load.registry import TABLES

    def changed(table: str, rows: Any) -> Any:
        names = raw_names(table)
        renamed = rows.rename_columns([names.get(name, name) for name in rows.column_names])
        found = change(TABLES[table.partition(".")[2]], renamed)
        return found.rename_columns(rows.column_names)

    return changed
