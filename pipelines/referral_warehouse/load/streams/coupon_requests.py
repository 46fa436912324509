"""Requests single coupons by their names, and the batches that coupons belong to.

A coupon by its name is the only documented request. Knows no table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from referral_warehouse.api.pagination.paginator import Paginator
from referral_warehouse.api.query import Query, quote_segment
from referral_warehouse.api.responses import row_id
from referral_warehouse.errors import RequestRefused
from referral_warehouse.load.streams.coupon_schema import NEEDED_FIELDS

NAMES_TRIED_A_BATCH = 3


class CouponRequests:
    """Requests coupons by name. Source: Coupons > Coupon Relations."""

    def __init__(self, paginator: Paginator) -> None:
        self._paginator = paginator

    def by_names(self, names: Sequence[str]) -> list[dict[str, Any] | None]:
        """Coupons with their batches, several requests at once; None for those that do not exist (any more).

        Web servers refuse some encoded names in different ways (400, 404, 405, a redirect): this affects only that
        coupon.
        """
        return list(self._paginator.fetch_objects(map(_query, names)))

    def complete(self, coupon: dict[str, Any], user: dict[str, Any]) -> dict[str, Any]:
        """A coupon of a user, completed with the fields that it lacks."""
        name = coupon.get("name")
        if not coupon.keys() >= NEEDED_FIELDS and isinstance(name, str):
            details = self.by_names([name])[0]
            if details is not None:
                coupon = {**details, **coupon}
        if coupon.get("referral_id") is None and "referral_id" not in coupon:
            coupon = {**coupon, "referral_id": row_id(user)}
        return coupon

    def batch(self, batch_id: int, names: Sequence[str]) -> dict[str, Any] | None:
        """A batch, found by the names of its coupons (a few are tried); None where none of them returns it."""
        for name in names[:NAMES_TRIED_A_BATCH]:
            details = self.by_names([name])[0]
            batch = details.get("batch") if details is not None else None
            if isinstance(batch, dict) and row_id(batch) == batch_id:
                return batch
        return None


def _query(name: str) -> Query | None:
    try:
        return Query(f"coupons/{quote_segment(name)}", relations=("batch",), per_page=None)
    except RequestRefused:
        return None
