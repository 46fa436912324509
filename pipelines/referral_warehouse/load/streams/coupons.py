"""Coupons: assigned ones are returned with their users; this stream adds the unassigned ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.context import LoadContext
from referral_warehouse.load.records.schema import TableSchema
from referral_warehouse.load.refresh_log import RefreshRound
from referral_warehouse.load.streams.coupon_reader import CouponReader
from referral_warehouse.load.streams.coupon_schema import COUPON_BATCHES, COUPONS
from referral_warehouse.load.streams.stream import Stream
from referral_warehouse.load.streams.unassigned_coupons import UnassignedCoupons


class Coupons(Stream):
    """Every known coupon: with users, from a list, or by name."""

    name: ClassVar[str] = "coupons"
    path: ClassVar[str] = "coupons"
    section: ClassVar[str] = "Coupons > Coupon Relations"
    schema: ClassVar[TableSchema] = COUPONS
    side_tables: ClassVar[tuple[TableSchema, ...]] = (COUPON_BATCHES,)
    requires: ClassVar[tuple[str, ...]] = ("users",)
    compared_by: ClassVar[str | None] = None

    def extract(self, ctx: LoadContext) -> Iterator[LoadBatch]:
        """Read the coupons that are in no user; the others are in the batches of ``users``."""
        yield UnassignedCoupons(ctx).read()

    def refresh_round(self, ctx: LoadContext) -> RefreshRound:
        """Every coupon was read where a list or a sweep found all that are known; others age until the next sweep."""
        report, complete_at = ctx.report.stream(self.name), None
        if report.is_complete:
            complete_at = report.observed_at
        elif ctx.report.swept and not ctx.shared(CouponReader).missing():
            complete_at = ctx.report.stream("users").observed_at
        return RefreshRound(complete_at, ctx.settings.sweep_every_days)
