"""Rewards due: the complete list of rewards that are owed now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pyarrow as pa

from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.context import ListAhead, LoadContext
from referral_warehouse.load.records.schema import TableSchema
from referral_warehouse.load.streams.complete_list import CompleteList
from referral_warehouse.load.streams.list_totals import totals_of
from referral_warehouse.load.streams.reward_schema import REWARDS_DUE, REWARDS_ISSUED


class RewardsDue(CompleteList):
    """Every reward that is due."""

    name: ClassVar[str] = "rewards_due"
    path: ClassVar[str] = "rewards/due"
    section: ClassVar[str] = "Rewards > Get Rewards Due"
    schema: ClassVar[TableSchema] = REWARDS_DUE

    def extract(self, ctx: LoadContext) -> Iterator[LoadBatch]:
        """Read the list, unless the run reads rewards issued: then both were read together, as of one time."""
        if REWARDS_ISSUED.name not in ctx.request.streams:
            yield from super().extract(ctx)
        else:
            ctx.report_progress(self.name)

    def lists_ahead(self, ctx: LoadContext) -> list[ListAhead] | None:
        """The list; no list where the run reads rewards issued, because that stream begins both."""
        return [] if REWARDS_ISSUED.name in ctx.request.streams else super().lists_ahead(ctx)

    def report_totals(self, ctx: LoadContext, rows: pa.Table) -> None:
        """Report how much is due, by the rows that the API returned."""
        ctx.report.stream(self.name).totals = totals_of(rows)
