"""Requests single coupons by their names, and the batches that coupons belong to.

A coupon by its name is the only documented request. Knows no table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from referral_warehouse.api.pagination.paginator import Paginator
from referral_warehouse.api.query import Query, quote_segment
from referral_warehouse.api.responses import row_id
from referral_warehouse.errors import RequestRefused
from referral_warehouse.load.streams.coupon_schema import NEEDED_FIELDS

NAMES_TRIED_A_BATCH = 3


class CouponRequests:
    """Requests coupons by name; counts the names that were tried for each batch. Source: Coupons > Coupon Relations."""

    def __init__(self, paginator: Paginator) -> None:
        self._paginator = paginator
        self._tried: Counter[int] = Counter()

    def by_names(self, names: Sequence[str]) -> list[dict[str, Any] | None]:
        """Coupons with their batches, several requests at once; None for those that do not exist (any more).

        Web servers refuse some encoded names in different ways (400, 404, 405, a redirect): this affects only that
        coupon.
        """
        return list(self._paginator.fetch_objects(map(_query, names)))

    def complete(self, coupons: Sequence[tuple[Any, int | None]]) -> list[Any]:
        """The coupons of users, completed with the fields that they lack; several requests at once.

        A server may compare names without case, and return another coupon: nothing is taken from that one.

        Args:
            coupons: each with the id of the user it came with. What is no object is returned as it is.
        """
        lacking = [
            coupon["name"] if lacks_fields(coupon) and isinstance(coupon.get("name"), str) else None
            for coupon, _ in coupons
        ]
        details = iter(self.by_names([name for name in lacking if name is not None]))
        return [
            _completed(coupon, user, None if name is None else next(details))
            for (coupon, user), name in zip(coupons, lacking, strict=True)
        ]

    def batches(self, names: Mapping[int, Sequence[str]]) -> Iterator[tuple[int, dict[str, Any] | None]]:
        """Batches, found by the names of their coupons: one name of each batch first, all of them together.

        The second name of a batch is requested where the first one does not return it, and so on.

        Args:
            names: names of coupons by the id of their batch; a few are tried in a run.

        Yields: each batch with its id, in the order of ``names``; None where none of the names returns it.
        """
        found: dict[int, dict[str, Any]] = {}
        left = {batch_id: list(dict.fromkeys(candidates)) for batch_id, candidates in names.items()}
        while True:
            tried = {
                batch_id: candidates.pop(0)
                for batch_id, candidates in left.items()
                if batch_id not in found and candidates and self._tried[batch_id] < NAMES_TRIED_A_BATCH
            }
            if not tried:
                break
            self._tried.update(tried.keys())
            for batch_id, details in zip(tried, self.by_names(list(tried.values())), strict=True):
                batch = details.get("batch") if details is not None else None
                if isinstance(batch, dict) and row_id(batch) == batch_id:
                    found[batch_id] = batch
        for batch_id in names:
            yield batch_id, found.get(batch_id)


def lacks_fields(coupon: Any) -> bool:
    """Whether a coupon lacks a documented field."""
    return isinstance(coupon, dict) and not coupon.keys() >= NEEDED_FIELDS


def _completed(coupon: Any, user: int | None, details: dict[str, Any] | None) -> Any:
    if not isinstance(coupon, dict):
        return coupon
    if details is not None and ("id" not in coupon or row_id(details) == row_id(coupon)):
        coupon = {**details, **coupon}
    return coupon if "referral_id" in coupon else {**coupon, "referral_id": user}


def _query(name: str) -> Query | None:
    try:
        return Query(f"coupons/{quote_segment(name)}", relations=("batch",), per_page=None)
    except RequestRefused:
        return None
