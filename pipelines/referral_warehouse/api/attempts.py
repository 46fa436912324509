"""Results of one request: a response, decoded or not yet, or a failure that may be retried.

Knows JSON objects, neither how they were fetched nor what they mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from referral_warehouse.api.json_decoding import parse_object


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """A decoded response.

    Shape: ``payload`` is the whole JSON object; its numbers are int and float, on pages with numbers beyond those
    also Decimal: convert money through ``Decimal(repr(x))`` for floats, ``Decimal(x)`` otherwise.
    Units: ``server_time`` UTC from the Date header, None if absent or unreadable; ``elapsed_s`` seconds of the
    attempt that succeeded; ``attempts`` requests sent. ``url_path`` names the request in error messages.
    """

    payload: dict[str, Any]
    server_time: datetime | None
    url_path: str
    attempts: int
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class RawResponse:
    """A response that is not decoded yet: the thread that uses it decodes it."""

    body: bytes
    server_time: datetime | None
    url_path: str
    attempts: int
    elapsed_s: float

    def decode(self) -> ApiResponse:
        """The decoded response. Raises: Unreadable; then request it again with ``get``, which retries."""
        return ApiResponse(parse_object(self.body), self.server_time, self.url_path, self.attempts, self.elapsed_s)


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that may be retried: the reason, and the wait that the server or the back-off sets.

    ``status`` is the HTTP status where the status is the failure, else None. ``most_attempts`` limits the
    attempts of a request that fails in this way (None: no special limit). ``next_step`` is the advice once no attempt
    is left.
    """

    reason: str
    wait_s: float
    is_violation: bool = False
    status: int | None = None
    most_attempts: int | None = None
    next_step: str | None = None

    @property
    def is_server_error(self) -> bool:
        """Whether it is HTTP 500: an outage, or the server's response to an unknown field."""
        return self.status == 500
