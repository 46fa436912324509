"""Filters and pages over rows that are rendered already: an id range is a slice, a day window a binary search.

Knows the documented query parameters and envelope, nothing of HTTP. What it does not know it refuses (BadQuery), so
that a request nobody thought of shows up in the bench instead of being answered with everything.
"""

from __future__ import annotations

import json
import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

DEFAULT_PER_PAGE, MAX_PER_PAGE = 25, 250
DAY = re.compile(r"\d{4}-\d\d-\d\d")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
PARAMETER = re.compile(
    r"page|per_page|order\[(?:field|direction)\]|with(?:\[\])?|filters\[\d+\]\[(?:field|operator|value)\]"
)
WITHOUT_CODE = ("rewards/due", "rewards/issued")


class BadQuery(Exception):
    """A parameter that the documentation or this server does not know."""


class Filter(NamedTuple):
    field: str
    operator: str
    value: str


class Query(NamedTuple):
    filters: tuple[Filter, ...]
    is_descending: bool
    with_coupon: bool
    page: int
    per_page: int


def read_query(pairs: Sequence[tuple[str, str]], relations: Sequence[str] = ("coupon",)) -> Query:
    """Decoded query pairs → what is asked. Raises: BadQuery."""
    for name, _ in pairs:
        if not PARAMETER.fullmatch(name):
            raise BadQuery(f"unknown parameter {name}")
    asked = dict(pairs)
    wanted = {value for name, value in pairs if name.startswith("with")}
    if not wanted <= set(relations):
        raise BadQuery(f"relations {sorted(wanted)}")
    if asked.get("order[field]", "id") != "id":
        raise BadQuery(f"order by {asked['order[field]']}")
    numbers = {int(found[1]) for name in asked if (found := re.match(r"filters\[(\d+)\]", name))}
    filters = tuple(
        Filter(
            asked.get(f"filters[{n}][field]", ""),
            asked.get(f"filters[{n}][operator]", "equal"),
            asked.get(f"filters[{n}][value]", ""),
        )
        for n in sorted(numbers)
    )
    try:
        page, per_page = int(asked.get("page", "1")), int(asked.get("per_page", DEFAULT_PER_PAGE))
    except ValueError:
        raise BadQuery("page and per_page are numbers") from None
    is_descending = asked.get("order[direction]", "asc") == "desc"
    return Query(filters, is_descending, bool(wanted), max(page, 1), min(max(per_page, 1), MAX_PER_PAGE))


class Rows:
    """The rows of one list, as one string of bytes and the places where they begin."""

    def __init__(self, dates: Sequence[str] = (), flags: Sequence[str] = (), words: Sequence[str] = ()) -> None:
        self._bytes = bytearray()
        self._starts = array("Q", [0])
        self._coupons: dict[int, bytes] = {}
        self._moments: dict[str, list[tuple[str, int]]] = {name: [] for name in dates}
        self._flags: dict[str, bytearray] = {name: bytearray() for name in flags}
        self._words: dict[str, dict[str, set[int]]] = {name: {} for name in words}
        self._hidden, self._page_rows = 0, MAX_PER_PAGE
        self._select = lru_cache(maxsize=64)(self._select_uncached)

    def __len__(self) -> int:
        return len(self._starts) - 1 - self._hidden

    def add(self, row: dict[str, object]) -> None:
        rendered = json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()
        for name, places in self._words.items():
            places.setdefault(str(row[name]), set()).add(len(self))
        moments = [row[name] for name in self._moments]
        self.add_rendered(rendered, [None if m is None else str(m) for m in moments])

    def add_rendered(
        self, row: bytes, moments: Sequence[str | None], flags: Sequence[bool] = (), coupon: bytes | None = None
    ) -> None:
        position = len(self)
        self._bytes += row + b","
        self._starts.append(len(self._bytes))
        for column, moment in zip(self._moments.values(), moments, strict=True):
            if moment is not None:
                column.append((moment, position))
        for flag_column, flag in zip(self._flags.values(), flags, strict=True):
            flag_column.append(flag)
        if coupon is not None:
            self._coupons[position] = coupon

    def seal(self, hidden: int = 0, page_rows: int = MAX_PER_PAGE) -> None:
        """Sort the date columns; call after the last row.

        Args:
            hidden: how many of the last rows are not served; another call may show them.
            page_rows: the most rows of a page.
        """
        self._hidden, self._page_rows = hidden, page_rows
        self._select.cache_clear()
        for column in self._moments.values():
            column.sort()

    def page(self, path: str, base_url: str, query: Query) -> bytes:
        """One page in the documented envelope; links carry the page alone, as the documentation's samples show."""
        chosen = self._select(query.filters)
        query = query._replace(per_page=min(query.per_page, self._page_rows))
        total, last_page = len(chosen), max(-(-len(chosen) // query.per_page), 1)
        first = (query.page - 1) * query.per_page
        wanted = (chosen[::-1] if query.is_descending else chosen)[first : first + query.per_page]
        url = f"{base_url}/{path}"
        links = {
            "first": f"{url}?page=1",
            "last": f"{url}?page={last_page}",
            "prev": f"{url}?page={query.page - 1}" if query.page > 1 else None,
            "next": f"{url}?page={query.page + 1}" if query.page < last_page else None,
        }
        meta = {
            "current_page": query.page,
            "from": first + 1 if wanted else None,
            "last_page": last_page,
            "path": url,
            "per_page": query.per_page,
            "to": first + len(wanted) if wanted else None,
            "total": total,
        }
        rest: dict[str, object] = {"links": links, "meta": meta}
        if path not in WITHOUT_CODE:
            rest |= {"code": 200, "message": "Paginated rewards response" if path == "rewards" else None}
        tail = json.dumps(rest, separators=(",", ":")).encode()
        return b'{"data":[' + self._rendered(wanted, query.with_coupon) + b"]," + tail[1:]

    def _rendered(self, wanted: Sequence[int], with_coupon: bool) -> bytes:
        starts = self._starts
        if isinstance(wanted, range) and wanted.step == 1 and not with_coupon:
            return bytes(memoryview(self._bytes)[starts[wanted.start] : starts[wanted.stop] - 1]) if wanted else b""
        rows = [self._bytes[starts[position] : starts[position + 1] - 1] for position in wanted]
        if with_coupon:
            found = (self._coupons.get(position, b"null") for position in wanted)
            rows = [row[:-1] + b',"coupon":' + coupon + b"}" for row, coupon in zip(rows, found, strict=True)]
        return b",".join(rows)

    def _select_uncached(self, filters: tuple[Filter, ...]) -> Sequence[int]:
        """The positions that all filters leave, in id order; a range where only ids are asked for."""
        low, high = 0, len(self)
        columns: list[set[int]] = []
        for name, operator, value in filters:
            if name == "id":
                first, end = _id_window(operator, value)
                low, high = max(low, first), min(high, end)
            elif name in self._moments:
                columns.append(self._in_window(name, operator, value))
            elif name in self._words and operator == "equal":
                columns.append(self._words[name].get(value, set()))
            elif name in self._flags and operator == "equal" and value in ("0", "1", "true", "false"):
                wanted = value in ("1", "true")
                columns.append({position for position, flag in enumerate(self._flags[name]) if flag == wanted})
            else:
                raise BadQuery(f"filter {name} {operator} {value}")
        if not columns:
            return range(low, max(low, high))
        return sorted(position for position in set.intersection(*columns) if low <= position < high)

    def _in_window(self, name: str, operator: str, value: str) -> set[int]:
        """A plain day means its midnight, so ``gt`` and ``gte`` differ by that instant only."""
        instant = f"{value}T00:00:00.000000Z" if DAY.fullmatch(value) else value
        if not INSTANT.fullmatch(instant):
            raise BadQuery(f"{name}: {value} is no day")
        column = self._moments[name]
        before, behind = bisect_left(column, (instant, -1)), bisect_right(column, (instant, len(self)))
        bounds = {
            "gte": (before, None),
            "gt": (behind, None),
            "lt": (0, before),
            "lte": (0, behind),
            "equal": (before, behind),
        }
        if operator not in bounds:
            raise BadQuery(f"{name} {operator}")
        return {position for _, position in column[slice(*bounds[operator])]}


def _id_window(operator: str, value: str) -> tuple[int, int]:
    """Ids are positions plus one: the half-open window of positions."""
    try:
        number = int(value)
    except ValueError:
        raise BadQuery(f"id {value}") from None
    everything = 2**63
    windows = {
        "equal": (number - 1, number),
        "gt": (number, everything),
        "gte": (number - 1, everything),
        "lt": (0, number - 1),
        "lte": (0, number),
    }
    if operator not in windows:
        raise BadQuery(f"id {operator}")
    return windows[operator]
