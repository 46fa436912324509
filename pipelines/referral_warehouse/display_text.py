"""Makes text from outside safe to display: no markup, one line, nothing invisible, bounded width.

Names, reward types, statuses, the API's error messages, headers, file names and settings go through ``display_text``
before a person reads them; applied twice, it changes nothing more. Output for programs (``--json``, the manifest) goes
through ``json_text``, which changes no text. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from decimal import Decimal
from typing import Any

VALUE_COLUMNS = 240
"""Columns of a terminal for one value; wide characters take two."""

LINE_COLUMNS = 4_000
"""Columns of a terminal for a whole line of ours, which may hold several values and a path."""

MARKS_PER_CHARACTER = 4
"""Combining marks that stay on one character; real scripts need no more, and stacks of them cover other lines."""

# Printable by Unicode's rules but invisible: fillers and variation selectors.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0e\uffa0\U000e0100-\U000e01ef]"
)
_NOT_PLAIN = re.compile("[^\x00-\x7e]")


def display_text(text: str, columns: int = VALUE_COLUMNS) -> str:
    """A text as one line with all its characters visible.

    Control, format and direction characters, line and paragraph separators, lone surrogates and what no font shows
    appear as Python escapes (``\\x1b``, ``\\n``, ``\\u202e``); so do combining marks without a base character, or too
    many on one. Args: ``columns`` is the width at most; a longer text ends with ``…``.
    """
    if len(text) <= columns and text.isascii() and text.isprintable():
        return text
    shown: list[tuple[str, int]] = []
    used, marks = 0, MARKS_PER_CHARACTER
    for character in text:
        if unicodedata.category(character) in ("Mn", "Me") and marks < MARKS_PER_CHARACTER and _is_visible(character):
            marks += 1
            piece, width = character, 0
        elif _is_visible(character) and unicodedata.category(character) not in ("Mn", "Me"):
            marks = 0
            piece, width = character, 2 if unicodedata.east_asian_width(character) in "WF" else 1
        else:
            marks = MARKS_PER_CHARACTER
            piece = character.encode("unicode_escape").decode("ascii")
            width = len(piece)
        shown.append((piece, width))
        used += width
        if used > columns:
            while shown and used > columns - 1:
                used -= shown.pop()[1]
            return "".join(piece for piece, _ in shown).rstrip() + "…"
    return "".join(piece for piece, _ in shown)


def one_line(text: str, columns: int = VALUE_COLUMNS) -> str:
    """Prose whose line breaks carry no meaning (an error message, a web page): blanks of any kind become one space."""
    return display_text(" ".join(text[: 64 * columns].split()), columns)


def json_text(value: Any, *, ascii_only: bool = False, indent: bool = False) -> str:
    """``value`` as JSON, with everything that a terminal or a line reader could act on escaped.

    Times and amounts become strings, so that no reader rounds them; decimals without a fraction are counts and stay
    numbers. Every other value parses to exactly itself.

    Args: ``ascii_only`` for files and streams that cannot hold all of Unicode; ``indent`` spreads it over lines.
    """
    import orjson

    try:
        text = orjson.dumps(value, default=_plain, option=orjson.OPT_INDENT_2 if indent else 0).decode()
    except TypeError:  # integers beyond 64 bits and lone surrogates
        import json

        separators = None if indent else (",", ":")
        text = json.dumps(value, default=_plain, indent=2 if indent else None, separators=separators)
    return _NOT_PLAIN.sub(lambda found: _in_json(found[0], ascii_only), text)


def decimal_text(value: Decimal, *, grouped: bool = False) -> str:
    """A decimal in digits: two after the point, more only where they are not zero; none where its type has none."""
    text = f"{value:,f}" if grouped else f"{value:f}"
    whole, point, fraction = text.partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}" if point else whole


def _is_visible(character: str) -> bool:
    if _INVISIBLE.match(character):
        return False
    return character.isprintable() or unicodedata.category(character) == "Zs"


def _in_json(character: str, ascii_only: bool) -> str:
    if not ascii_only and _is_visible(character):
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _plain(value: Any) -> str | int:
    if isinstance(value, Decimal):
        return int(value) if value.as_tuple().exponent == 0 else decimal_text(value)
    return value.isoformat() if isinstance(value, date) else str(value)
