"""Sends each query with as many parameters as the server supports, and reads the envelope of the response.

Where a server refuses a part of a query (a relation, ``order``, ``per_page``), or fails on it as frameworks do with
unknown names, the query is sent again without that part, and so are later queries of that path. Knows neither
pagination nor tables.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from referral_warehouse.api.client import ApiResponse, Client
from referral_warehouse.api.json_decoding import Unreadable
from referral_warehouse.api.query import Query
from referral_warehouse.api.responses import Page, read_page, read_single
from referral_warehouse.errors import ApiError, ApiUnavailable, BadEnvelope, RequestRefused

ENVELOPE_TRIES = 3
# A server that fails on an unknown parameter fails each time: a query with parts that never succeeded has fewer
# attempts than an outage. The query that replaces it has all attempts.
UNPROVEN_ATTEMPTS = 3
QUERY_REFUSED = (400, 422)
PARTS = ("relations", "order", "per_page")
T = TypeVar("T")


class RequestFallback:
    """Sends queries through one client; remembers per path which parts the server refuses. Thread-safe."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._search = threading.Lock()
        self._refused: dict[str, frozenset[str]] = {}
        self._proven: dict[str, frozenset[str]] = {}

    def page(self, query: Query) -> Page:
        """One page; leaves out what this path's server refuses (a relation, ``order``, ``per_page``).

        Raises: RequestRefused or ApiUnavailable when no reduced query succeeds either; BadEnvelope.
        """
        return self._send(read_page, query, query.path)

    def begin(self, query: Query) -> Callable[[], Page]:
        """Send a query now; the returned function decodes and reads the page in the thread that calls it.

        Raises: as ``page``, in either thread.
        """
        reduced = _leave_out(query, self._refused.get(query.path, frozenset()))
        try:
            sent = self._client.send(reduced)
        except (RequestRefused, ApiUnavailable) as refused:
            if not is_query_rejected(refused):
                raise
            return partial(self.page, query)

        def finish() -> Page:
            try:
                return read_page(sent.decode())
            except (Unreadable, BadEnvelope):
                return self.page(query)

        return finish

    def single(self, query: Query) -> dict[str, Any]:
        """The object of a single response. Raises: RequestRefused (404 when it does not exist), BadEnvelope."""
        return self._send(read_single, query, f"{query.path.partition('/')[0]}/*")

    def supports_order(self, path: str) -> bool:
        """Whether queries still request an order: False once the server refused one."""
        return "order" not in self._refused.get(path, frozenset())

    def _send(self, reader: Callable[[ApiResponse], T], query: Query, path: str) -> T:
        reduced = _leave_out(query, self._refused.get(path, frozenset()))
        parts = frozenset(part for part in PARTS if getattr(reduced, part))
        used = parts.union(f"{condition.field} {condition.operator}" for condition in reduced.filters)
        unproven = used - self._proven.get(path, frozenset())
        try:
            found = self._read(reader, reduced, UNPROVEN_ATTEMPTS if unproven else None)
        except (RequestRefused, ApiUnavailable) as refused:
            suspects = parts & unproven
            if not suspects or not is_query_rejected(refused):
                raise
            with self._search:  # one thread finds the refused part; other threads wait, and use its result
                if not suspects & self._refused.get(path, frozenset()):
                    return self._send_reduced(reader, reduced, path, suspects, refused)
            return self._send(reader, query, path)
        self._add(self._proven, path, used)
        return found

    def _add(self, known: dict[str, frozenset[str]], path: str, parts: frozenset[str]) -> None:
        with self._lock:
            known[path] = known.get(path, frozenset()) | parts

    def _send_reduced(
        self, reader: Callable[[ApiResponse], T], query: Query, path: str, suspects: frozenset[str], refused: ApiError
    ) -> T:
        """Find the part that is refused; raises ``refused`` where the query fails without all of them too."""
        try:
            found = self._read(reader, _leave_out(query, suspects))
        except (RequestRefused, ApiUnavailable):
            raise refused from None
        at_fault = suspects
        if isinstance(refused, ApiUnavailable):
            # An outage that has just ended has the same effect: the full query is tried again.
            whole = self._or_none(reader, query)
            if whole is not None:
                return whole
        for part in PARTS if len(suspects) > 1 else ():
            if part in suspects and (more := self._or_none(reader, _leave_out(query, frozenset({part})))) is not None:
                found, at_fault = more, frozenset({part})
                break
        self._add(self._refused, path, at_fault)
        return found

    def _or_none(self, reader: Callable[[ApiResponse], T], query: Query) -> T | None:
        try:
            return self._read(reader, query, UNPROVEN_ATTEMPTS)
        except (RequestRefused, ApiUnavailable):
            return None

    def _read(self, reader: Callable[[ApiResponse], T], query: Query, attempts: int | None = None) -> T:
        for attempt in range(1, ENVELOPE_TRIES + 1):
            try:
                return reader(self._client.get(query, attempts))
            except BadEnvelope:
                if attempt == ENVELOPE_TRIES:
                    raise
        raise AssertionError("unreachable")


def is_query_rejected(error: ApiError) -> bool:
    """Whether a part of the query may be the reason of an error, so that a reduced query may succeed."""
    if isinstance(error, RequestRefused):
        return error.status in QUERY_REFUSED
    # Frameworks fail in this way on unknown columns and relations.
    return isinstance(error, ApiUnavailable) and error.status == 500


def _leave_out(query: Query, parts: frozenset[str]) -> Query:
    if "relations" in parts:
        query = replace(query, relations=())
    if "order" in parts:
        query = replace(query, order=None)
    if "per_page" in parts:
        query = replace(query, per_page=None)
    return query
