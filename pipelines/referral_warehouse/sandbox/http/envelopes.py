"""The documented envelopes: one page of a list with links and meta, one row, one message. Pure."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode

from referral_warehouse.sandbox.quirks import Quirks

Body = dict[str, Any]


def page_bounds(page: int, per_page: int, total: int, oversize: int) -> tuple[int, int]:
    """The range of ids on a page: half-open, empty past the end."""
    start = min((page - 1) * per_page, total)
    return start, min(start + per_page + oversize, total)


def list_envelope(
    rows: list[Body],
    *,
    url: str,
    query: str,
    page: int,
    per_page: int,
    total: int,
    closing: Body,
    quirks: Quirks,
) -> Body:
    """``data``, ``links`` and ``meta``, then ``closing`` (code and message, where the documentation has them).

    Links keep the page number alone, as the documentation's samples do, unless the quirk ``links_keep_query`` is on.
    """
    last = max(-(-total // per_page), 1)
    start = (page - 1) * per_page

    def link(number: int) -> str:
        if quirks.links_keep_query:
            kept = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name != "page"]
            return f"{url}?{urlencode([*kept, ('page', str(number))])}"
        return f"{url}?page={number}"

    links = {
        "first": link(1),
        "last": None if quirks.no_total else link(last),
        "prev": link(page - 1) if page > 1 else None,
        "next": link(page + 1) if page < last else None,
    }
    meta: Body = {
        "current_page": page,
        "from": start + 1 if rows else None,
        "last_page": last,
        "path": url,
        "per_page": per_page,
        "to": start + len(rows) if rows else None,
        "total": total,
    }
    if quirks.no_total:
        del meta["total"], meta["last_page"]
    data: Any = {str(at): row for at, row in enumerate(rows)} if quirks.data_as_object else rows
    body: Body = {"data": data, "links": links, "meta": meta}
    if quirks.no_meta:
        del body["meta"]
    return body | closing


def single_envelope(row: Body, message: str | None, code: int = 200) -> Body:
    """One row with code and message."""
    return {"data": row, "code": code, "message": message}


def message_envelope(message: str, code: int) -> Body:
    """A message without a row."""
    return {"code": code, "message": message}
