"""Reads the envelopes of lists and single responses without doing I/O: rows, counts and where the list ends.

Knows neither how a response was fetched nor what its rows mean. ``links`` are never followed (they drop the query);
sizes are those of ``meta`` where it is present.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeGuard

from referral_warehouse.api.client import ApiResponse
from referral_warehouse.api.numbers import INT64, Oversized, brief, whole_number
from referral_warehouse.errors import BadEnvelope

MAX_ROWS = 500_000_000
"""The most rows, or pages, that a list may report; a larger number is refused. Lists whose rows are counted have pages
of one row."""
MAX_KEY_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list. ``total`` and ``last_page`` are None where ``meta`` lacks them.

    ``has_next`` is whether the response links to a further page. Pagination sets ``is_last`` (nothing follows) and
    ``restart`` (a new pass: discard the earlier pages). ``label`` names the request in error messages.
    """

    rows: list[Any]
    total: int | None
    last_page: int | None
    server_time: datetime | None
    has_next: bool = False
    is_last: bool = False
    restart: bool = False
    label: str = field(default="", compare=False)

    @property
    def is_all(self) -> bool:
        """Whether a first page is the whole list: nothing in the response indicates more."""
        if self.has_next or (self.last_page or 1) > 1:
            return False
        if self.total is not None:
            return self.total <= len(self.rows)
        return self.last_page == 1 or not self.rows

    def ids(self) -> list[int]:
        """The ids of the rows that have a readable one, in their order."""
        try:
            ids = [row["id"] for row in self.rows]
        except (TypeError, KeyError):
            ids = [None]
        if set(map(type, ids)) <= {int} and (not ids or (min(ids) >= INT64[0] and max(ids) <= INT64[1])):
            return ids
        return [found for row in self.rows if (found := row_id(row)) is not None]

    def is_ascending(self, above: int | None, upto: int | None) -> bool:
        """Whether the ids ascend within (above, upto]: the server applied the id filters and the order."""
        ids = self.ids()
        if ids != sorted(ids):
            return False
        return not ids or ((above is None or ids[0] > above) and (upto is None or ids[-1] <= upto))

    def within(self, above: int | None, upto: int | None) -> Page:
        """The page without the rows that have an id outside (above, upto]; those without a readable id stay."""
        ids = self.ids()
        if (above is None or min(ids, default=above + 1) > above) and (upto is None or max(ids, default=upto) <= upto):
            return self
        low, high = (INT64[0] if above is None else above + 1), (INT64[1] if upto is None else upto)
        return replace(self, rows=[row for row in self.rows if (i := row_id(row)) is None or low <= i <= high])


def row_id(row: Any) -> int | None:
    """A row's id as an integer (``7`` or ``"7"``), or None where it is not an integer of 64 bits."""
    value = row.get("id") if isinstance(row, dict) else None
    if type(value) is not int and not isinstance(value, str):
        return None
    try:
        return whole_number(value)
    except ValueError:
        return None


def read_page(response: ApiResponse) -> Page:
    """The page of a list response.

    Raises: BadEnvelope when there is no list in ``data``, or ``meta`` contradicts itself.
    Source: Campaigns > Get All Campaigns (the sample of a paginated response).
    """
    payload = response.payload
    rows = _rows(response)
    meta = payload.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    total = _count(response, meta, "total", MAX_ROWS)
    last_page = _count(response, meta, "last_page", MAX_ROWS)
    if total is not None and total < len(rows):
        raise BadEnvelope(f"{response.url_path}: 'meta.total' is {total}, but the page alone has {len(rows)} rows.")
    links = payload.get("links")
    has_next = isinstance(links, dict) and bool(links.get("next"))
    return Page(rows, total, last_page, response.server_time, has_next, label=response.url_path)


def _rows(response: ApiResponse) -> list[Any]:
    if "data" not in response.payload:
        raise BadEnvelope(f"{response.url_path}: the response has no 'data'; nothing of it was loaded.")
    rows = response.payload["data"]
    if isinstance(rows, dict) and all(_is_position(key) for key in rows):
        rows = [rows[key] for key in sorted(rows, key=int)]
    if not isinstance(rows, list):
        raise BadEnvelope(f"{response.url_path}: 'data' is not a list; nothing of it was loaded.")
    return rows


def read_single(response: ApiResponse) -> dict[str, Any]:
    """The one object of a single response. Raises: BadEnvelope when there is none. Source: Get a Specific Campaign."""
    data = response.payload.get("data")
    if not isinstance(data, dict):
        raise BadEnvelope(f"{response.url_path}: the response has no object in 'data'; nothing of it was loaded.")
    return data


def _is_position(key: str) -> bool:
    """Whether a key is the index of a list that PHP wrote as an object."""
    return key.isascii() and key.isdigit() and len(key) <= MAX_KEY_DIGITS


def _count(response: ApiResponse, meta: dict[str, Any], name: str, most: int) -> int | None:
    """A count of ``meta``; None where it is missing or not a count.

    Raises: BadEnvelope for a number beyond every account: a list of that length could not be read.
    """
    value = meta.get(name)
    if isinstance(value, Oversized):
        raise _beyond(response, name, value.what)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        if len(value) > MAX_KEY_DIGITS:
            raise _beyond(response, name, f"a number of {len(value):,} digits")
        value = int(value)
    if not _is_number(value):
        return None
    if value > most:
        raise _beyond(response, name, brief(value))
    return value if isinstance(value, int) and value >= 0 else None


def _is_number(value: Any) -> TypeGuard[int | float | Decimal]:
    if isinstance(value, bool) or (isinstance(value, Decimal) and value.is_nan()):
        return False
    return isinstance(value, (int, float, Decimal))


def _beyond(response: ApiResponse, name: str, what: str) -> BadEnvelope:
    return BadEnvelope(
        f"{response.url_path}: 'meta.{name}' is {what}, more than any account has; nothing of it was loaded."
    )
