"""Helpers of the pagination tests: paginators over lists that change while they are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from referral_warehouse.api.client import Client
from referral_warehouse.api.concurrency_limit import ConcurrencyLimit
from referral_warehouse.api.pagination.paginator import Paginator
from referral_warehouse.api.query import Filter, Query
from referral_warehouse.api.responses import Page
from tests.api.moving_lists import MovingList

LIST = Query("users")
SINCE = Filter("day", "gte", 5)


def paginator_of(moving: MovingList, concurrency: int = 3) -> Paginator:
    # The paginator only needs responses; test_request_fallback and end_to_end/test_quirks use real sockets.
    moving.concurrency = ConcurrencyLimit(concurrency)
    return Paginator(cast(Client, moving))


def kept(pages: Iterator[Page]) -> dict[int, Any]:
    """The rows of all pages by id, without those before a restart."""
    rows: dict[int, Any] = {}
    for page in pages:
        if page.restart:
            rows.clear()
        rows.update((row["id"], row) for row in page.rows)
    return rows


def honours(row: Any) -> bool:
    return bool(row["day"] >= 5)


WAYS = [
    (),
    ("ignores per_page",),
    ("oversizes pages",),
    ("reports no meta",),
    ("newest first",),
    ("oldest first",),
    ("in odd order",),
    ("refuses order",),
    ("ignores filters",),
    ("ignores id filters",),
    ("refuses id filters",),
    ("honours the first filter",),
    ("reports the page's total",),
    ("reports one too many",),
    ("reports no meta", "newest first"),
    ("reports no meta", "in odd order"),
    ("reports no meta", "ignores filters"),
    ("refuses id filters", "in odd order"),
    ("refuses id filters", "oversizes pages"),
    ("refuses order", "refuses id filters"),
]
