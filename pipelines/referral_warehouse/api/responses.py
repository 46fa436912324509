"""Reads the envelopes of lists and single answers without doing I/O: rows, counts and where the list ends.

Knows nothing of how an answer was fetched or what its rows mean. Believes only what the answer says of itself:
``links`` are never followed (they drop the query), sizes are taken from ``meta`` where it is there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeGuard

from referral_warehouse.api.client import Answer
from referral_warehouse.api.numbers import INT64, Oversized, brief, whole_number
from referral_warehouse.errors import BadEnvelope

MAX_ROWS = 50_000_000
MAX_PAGES = 2_000_000
"""What a list may claim to hold: a hundred times the largest accounts. More is no count."""
MAX_KEY_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list. ``total`` and ``last_page`` are None where ``meta`` does not tell them.

    ``has_next`` says that the answer itself links to a further page. The walk sets ``is_last`` (nothing follows) and
    ``restart`` (a fresh pass: forget what the earlier pages held). ``asked`` names the question in error texts.
    """

    rows: list[Any]
    total: int | None
    last_page: int | None
    server_time: datetime | None
    has_next: bool = False
    is_last: bool = False
    restart: bool = False
    asked: str = field(default="", compare=False)

    @property
    def is_all(self) -> bool:
        """Whether a first page is the whole list: nothing in the answer speaks of more."""
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

    def rises(self, above: int | None, upto: int | None) -> bool:
        """Whether the ids rise within (above, upto]: the server honoured the id filters and the order."""
        ids = self.ids()
        if ids != sorted(ids):
            return False
        return not ids or ((above is None or ids[0] > above) and (upto is None or ids[-1] <= upto))


def row_id(row: Any) -> int | None:
    """A row's id as an integer (``7`` or ``"7"``), or None where it is none that fits into 64 bits."""
    value = row.get("id") if isinstance(row, dict) else None
    if type(value) is not int and not isinstance(value, str):
        return None
    try:
        return whole_number(value)
    except ValueError:
        return None


def read_page(answer: Answer) -> Page:
    """The page of a list answer.

    Raises: BadEnvelope when there is no list in ``data``, or ``meta`` contradicts itself.
    Source: Campaigns > Get All Campaigns (the sample of a paginated answer).
    """
    payload = answer.payload
    rows = _rows(answer)
    meta = payload.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    total = _count(answer, meta, "total", MAX_ROWS)
    last_page = _count(answer, meta, "last_page", MAX_PAGES)
    if total is not None and total < len(rows):
        raise BadEnvelope(f"{answer.url_path}: 'meta.total' says {total}, the page alone holds {len(rows)} rows.")
    links = payload.get("links")
    has_next = isinstance(links, dict) and bool(links.get("next"))
    return Page(rows, total, last_page, answer.server_time, has_next, asked=answer.url_path)


def _rows(answer: Answer) -> list[Any]:
    if "data" not in answer.payload:
        raise BadEnvelope(f"{answer.url_path}: the answer has no 'data'; nothing of it was loaded.")
    rows = answer.payload["data"]
    if isinstance(rows, dict) and all(_is_position(key) for key in rows):
        rows = [rows[key] for key in sorted(rows, key=int)]
    if not isinstance(rows, list):
        raise BadEnvelope(f"{answer.url_path}: 'data' is not a list; nothing of it was loaded.")
    return rows


def read_single(answer: Answer) -> dict[str, Any]:
    """The one object of a single answer. Raises: BadEnvelope when there is none. Source: Get a Specific Campaign."""
    data = answer.payload.get("data")
    if not isinstance(data, dict):
        raise BadEnvelope(f"{answer.url_path}: the answer has no object in 'data'; nothing of it was loaded.")
    return data


def _is_position(key: str) -> bool:
    """Whether a key is a place in a list that PHP wrote as an object."""
    return key.isascii() and key.isdigit() and len(key) <= MAX_KEY_DIGITS


def _count(answer: Answer, meta: dict[str, Any], name: str, most: int) -> int | None:
    """A count of ``meta``; None where it is not told, or what stands there is no count.

    Raises: BadEnvelope for a number beyond every account: no list of that length could be read, nor memory be set aside
    for it.
    """
    value = meta.get(name)
    if isinstance(value, Oversized):
        raise _beyond(answer, name, value.what)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        if len(value) > MAX_KEY_DIGITS:
            raise _beyond(answer, name, f"a number of {len(value):,} digits")
        value = int(value)
    if not _is_number(value):
        return None
    if value > most:
        raise _beyond(answer, name, brief(value))
    return value if isinstance(value, int) and value >= 0 else None


def _is_number(value: Any) -> TypeGuard[int | float | Decimal]:
    if isinstance(value, bool) or (isinstance(value, Decimal) and value.is_nan()):
        return False
    return isinstance(value, (int, float, Decimal))


def _beyond(answer: Answer, name: str, what: str) -> BadEnvelope:
    return BadEnvelope(
        f"{answer.url_path}: 'meta.{name}' says {what}, more than any account holds; nothing of it was loaded."
    )
