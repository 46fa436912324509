"""Bytes of an answer become one JSON object, exactly, or are called unreadable; and error bodies become short words.

This room is pure: it knows JSON and the documented shapes of error bodies, nothing of HTTP, retries or streams.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import orjson

from pipelines.display_text import VALUE_COLUMNS, one_line

# Numbers a double cannot hold: 16 or more digits around a point, or integers beyond 64 bits. One pass of translate and
# one of find cost a tenth of the parse; only pages with such a run pay for the search, and only real hits for `json`.
_DIGIT_RUN = bytes(48 if chr(byte) in "0123456789." else 1 for byte in range(256))
_LONG_RUN = b"0" * 17
_LONG_NUMBER = re.compile(rb"[:,\[]\s*-?(?:(?=[0-9.]{17})[0-9]+\.[0-9]+|[0-9]{19,}|(?=[0-9]{17})[0-9]+[eE])")
_HUGE_EXPONENT = re.compile(rb"[0-9][eE]\+?[0-9]{3}")

_STYLE = re.compile(r"<(script|style|head)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>")


class Unreadable(Exception):
    """An answer that is not one whole JSON object; its text says what it is, without quoting anybody's data."""


def parse_object(body: bytes) -> dict[str, Any]:
    """Decode a JSON object.

    Numbers that a double or a 64-bit integer holds are float and int: money is exact through ``repr`` for up to
    15 digits. Where a page holds numbers beyond that, its non-integers are Decimal and its integers are unbounded;
    NaN and the infinities are Decimal too, so that a check of ``is_finite`` finds them.
    Raises: Unreadable.
    """
    if _is_beyond_double(body):
        payload = _parse_slowly(body)
    else:
        try:
            payload = orjson.loads(body)
        except orjson.JSONDecodeError:
            payload = _parse_slowly(body)
    if not isinstance(payload, dict):
        raise Unreadable(f"a JSON {_kind(payload)} where an object belongs")
    return payload


def _is_beyond_double(body: bytes) -> bool:
    has_run = _LONG_RUN in body.translate(_DIGIT_RUN)
    return has_run and _LONG_NUMBER.search(body) is not None


def _parse_slowly(body: bytes) -> Any:
    # The standard parser takes what orjson refuses though it has one meaning: lone surrogates, control characters
    # inside strings, a byte order mark, NaN.
    try:
        return json.loads(body, strict=False, parse_float=Decimal, parse_constant=Decimal)
    except (ValueError, ArithmeticError, RecursionError):
        raise Unreadable(describe_unreadable(body)) from None


def describe_unreadable(body: bytes) -> str:
    """What a body that is no JSON object looks like; JSON-like bodies are not quoted, they hold people's data."""
    start = body[:64].lstrip()
    if not start:
        return "an empty body"
    if start[:1] in b'{["':
        return f"{len(body):,} bytes of broken or cut-off JSON"
    if start[:1] == b"<":
        return f"a web page instead of JSON ({plain_words(body) or 'without text'!s})"
    return f"{len(body):,} bytes that are not JSON"


def plain_words(body: bytes, limit: int = VALUE_COLUMNS) -> str:
    """The visible words of a text or HTML body, on one line, shortened."""
    text = body[:65_536].decode("utf-8", "replace")
    if "<" in text:
        title = _TITLE.search(text)
        text = f"{title.group(1) if title else ''} {_TAG.sub(' ', _STYLE.sub(' ', text))}"
    return one_line(text, limit)


def error_words(body: bytes, limit: int = VALUE_COLUMNS) -> str:
    """The API's own words in an error body: ``message`` and field errors in both documented shapes, else plain text."""
    try:
        payload = parse_object(body)
    except Unreadable:
        return "" if body[:64].lstrip()[:1] in b"{[" else plain_words(body, limit)
    message = payload.get("message")
    words = message if isinstance(message, str) else ""
    details = _field_errors(payload.get("errors"))
    return one_line(f"{words} ({'; '.join(details)})" if details else words, limit)


def _field_errors(errors: Any) -> list[str]:
    # {"email": ["The email …"]} and {"email": [{"field": "email", "message": "The email …"}]} both occur.
    details = []
    groups = errors.items() if isinstance(errors, dict) else enumerate(errors) if isinstance(errors, list) else ()
    for name, entries in groups:
        for entry in entries if isinstance(entries, list) else [entries]:
            text = entry.get("message") if isinstance(entry, dict) else entry
            field = entry.get("field", name) if isinstance(entry, dict) else name
            if isinstance(text, str):
                details.append(f"{field}: {text}")
    return details


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return {list: "array", str: "string", bool: "boolean"}.get(type(value), "number")
