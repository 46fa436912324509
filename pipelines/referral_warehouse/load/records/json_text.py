"""JSON values as JSON text that DuckDB takes, with every number as it was written.

Pure; knows no column. What JSON text cannot hold (half a surrogate pair, NaN) is refused where the value must be
exact, and spelled out where it is only kept to be looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import orjson

from referral_warehouse.api.numbers import INT64, Oversized


def read_json(value: Any) -> str:
    """Any JSON value as JSON text that DuckDB reads; lone surrogates and what is no number are refused."""
    return _to_text(value, is_exact=True)


def to_json_text(value: Any) -> str:
    """JSON text of anything that came out of a JSON decoder; what JSON cannot hold is spelled out instead."""
    try:
        return _to_text(value, is_exact=False)
    except ValueError as error:
        return orjson.dumps(str(error)).decode()


def whole_text(value: Any) -> str:
    """JSON text of anything that came out of a JSON decoder, however long and deep: nothing of it is left out.

    Numbers are as they were written; what JSON cannot hold is spelled out.
    """
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return "".join(_pieces(value))


def printable(text: str) -> str:
    """Text as it is, lone surrogates spelled ``\\ud800``: every file and database takes it."""
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
    """What orjson refuses in a form that it takes: long numbers as they were written, broken text spelled out."""
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
        raise ValueError(f"JSON with {value}, which is no number")
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
    """JSON text in pieces, without recursion: what was read may be nested deeper than Python's stack reaches."""
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
