"""Queries as values: filters, order, relations and page, and how they become parameters of a URL.

Pure: it knows the API's parameter grammar and nothing of HTTP, tokens, streams or tables.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal, get_args
from urllib.parse import quote, unquote, urlencode

from referral_warehouse.display_text import display_text
from referral_warehouse.errors import RequestRefused

Operator = Literal["equal", "gt", "lt", "gte", "lte", "like"]
OPERATORS: frozenset[str] = frozenset(get_args(Operator))
MAX_PER_PAGE = 250

# A path is one or more percent-encoded segments: nothing in it can end the path, leave it or change the host.
_PATH = re.compile(
    r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+)*"
)


class Purpose(StrEnum):
    """What a request is for, as the log of runs counts it."""

    PAGE = "page"
    """A page of a list that is read for what is new, or completely."""
    COUNT = "count"
    """The number of rows that meet some conditions."""
    NAME = "name"
    """A coupon by its name, with its batch."""
    REREAD = "reread"
    """A page of known rows that are read again: for a repair, or because they were read longest ago."""
    RETRY = "retry"
    """Any of these again, after a response that was not usable."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on one field of the rows of a list.

    Shape: ``operator`` is one of equal, gt, lt, gte, lte, like. Days are written ``YYYY-MM-DD``.
    Raises: ValueError for an unknown operator or an empty field.
    """

    field: str
    operator: str
    value: str | int

    def __post_init__(self) -> None:
        if self.operator not in OPERATORS:
            raise ValueError(f"unknown operator {self.operator!r}: one of {', '.join(sorted(OPERATORS))}")
        if not self.field:
            raise ValueError("a filter needs a field")

    def as_text(self) -> str:
        """The value as it is sent; PHP reads 1 and 0 as booleans, not Python's words."""
        return str(int(self.value)) if isinstance(self.value, bool) else str(self.value)


@dataclass(frozen=True, slots=True)
class Query:
    """One GET: a path below the base URL, and its parameters.

    Shape: ``path`` is relative and already percent-encoded (``users``, ``coupons/`` + quote_segment(name));
    ``per_page=None`` leaves the parameter out, as for a single object. ``purpose`` is not sent, nor is
    ``counted_apart``: the name under which the requests of a list are counted that is read while another one is.
    Raises: ValueError when a part is outside the API's grammar.
    """

    path: str
    filters: tuple[Filter, ...] = ()
    order: str | None = None
    direction: str = "asc"
    relations: tuple[str, ...] = ()
    page: int = 1
    per_page: int | None = MAX_PER_PAGE
    purpose: Purpose = field(default=Purpose.PAGE, compare=False, repr=False)
    counted_apart: str = field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        if not _PATH.fullmatch(self.path) or any(part in (".", "..") for part in self.path.split("/")):
            raise ValueError(f"not a relative, percent-encoded path: {self.path!r}")
        if self.direction not in ("asc", "desc"):
            raise ValueError(f"direction is asc or desc, not {self.direction!r}")
        if self.page < 1:
            raise ValueError(f"pages count from 1, not {self.page}")
        if self.per_page is not None and not 1 <= self.per_page <= MAX_PER_PAGE:
            raise ValueError(f"per_page is 1 to {MAX_PER_PAGE}, not {self.per_page}")

    def with_page(self, page: int) -> Query:
        """The same query for another page."""
        return replace(self, page=page)

    def with_purpose(self, purpose: Purpose) -> Query:
        """The same query, counted for another purpose."""
        return replace(self, purpose=purpose)

    def where(self, *filters: Filter) -> Query:
        """The same query with further conditions, combined with AND."""
        return replace(self, filters=(*self.filters, *filters))


def query_params(query: Query) -> list[tuple[str, str]]:
    """The parameters of a query, in a stable order.

    The operator is always written out, so that no server's default matters. The default direction is left out because
    it is documented as optional. ``with[]`` is always the array form: PHP keeps only the last of repeated plain
    ``with``. Page 1 is left out: the page parameter is documented by ``links`` alone, so the first request of every
    list (and of every single object) uses documented parameters only.
    """
    params: list[tuple[str, str]] = []
    for index, condition in enumerate(query.filters):
        params.append((f"filters[{index}][field]", condition.field))
        params.append((f"filters[{index}][operator]", condition.operator))
        params.append((f"filters[{index}][value]", condition.as_text()))
    if query.order is not None:
        params.append(("order[field]", query.order))
        if query.direction == "desc":
            params.append(("order[direction]", "desc"))
    params.extend(("with[]", relation) for relation in query.relations)
    if query.per_page is not None:
        params.append(("per_page", str(query.per_page)))
    if query.page > 1:
        params.append(("page", str(query.page)))
    return params


def query_target(query: Query) -> str:
    """The path and the encoded parameters of a query, as they follow the base URL."""
    params = query_params(query)
    return f"{query.path}?{urlencode(params, quote_via=quote)}" if params else query.path


def query_label(query: Query) -> str:
    """A query as messages and logs show it: readable, on one line, and without control characters."""
    params = "&".join(f"{name}={value}" for name, value in query_params(query))
    return display_text(unquote(f"{query.path}?{params}" if params else query.path))


def query_kind(query: Query) -> str:
    """The kind of a query: those of one kind take a server about as long as each other."""
    path = f"{query.path.partition('/')[0]}/*" if query.per_page is None else query.path
    return f"{path} {query.per_page or ''}"


def quote_segment(name: str) -> str:
    """A name as one percent-encoded path segment: spaces, ``/``, ``%``, ``?``, ``#`` and unicode are kept.

    Raises: RequestRefused (404) for names that cannot be in a URL: empty, ``.`` and ``..`` (servers resolve those,
    encoded or not, to another resource) and text that is not valid Unicode.
    """
    if name in ("", ".", ".."):
        raise RequestRefused(f"The name {name!r} cannot be part of a URL; no request was sent.", 404)
    try:
        return quote(name, safe="")
    except UnicodeEncodeError:
        raise RequestRefused("A name that is not valid Unicode cannot be requested.", 404) from None
