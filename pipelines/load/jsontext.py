"""JSON values as JSON text that DuckDB takes, with every number as it was written.

Pure; knows no column. What JSON text cannot hold (half a surrogate pair, NaN) is refused where the value must be
exact, and spelled out where it is only kept to be looked at.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson

INT64 = (-(2**63), 2**63 - 1)


def read_json(value: Any) -> str:
    """Any JSON value as JSON text that DuckDB reads; lone surrogates and what is no number are refused."""
    return _to_text(value, is_exact=True)


def to_json_text(value: Any) -> str:
    """JSON text of anything that came out of a JSON decoder; what JSON cannot hold is spelled out instead."""
    try:
        return _to_text(value, is_exact=False)
    except ValueError as error:
        return orjson.dumps(str(error)).decode()


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
    if isinstance(value, str):
        text = printable(value)
        if is_exact and text != value:
            raise ValueError("JSON that is not valid Unicode (a lone surrogate)")
        return text
    if isinstance(value, Decimal) and not value.is_finite():
        if is_exact:
            raise ValueError(f"JSON with {value}, which is no number")
        return str(value)
    if isinstance(value, Decimal) or (isinstance(value, int) and not INT64[0] <= value <= INT64[1]):
        return orjson.Fragment(str(value))
    if isinstance(value, dict):
        return {_plain(key, is_exact): _plain(inner, is_exact) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, is_exact) for inner in value]
    return value
