"""Whole numbers from JSON values, and JSON values that are kept as text because no Python type represents them.

Pure. Python refuses to convert more than some thousand digits, and a number such as ``1e999999999`` would fill the
memory: both concern one record, so they are kept as text until the record is quarantined.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

INT64 = (-(2**63), 2**63 - 1)
EXACT_FLOAT = 2**53
MAX_NUMBER_CHARS = 1_000
"""Longer numbers are kept as text."""
SHOWN_CHARS = 40
_WHOLE = re.compile(r"\s*[+-]?[0-9]{1,30}\s*")
_LONG_EXPONENT = re.compile(r"[eE][+-]?0*[1-9][0-9]{3}")


class Oversized:
    """A JSON value kept as its text. ``what`` describes it in a few words and never quotes it."""

    __slots__ = ("text", "what")

    def __init__(self, text: str, what: str) -> None:
        self.text = text
        self.what = what

    def __repr__(self) -> str:
        return f"<{self.what}>"


def read_integer(text: str) -> int | Oversized:
    """A JSON integer as an int, or kept as text where it has more than MAX_NUMBER_CHARS digits."""
    return int(text) if len(text) <= MAX_NUMBER_CHARS else _oversized(text)


def read_decimal(text: str) -> Decimal | Oversized:
    """A JSON number with a point or an exponent, exactly; kept as text where an exponent is beyond 999."""
    if len(text) > MAX_NUMBER_CHARS or _LONG_EXPONENT.search(text):
        return _oversized(text)
    return Decimal(text)


def whole_number(value: Any) -> int:
    """``7``, ``7.0`` and ``"7"`` as 7.

    Raises: ValueError, with a short message that quotes at most some digits of the value, where it is not a whole
    number or does not fit into 64 bits.
    """
    if isinstance(value, bool):
        raise ValueError("a boolean instead of a whole number")
    read = next((read for kind, read in _READERS if isinstance(value, kind)), None)
    if read is None:
        raise ValueError("it is not a whole number")
    number = read(value)
    if not INT64[0] <= number <= INT64[1]:
        raise ValueError(f"{quoted(brief(number))} does not fit into 64 bits")
    return number


def _whole_text(value: str) -> int:
    if not _WHOLE.fullmatch(value):
        raise ValueError(f"{quoted(value)} is not a whole number")
    return int(value)


def _whole_float(value: float) -> int:
    if not value.is_integer() or abs(value) >= EXACT_FLOAT:
        raise ValueError(f"{value!r} is not an exact whole number")
    return int(value)


def _whole_decimal(value: Decimal) -> int:
    if not value.is_finite() or value.adjusted() > 20 or value != int(value):
        raise ValueError(f"{brief(value)} is not an exact whole number")
    return int(value)


def _refuse_oversized(value: Oversized) -> int:
    raise ValueError(f"{value.what} is not an exact whole number")


_READERS: tuple[tuple[type, Callable[[Any], int]], ...] = (
    (int, int),
    (str, _whole_text),
    (float, _whole_float),
    (Decimal, _whole_decimal),
    (Oversized, _refuse_oversized),
)


def brief(value: int | float | Decimal) -> str:
    """A number as text of at most SHOWN_CHARS characters."""
    if isinstance(value, int) and value.bit_length() > MAX_NUMBER_CHARS:
        return f"a number of {value.bit_length():,} bits"  # Python refuses to print some of them
    return shortened(str(value))


def quoted(text: str) -> str:
    """A text in quotes, in ASCII and shortened."""
    return repr(shortened(text.encode("ascii", "backslashreplace").decode()))


def shortened(text: str) -> str:
    """A text, cut off after SHOWN_CHARS characters."""
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 3] + "..."


def _oversized(text: str) -> Oversized:
    digits = sum(map(text.count, "0123456789"))
    return Oversized(text, f"a number of {digits:,} digits" if digits > SHOWN_CHARS else text)
