"""Reads the envelopes of lists and single answers without doing I/O: rows, counts and where the list ends.

Knows nothing of how an answer was fetched or what its rows mean. Believes only what the answer says of itself:
``links`` are never followed (they drop the query), sizes are taken from ``meta`` where it is there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pipelines.api.client import Answer
from pipelines.errors import BadEnvelope


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
        if set(map(type, ids)) <= {int}:
            return ids
        return [found for row in self.rows if (found := row_id(row)) is not None]


def row_id(row: Any) -> int | None:
    """A row's id as an integer (``7`` or ``"7"``), or None."""
    value = row.get("id") if isinstance(row, dict) else None
    if type(value) is int:
        return value
    if isinstance(value, str) and value.isascii() and value.strip().isdigit():
        return int(value)
    return None


def read_page(answer: Answer) -> Page:
    """The page of a list answer.

    Raises: BadEnvelope when there is no list in ``data``, or ``meta`` contradicts itself.
    Source: Campaigns > Get All Campaigns (the sample of a paginated answer).
    """
    payload = answer.payload
    if "data" not in payload:
        raise BadEnvelope(f"{answer.url_path}: the answer has no 'data'; nothing of it was loaded.")
    rows = payload["data"]
    if isinstance(rows, dict) and all(key.isascii() and key.isdigit() for key in rows):
        rows = [rows[key] for key in sorted(rows, key=int)]
    if not isinstance(rows, list):
        raise BadEnvelope(f"{answer.url_path}: 'data' is not a list; nothing of it was loaded.")
    meta = payload.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    total, last_page = _count(meta.get("total")), _count(meta.get("last_page"))
    if total is not None and total < len(rows):
        raise BadEnvelope(f"{answer.url_path}: 'meta.total' says {total}, the page alone holds {len(rows)} rows.")
    links = payload.get("links")
    has_next = isinstance(links, dict) and bool(links.get("next"))
    return Page(rows, total, last_page, answer.server_time, has_next, asked=answer.url_path)


def read_single(answer: Answer) -> dict[str, Any]:
    """The one object of a single answer. Raises: BadEnvelope when there is none. Source: Get a Specific Campaign."""
    data = answer.payload.get("data")
    if not isinstance(data, dict):
        raise BadEnvelope(f"{answer.url_path}: the answer has no object in 'data'; nothing of it was loaded.")
    return data


def _count(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    return value if type(value) is int and value >= 0 else None
