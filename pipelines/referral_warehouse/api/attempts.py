"""What one request gave: an answer, decoded or not yet, or a failure that may be repeated.

Knows JSON objects and nothing of how they were fetched or what they mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from referral_warehouse.api.json_decoding import parse_object


@dataclass(frozen=True, slots=True)
class Answer:
    """A decoded answer.

    Shape: ``payload`` is the whole JSON object; its numbers are int and float, on pages with numbers beyond those
    also Decimal: convert money through ``Decimal(repr(x))`` for floats, ``Decimal(x)`` otherwise.
    Units: ``server_time`` UTC from the Date header, None if absent or unreadable; ``elapsed_s`` seconds of the
    attempt that succeeded; ``attempts`` requests spent. ``url_path`` names the question in error texts.
    """

    payload: dict[str, Any]
    server_time: datetime | None
    url_path: str
    attempts: int
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Sent:
    """An answer that was received and not decoded yet: decoding is work for the thread that uses it at once."""

    body: bytes
    server_time: datetime | None
    url_path: str
    attempts: int
    elapsed_s: float

    def decode(self) -> Answer:
        """The decoded answer. Raises: Unreadable, which the sender would have retried: ask again with ``get``."""
        return Answer(parse_object(self.body), self.server_time, self.url_path, self.attempts, self.elapsed_s)


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that may be repeated: why, and how long the server or the back-off says to wait.

    ``status`` is the HTTP status where the status is the failure, else None. ``most_attempts`` is how often a question
    is asked in all that fails so (None: as often as any). ``next_step`` is what to do when all attempts are used up.
    """

    reason: str
    wait_s: float
    is_strike: bool = False
    status: int | None = None
    most_attempts: int | None = None
    next_step: str | None = None

    @property
    def is_server_error(self) -> bool:
        """Whether it is a plain 500: an outage, or the server's response to a field that it does not know."""
        return self.status == 500
