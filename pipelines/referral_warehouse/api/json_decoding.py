"""Decodes the bytes of a response to one JSON object, exactly, or refuses them; extracts messages of error bodies.

Pure: it knows JSON and the documented shapes of error bodies, nothing of HTTP, retries or streams.
"""

from __future__ import annotations

import json
import re
import secrets
from decimal import Decimal
from typing import Any

import orjson

from referral_warehouse.api.numbers import MAX_NUMBER_CHARS, Oversized, read_decimal, read_integer
from referral_warehouse.display_text import VALUE_COLUMNS, one_line

# Limits the text that is searched: unclosed tags make the search quadratic.
MAX_READ_BYTES = 16_384

# Numbers that a double cannot represent: 16 or more digits around a point, integers beyond 64 bits, or exponents that
# it rounds to zero. One pass of translate and two of find cost little beside the parse; only pages with such a run are
# searched, and only matches are parsed by `json`.
_SHAPE = bytes(
    48 if chr(byte) in "0123456789." else 101 if chr(byte) in "eE" else 45 if chr(byte) == "-" else 1
    for byte in range(256)
)
_LONG_RUN = b"0" * 17
_LONG_NUMBER = re.compile(rb"[:,\[]\s*-?(?:(?=[0-9.]{17})[0-9]+\.[0-9]+|[0-9]{19,}|(?=[0-9]{17})[0-9]+[eE])")
_TINY_NUMBER = b"0e-000"

# Deeper values are kept as text; orjson writes 254 levels, and the standard parser reads some 900.
MAX_LEVELS = 250
_STRUCTURE = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
_CUT_OUT = secrets.token_hex(16)  # a key that no response uses

_STYLE = re.compile(r"<(script|style|head)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>")


class Unreadable(Exception):
    """A response that is not one complete JSON object; the message describes it without quoting data."""


def parse_object(body: bytes) -> dict[str, Any]:
    """Decode a JSON object.

    Numbers that fit a double or a 64-bit integer are float and int: money is exact through ``repr`` for up to
    15 digits. Where a page has numbers beyond that, its non-integers are Decimal and its integers are unbounded;
    NaN and the infinities are Decimal too, so that a check of ``is_finite`` finds them. A value below the first level
    that no Python type represents (thousands of digits, exponents or levels) is ``Oversized``: its record can be
    quarantined.
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
        raise Unreadable(f"a JSON {_kind(payload)} instead of an object")
    return payload


def _is_beyond_double(body: bytes) -> bool:
    shape = body.translate(_SHAPE)
    if _LONG_RUN in shape and _LONG_NUMBER.search(body) is not None:
        return True
    found = shape.find(_TINY_NUMBER)
    while found >= 0:
        # Names and addresses contain such letters too: a number follows a colon, a comma or a bracket.
        before = body[max(0, found - MAX_NUMBER_CHARS) : found + 1].rstrip(b"0123456789.").removesuffix(b"-").rstrip()
        if not before or before[-1:] in b":,[":
            return True
        found = shape.find(_TINY_NUMBER, found + 1)
    return False


def _parse_slowly(body: bytes) -> Any:
    # The standard parser accepts what orjson refuses although its meaning is clear: lone surrogates, control characters
    # inside strings, a byte order mark, NaN.
    try:
        try:
            payload = _load(body)
        except RecursionError:
            payload = _load(*_without_depths(body.decode(json.detect_encoding(body), "surrogatepass")))
    except (ValueError, RecursionError):
        raise Unreadable(describe_unreadable(body)) from None
    if isinstance(payload, dict) and any(isinstance(value, Oversized) for value in payload.values()):
        raise Unreadable(f"{len(body):,} bytes of JSON with a number at its first level that is too large")
    return payload


def _load(body: bytes | str, cut_out: list[str] | None = None) -> Any:
    def put_back(found: dict[str, Any]) -> Any:
        number = found.get(_CUT_OUT)
        return found if number is None or cut_out is None else Oversized(cut_out[number], "JSON nested too deeply")

    return json.loads(
        body,
        strict=False,
        parse_int=read_integer,
        parse_float=read_decimal,
        parse_constant=Decimal,
        object_hook=None if cut_out is None else put_back,
    )


def _without_depths(text: str) -> tuple[str, list[str]]:
    """JSON text in which values deeper than MAX_LEVELS are replaced by their index in a list, and that list."""
    pieces: list[str] = []
    cut_out: list[str] = []
    level = start = kept_from = 0
    for found in _STRUCTURE.finditer(text):
        if found[0] in "[{":
            level += 1
            if level == MAX_LEVELS:
                start = found.start()
        elif found[0] in "]}":
            if level == MAX_LEVELS:
                # The removed text may be invalid JSON; as a JSON string it is valid everywhere.
                pieces += text[kept_from:start], f'{{"{_CUT_OUT}":{len(cut_out)}}}'
                kept_from = found.end()
                cut_out.append(json.dumps(text[start:kept_from]))
            level -= 1
    return "".join([*pieces, text[kept_from:]]), cut_out


def describe_unreadable(body: bytes) -> str:
    """Describes a body that is not a JSON object; JSON-like bodies are not quoted, as they contain personal data."""
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
    text = body[:MAX_READ_BYTES].decode("utf-8", "replace")
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
            field = entry.get("field") if isinstance(entry, dict) else None
            if isinstance(text, str):
                details.append(f"{field if isinstance(field, str) else name}: {text}")
    return details


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return {list: "array", str: "string", bool: "boolean"}.get(type(value), "number")
