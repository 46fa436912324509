"""The description of what several accounts publish together: ``account`` in front of every table and key."""

from __future__ import annotations

from dataclasses import replace

from referral_warehouse.consume.description.model import Column, Description, Table
from referral_warehouse.warehouse.accounts.union import ACCOUNT_COMMENT, ACCOUNTS_TABLE, COLUMNS, TABLE_WORDS
from referral_warehouse.warehouse.models import ACCOUNT_COLUMN


def with_accounts(description: Description) -> Description:
    """The same description for several accounts, with the table ``ops.accounts``."""
    account = Column(ACCOUNT_COLUMN, "VARCHAR", ACCOUNT_COMMENT)
    tables = [
        replace(table, columns=(account, *table.columns), key=(ACCOUNT_COLUMN, *table.key))
        for table in description.tables
    ]
    listed = Table(
        name=ACCOUNTS_TABLE, description=TABLE_WORDS["description"], grain=TABLE_WORDS["grain"], money="", time="",
        questions=tuple(f"{text.strip()}?" for text in TABLE_WORDS["answers"].split("?") if text.strip()), wrong="",
        key=(ACCOUNT_COLUMN,), references=(),
        columns=tuple(Column(name, kind.upper(), comment) for name, (kind, comment) in COLUMNS.items()),
    )  # fmt: skip
    place = next((n for n, table in enumerate(tables) if table.layer == "ops"), len(tables))
    return replace(description, tables=(*tables[:place], listed, *tables[place:]))


def is_of_accounts(table: Table) -> bool:
    """Whether rows of several accounts are in a table: ids identify a row together with the account only."""
    return bool(table.columns) and table.columns[0].name == ACCOUNT_COLUMN
