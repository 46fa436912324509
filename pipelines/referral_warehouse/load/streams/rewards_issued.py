"""Rewards issued: rows gain versions as they are completed, and a tombstone when they leave the list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.context import ListAhead, LoadContext
from referral_warehouse.load.records.schema import TableSchema
from referral_warehouse.load.refresh_log import RefreshRound
from referral_warehouse.load.streams.reward_lists import RewardLists
from referral_warehouse.load.streams.reward_schema import REWARDS_DUE, REWARDS_ISSUED
from referral_warehouse.load.streams.rewards_due import RewardsDue
from referral_warehouse.load.streams.stream import Stream


class RewardsIssued(Stream):
    """Every reward that was issued or is in process. It is reconciled while it is read."""

    name: ClassVar[str] = "rewards_issued"
    path: ClassVar[str] = "rewards/issued"
    section: ClassVar[str] = "Rewards > Get Rewards Issued"
    schema: ClassVar[TableSchema] = REWARDS_ISSUED
    cursors: ClassVar[tuple[str, ...]] = ("issued_at",)

    def extract(self, ctx: LoadContext) -> Iterator[LoadBatch]:
        """Read what is new or may have changed, and with it the rewards due, if the run loads both.

        Yields:
            One batch, with the rows of both.

        Raises:
            DataRefused: when the counts contradict the list although nothing changes.
        """
        yield self._lists(ctx).read()

    def lists_ahead(self, ctx: LoadContext) -> list[ListAhead] | None:
        """Both lists where they are read completely; None otherwise: the queries for new rows depend on stored rows.

        Rewards due are second: one that is issued after the other list was read is then not in both.
        """
        if not self._lists(ctx).is_read_completely:
            return None
        lists = [ListAhead(self.name, self.query)]
        due = RewardsDue()
        return [*lists, ListAhead(due.name, due.query)] if due.name in ctx.request.streams else lists

    def _lists(self, ctx: LoadContext) -> RewardLists:
        due = RewardsDue() if REWARDS_DUE.name in ctx.request.streams else None
        return RewardLists(ctx, self.query, due)

    def refresh_round(self, ctx: LoadContext) -> RefreshRound:
        """Undated rows and those dated lately are read by every sync, the others by sweeps."""
        report, settings = ctx.report.stream(self.name), ctx.settings
        complete_at = report.observed_at if report.is_complete else None
        return RefreshRound(complete_at, settings.sweep_every_days, settings.issued_lookback_days)
