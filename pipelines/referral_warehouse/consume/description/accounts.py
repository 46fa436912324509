"""The description of what several accounts publish together: ``account`` in front of every table and key."""

from __future__ import annotations

from dataclasses import replace

from referral_warehouse.consume.description.describe import table_of
from referral_warehouse.consume.description.model import Column, Description
from referral_warehouse.warehouse.accounts.union import ACCOUNT_COMMENT, ACCOUNTS_TABLE, COLUMNS, TABLE_HEADER
from referral_warehouse.warehouse.models import ACCOUNT_COLUMN


def with_accounts(description: Description) -> Description:
    """The same description for several accounts, with the table ``ops.accounts``."""
    account = Column(ACCOUNT_COLUMN, "VARCHAR", ACCOUNT_COMMENT)
    tables = [
        replace(table, columns=(account, *table.columns), key=(ACCOUNT_COLUMN, *table.key))
        for table in description.tables
    ]
    columns = [(name, kind.upper(), comment) for name, (kind, comment) in COLUMNS.items()]
    place = next((n for n, table in enumerate(tables) if table.layer == "ops"), len(tables))
    return replace(
        description,
        tables=(*tables[:place], table_of(ACCOUNTS_TABLE, TABLE_HEADER, columns), *tables[place:]),
    )
