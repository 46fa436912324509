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


def rows_of_account(account: str, change: Callable[[str, Any], Any], *, has_unnamed: bool) -> Callable[[str, Any], Any]:
    """A change of published rows as one of the rows of one account, where several are published together.

    Args:
        account: the account whose rows change.
        change: makes the new rows of a published table.
        has_unnamed: whether rows without the name of an account, of earlier snapshots, are of this account too.
    """
    from referral_warehouse.warehouse.models import ACCOUNT_COLUMN

    def changed(table: str, rows: Any) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        if ACCOUNT_COLUMN not in rows.column_names:
            return change(table, rows) if has_unnamed else rows
        is_own = pc.equal(rows[ACCOUNT_COLUMN], account)
        own = rows.filter(is_own)
        found = change(table, own.drop_columns([ACCOUNT_COLUMN])).add_column(
            rows.column_names.index(ACCOUNT_COLUMN), ACCOUNT_COLUMN, own[ACCOUNT_COLUMN]
        )
        return pa.concat_tables([rows.filter(pc.invert(is_own)), found.cast(rows.schema)])

    return changed
