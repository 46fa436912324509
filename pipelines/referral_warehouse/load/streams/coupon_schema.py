"""The raw tables of coupons and of the batches that they belong to."""

from __future__ import annotations

from referral_warehouse.load.records.schema import TableSchema, fields

COUPONS = TableSchema(
    "coupons",
    fields("id:int:value", "name:text:value", "referral_id:int", "batch_id:int", "issued_at:time", "used_at:time"),
    impersonal=frozenset({"name"}),
    person="referral_id",
)
COUPON_BATCHES = TableSchema(
    "coupon_batches", fields("id:int:value", "name:text", "campaign_id:int", "created_at:time"), stream="coupons",
    impersonal=frozenset({"name"}),
)  # fmt: skip
NEEDED_FIELDS = frozenset(field.name for field in COUPONS.fields)
"""A coupon without one of these is requested by its name."""
