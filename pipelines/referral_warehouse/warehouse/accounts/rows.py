"""Changes the rows of one account in what several accounts published together. Knows Arrow tables, no file."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from referral_warehouse.warehouse.models import ACCOUNT_COLUMN


def rows_of_account(
    others: Collection[str], change: Callable[[str, Any], Any], *, has_unnamed: bool
) -> Callable[[str, Any], Any]:
    """A change of published rows as one of the rows of one account, where several are published together.

    Args:
        others: the other accounts of the settings. Rows with any other name are this account's: it may have been
            renamed since.
        change: makes the new rows of a published table.
        has_unnamed: whether rows without the name of an account, of earlier snapshots, are of this account too.
    """

    def changed(table: str, rows: Any) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        if ACCOUNT_COLUMN not in rows.column_names:
            return change(table, rows) if has_unnamed else rows
        is_own = pc.invert(pc.is_in(rows[ACCOUNT_COLUMN], pa.array(sorted(others), pa.string())))
        own = rows.filter(is_own)
        found = change(table, own.drop_columns([ACCOUNT_COLUMN])).add_column(
            rows.column_names.index(ACCOUNT_COLUMN), ACCOUNT_COLUMN, own[ACCOUNT_COLUMN]
        )
        return pa.concat_tables([rows.filter(pc.invert(is_own)), found.cast(rows.schema)])

    return changed
