"""Error responses: one exception with status, message and field errors, and its documented body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from referral_warehouse.sandbox.quirks import Quirks

VALIDATION_MESSAGE = "Validation errors in your request"

MEANINGS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    410: "Gone",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class Refusal(Exception):
    """An error response to a request.

    ``errors`` maps each wrong field to its messages (validation errors alone).
    """

    def __init__(
        self,
        status: int,
        message: str | None = None,
        errors: Mapping[str, list[str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message or MEANINGS.get(status, "Error"))
        self.status = status
        self.message = message or MEANINGS.get(status, "Error")
        self.errors = errors
        self.headers = dict(headers or {})


def invalid(field: str, text: str) -> Refusal:
    """A validation error of one field."""
    return Refusal(400, VALIDATION_MESSAGE, {field: [text]})


def refusal_body(refusal: Refusal, quirks: Quirks) -> tuple[int, dict[str, Any]]:
    """Status and JSON body: as documented, or in the format of the live API's framework (quirk ``validation_422``)."""
    if refusal.errors is None:
        return refusal.status, {"code": refusal.status, "message": refusal.message}
    if quirks.validation_422:
        texts = [text for found in refusal.errors.values() for text in found]
        more = len(texts) - 1
        rest = f" (and {more} more error{'s' if more > 1 else ''})" if more else ""
        return 422, {"message": texts[0] + rest, "errors": dict(refusal.errors)}
    errors = {field: [{"field": field, "message": text} for text in texts] for field, texts in refusal.errors.items()}
    return refusal.status, {"code": refusal.status, "message": refusal.message, "errors": errors}
