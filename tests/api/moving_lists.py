"""A list of rows that changes between any two requests, served as documented or in other ways."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from referral_warehouse.api.client import ApiResponse, RawResponse
from referral_warehouse.api.concurrency_limit import ConcurrencyLimit
from referral_warehouse.api.query import Query
from referral_warehouse.errors import RequestRefused

COMPARE = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le, "equal": operator.eq}
Change = tuple[str, int]


@dataclass
class MovingList:
    """Rows ``{"id": …, "day": …}`` by id; ``changes`` happen one group before each request.

    A change is ``("delete", n)`` (the n-th row), ``("insert", day)`` or ``("touch", n)`` (it has a new day).
    ``ways`` are names of what this server does differently: see ``get``.
    """

    rows: dict[int, dict[str, Any]]
    changes: Iterator[list[Change]] = field(default_factory=lambda: iter(()))
    ways: frozenset[str] = frozenset()
    size: int = 3
    queries: list[Query] = field(default_factory=list)
    ever: set[int] = field(default_factory=set)
    concurrency: ConcurrencyLimit = field(default_factory=lambda: ConcurrencyLimit(3))

    def __post_init__(self) -> None:
        self.ever = set(self.rows)
        self.stayed = set(self.rows)
        self.next_id = max(self.rows, default=0) + 1
        self.ranks: dict[int, int] = {}

    def send(self, query: Query) -> RawResponse:
        """Respond as the client would, not decoded yet."""
        response = self.get(query)
        return RawResponse(json.dumps(response.payload).encode(), response.server_time, response.url_path, 1, 0.0)

    def get(self, query: Query, _server_error_attempts: int | None = None) -> ApiResponse:
        """Respond as the client would."""
        for what, number in next(self.changes, []):
            self._change(what, number)
        self.queries.append(query)
        listed = self._ordered(query, [row for row in self.rows.values() if self._passes(query, row)])
        wanted = query.per_page if query.per_page and "ignores per_page" not in self.ways else self.size
        size = min(wanted, self.size)
        start = (query.page - 1) * size
        shown = listed[start : start + size + ("oversizes pages" in self.ways)]
        last = max(-(-len(listed) // size), 1)
        meta: dict[str, Any] = {"total": len(listed), "last_page": last, "per_page": size}
        payload: dict[str, Any] = {"data": shown, "links": {"next": "…" if query.page < last else None}, "meta": meta}
        if "reports no meta" in self.ways:
            del payload["meta"], payload["links"]
        elif "reports the page's total" in self.ways:
            meta["total"] = len(shown)
        elif "reports one too many" in self.ways:
            meta["total"] += 1
        elif "reports a million" in self.ways:
            meta["total"] = 1_000_000
        return ApiResponse(payload, None, query.path, 1, 0.0)

    def _passes(self, query: Query, row: dict[str, Any]) -> bool:
        for at, condition in enumerate(query.filters):
            if condition.field == "id" and "refuses id filters" in self.ways:
                raise RequestRefused("no filter on id", 422)
            if "ignores filters" in self.ways or (at > 0 and "honours the first filter" in self.ways):
                continue
            if condition.field == "id" and "ignores id filters" in self.ways:
                continue
            if not COMPARE[condition.operator](row[condition.field], condition.value):
                return False
        return True

    def _ordered(self, query: Query, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if query.order is not None and "refuses order" in self.ways:
            raise RequestRefused("no order", 400)
        if "newest first" in self.ways:
            return sorted(rows, key=lambda row: -row["id"])
        if "oldest first" in self.ways:
            return sorted(rows, key=lambda row: row["id"])
        if "in odd order" in self.ways or query.order is None:
            # Any fixed order that has nothing to do with ids: new rows stand anywhere.
            return sorted(rows, key=lambda row: row["id"] * 7919 % 101)
        return sorted(rows, key=lambda row: row["id"], reverse=query.direction == "desc")

    def _change(self, what: str, number: int) -> None:
        ids = sorted(self.rows)
        if what == "insert":
            self.rows[self.next_id] = {"id": self.next_id, "day": number % 10}
            self.ever.add(self.next_id)
            self.next_id += 1
        elif ids and what == "delete":
            self.stayed.discard(ids[number % len(ids)])
            del self.rows[ids[number % len(ids)]]
        elif ids:
            identifier = ids[number % len(ids)]
            self.rows[identifier] = {"id": identifier, "day": number % 10}


def numbered_rows(ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Rows with these ids; the day goes from 0 to 9."""
    return {identifier: {"id": identifier, "day": identifier % 10} for identifier in ids}


Honours = Callable[[Any], bool]
