"""Campaigns: a complete list; how often each page was viewed is kept apart, because it changes with every visit."""

from __future__ import annotations

from typing import ClassVar

import pyarrow as pa

from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.context import LoadContext
from referral_warehouse.load.records.schema import FETCHED_AT_FIELD, LoadStrategy, TableSchema, fields
from referral_warehouse.load.streams.complete_list import CompleteList

CAMPAIGN_REACH = TableSchema(
    "campaign_reach", fields("id:int", "reach:int"), stream="campaigns", technical=(FETCHED_AT_FIELD,)
)
"""How often the page of each campaign was viewed."""


class Campaigns(CompleteList):
    """Every campaign of the account."""

    name: ClassVar[str] = "campaigns"
    path: ClassVar[str] = "campaigns"
    section: ClassVar[str] = "Campaigns > Get All Campaigns"
    schema: ClassVar[TableSchema] = TableSchema(
        "campaigns",
        fields(
            "id:int:value", "name:text:key", "url:text", "code:text", "reach:int", "live:bool", "status:text",
            "starts_at:time", "ends_at:time",
        ),
        LoadStrategy.LIST_HISTORY,
        untracked=frozenset({"reach"}),
        impersonal=frozenset({"name", "url", "code", "status"}),
    )  # fmt: skip
    side_tables: ClassVar[tuple[TableSchema, ...]] = (CAMPAIGN_REACH,)

    def add_side_tables(self, ctx: LoadContext, rows: pa.Table, batch: LoadBatch) -> None:
        """Add the changed numbers of views."""
        reach = CAMPAIGN_REACH.arrow
        views = pa.Table.from_arrays([rows.column(name) for name in reach.names], schema=reach)
        batch.add(CAMPAIGN_REACH, ctx.rows.without_unchanged(CAMPAIGN_REACH.name, views))
