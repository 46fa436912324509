"""JSON values as JSON text that DuckDB accepts, with every number as it was written.

Pure; knows no column. Values that JSON text cannot represent (half a surrogate pair, NaN) are refused where the value
must be exact, and escaped where it is only kept for inspection.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import orjson

from referral_warehouse.api.numbers import INT64, Oversized


def read_json(value: Any) -> str:
    """Any JSON value as JSON text that DuckDB reads; lone surrogates and NaN are refused."""
    return _to_text(value, is_exact=True)


def to_json_text(value: Any) -> str:
    """JSON text of any decoded JSON; values that JSON cannot represent are escaped."""
    try:
        return _to_text(value, is_exact=False)
    except ValueError as error:
        return orjson.dumps(str(error)).decode()


def whole_text(value: Any) -> str:
    """JSON text of any decoded JSON, complete however long and deep.

    Numbers are as they were written; values that JSON cannot represent are escaped.
    """
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return "".join(_pieces(value))


def printable(text: str) -> str:
    """Text as it is, lone surrogates written as ``\\ud800``: every file and database accepts it."""
    return text.encode("utf-8", "backslashreplace").decode()


def _to_text(value: Any, *, is_exact: bool) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        try:
            return orjson.dumps(_plain(value, is_exact)).decode()
        except (TypeError, RecursionError):
            raise ValueError("JSON that is nested too deeply") from None


def _plain(value: Any, is_exact: bool) -> Any:
    """Values that orjson refuses, in a form that it accepts: long numbers as written, broken text escaped."""
    if isinstance(value, dict):
        return {_plain(key, is_exact): _plain(inner, is_exact) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, is_exact) for inner in value]
    if is_exact:
        _refuse_inexact(value)
    text = _number_text(value)
    if text is not None:
        return orjson.Fragment(text)
    return printable(value) if isinstance(value, str) else str(value) if isinstance(value, Decimal) else value


def _refuse_inexact(value: Any) -> None:
    if isinstance(value, str) and printable(value) != value:
        raise ValueError("JSON that is not valid Unicode (a lone surrogate)")
    if isinstance(value, Decimal) and not value.is_finite():
        raise ValueError(f"JSON with {value}, which is not a number")
    if isinstance(value, Oversized):
        raise ValueError(value.what if value.text.startswith('"') else f"JSON with {value.what}")


def _number_text(value: Any) -> str | None:
    """A number that orjson does not write, as it was written; None for anything else."""
    if isinstance(value, Oversized):
        return value.text
    if isinstance(value, Decimal) and value.is_finite():
        return str(value)
    if isinstance(value, int) and not INT64[0] <= value <= INT64[1]:
        return str(value)
    return None


def _pieces(value: Any) -> Iterator[str]:
    """JSON text in pieces, without recursion: the value may be nested deeper than Python's stack permits."""
    open_parts: list[tuple[Iterator[Any], str]] = []

    def begin(found: Any) -> str:
        if isinstance(found, dict):
            open_parts.append((iter(found.items()), "}"))
            return "{"
        if isinstance(found, list):
            open_parts.append((iter(found), "]"))
            return "["
        return _to_text(found, is_exact=False)

    yield begin(value)
    is_first = True
    while open_parts:
        parts, end = open_parts[-1]
        try:
            part = next(parts)
        except StopIteration:
            open_parts.pop()
            is_first = False
            yield end
            continue
        if not is_first:
            yield ","
        if end == "}":
            name, part = part
            yield f"{_to_text(name, is_exact=False)}:"
        depth = len(open_parts)
        yield begin(part)
        is_first = len(open_parts) > depth
