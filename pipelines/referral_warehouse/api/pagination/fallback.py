"""Asks one question in the fullest form this account's server accepts, and reads the envelope of the answer.

Where a server refuses a part of the question (a relation, ``order``, ``per_page``), or fails on it as frameworks do
when they meet a name they do not know, it is asked again without it, and the part is left out of further questions of
that path. Knows nothing of walks or tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from referral_warehouse.api.client import Answer, Client
from referral_warehouse.api.json_decoding import Unreadable
from referral_warehouse.api.query import Query
from referral_warehouse.api.responses import Page, read_page, read_single
from referral_warehouse.errors import ApiError, ApiUnavailable, BadEnvelope, RequestRefused

ENVELOPE_TRIES = 3
# A server that fails on what it does not know fails each time: a question with parts it never answered is not worth
# the patience that an outage deserves. What is asked instead is asked with all of it.
DOUBTFUL_ATTEMPTS = 3
QUESTION_REFUSED = (400, 422)
PARTS = ("relations", "order", "per_page")
T = TypeVar("T")


class RequestFallback:
    """Questions through one client; remembers per path what its server refuses."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._refused: dict[str, frozenset[str]] = {}
        self._proven: dict[str, frozenset[str]] = {}

    def page(self, query: Query) -> Page:
        """One page; leaves out what this path's server refuses (a relation, ``order``, ``per_page``).

        Raises: RequestRefused or ApiUnavailable when there is no answer whatever is left out; BadEnvelope.
        """
        return self._ask(read_page, query, query.path)

    def begin(self, query: Query) -> Callable[[], Page]:
        """Send a question now; what it returns decodes and reads the page in the thread that calls it.

        Raises: as ``page``, in either thread.
        """
        asked = _leave_out(query, self._refused.get(query.path, frozenset()))
        try:
            sent = self._client.send(asked)
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
        """The object of a single answer. Raises: RequestRefused (404 when it is not there), BadEnvelope."""
        return self._ask(read_single, query, f"{query.path.partition('/')[0]}/*")

    def orders(self, path: str) -> bool:
        """Whether the order that is asked for reaches the server: False once it refused one."""
        return "order" not in self._refused.get(path, frozenset())

    def _ask(self, reader: Callable[[Answer], T], query: Query, path: str) -> T:
        asked = _leave_out(query, self._refused.get(path, frozenset()))
        parts = frozenset(part for part in PARTS if getattr(asked, part))
        told = parts.union(f"{condition.field} {condition.operator}" for condition in asked.filters)
        doubtful = told - self._proven.get(path, frozenset())
        try:
            found = self._read(reader, asked, DOUBTFUL_ATTEMPTS if doubtful else None)
        except (RequestRefused, ApiUnavailable) as refused:
            suspects = parts & doubtful
            if not suspects or not is_query_rejected(refused):
                raise
            return self._ask_for_less(reader, asked, path, suspects, refused)
        self._proven[path] = self._proven.get(path, frozenset()) | told
        return found

    def _ask_for_less(
        self, reader: Callable[[Answer], T], query: Query, path: str, suspects: frozenset[str], refused: ApiError
    ) -> T:
        """Find the part that is at fault; raises ``refused`` where the question fails without any of them too."""
        try:
            found = self._read(reader, _leave_out(query, suspects))
        except (RequestRefused, ApiUnavailable):
            raise refused from None
        at_fault = suspects
        if isinstance(refused, ApiUnavailable):
            # An outage that ended just now looks the same: the whole question gets a second chance.
            whole = self._or_none(reader, query)
            if whole is not None:
                return whole
        for part in PARTS if len(suspects) > 1 else ():
            if part in suspects and (more := self._or_none(reader, _leave_out(query, frozenset({part})))) is not None:
                found, at_fault = more, frozenset({part})
                break
        self._refused[path] = self._refused.get(path, frozenset()) | at_fault
        return found

    def _or_none(self, reader: Callable[[Answer], T], query: Query) -> T | None:
        try:
            return self._read(reader, query, DOUBTFUL_ATTEMPTS)
        except (RequestRefused, ApiUnavailable):
            return None

    def _read(self, reader: Callable[[Answer], T], query: Query, attempts: int | None = None) -> T:
        for attempt in range(1, ENVELOPE_TRIES + 1):
            try:
                return reader(self._client.get(query, attempts))
            except BadEnvelope:
                if attempt == ENVELOPE_TRIES:
                    raise
        raise AssertionError("unreachable")


def is_query_rejected(error: ApiError) -> bool:
    """Whether an error may come from what was asked, so that asking for less can help."""
    if isinstance(error, RequestRefused):
        return error.status in QUESTION_REFUSED
    # Frameworks fail so on columns and relations they do not have.
    return isinstance(error, ApiUnavailable) and error.status == 500


def _leave_out(query: Query, parts: frozenset[str]) -> Query:
    if "relations" in parts:
        query = replace(query, relations=())
    if "order" in parts:
        query = replace(query, order=None)
    if "per_page" in parts:
        query = replace(query, per_page=None)
    return query
