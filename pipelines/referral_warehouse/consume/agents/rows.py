"""Makes a bounded table of a query's result: long texts, many rows and a large total are cut, and the table says so."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from referral_warehouse.consume.agents.source import Reading
from referral_warehouse.consume.query.formats import EXACT_IN_PYTHON
from referral_warehouse.display_text import display_text, json_text
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.sql_quoting import identifier

WITHOUT_TEXT = re.compile(r"DATE|TIME\w*( WITH TIME ZONE)?|INTERVAL|FLOAT|UUID")
MAX_ROWS = 1_000
DEFAULT_ROWS = 200
MAX_COLUMNS = 200
MAX_CHARACTERS = 60_000
"""Characters of all values of an answer together."""

MAX_TEXT = 1_000
"""Characters of one value."""


def table_of(
    reading: Reading, sql: str, parameters: Sequence[Any] = (), max_rows: int = DEFAULT_ROWS
) -> dict[str, Any]:
    """Run a query; its result as columns and rows.

    Returns: ``columns`` with their types, ``rows`` as lists in the order of the columns, and whether and why they were
        cut. Decimals with a fraction are texts with all digits; times are UTC.
    Raises: ReferralsError as ``PinnedSnapshot.run``; ConfigurationError for too many columns.
    """
    answer = reading.pinned.run(
        sql, timeout_s=reading.timeout_s, max_rows=max_rows, shape=_shape, parameters=parameters
    )
    if len(answer.columns) > MAX_COLUMNS:
        raise ConfigurationError(
            f"The result has {len(answer.columns)} columns; {MAX_COLUMNS} are answered at most.",
            "Select fewer columns.",
        )
    rows: list[list[Any]] = []
    cut, characters = [], 0
    shortened = 0
    for row in (row for batch in answer.batches for row in batch):
        values = [_exact(value) for value in row]
        characters += len(json_text(values))
        if characters > MAX_CHARACTERS:
            cut.append(f"further rows are left out: an answer has at most {MAX_CHARACTERS} characters of rows")
            break
        shortened += sum(isinstance(value, str) and len(value) > MAX_TEXT for value in row)
        rows.append(values)
    if answer.is_cut and not cut:
        cut.append(f"further rows are left out: at most {max_rows} were asked for")
    if shortened:
        cut.append(f"{shortened} texts were shortened to {MAX_TEXT} characters and end with …")
    return {
        "columns": [
            {"name": display_text(name, MAX_TEXT), "type": kind, "may_hold_text_from_the_account": _is_text(kind)}
            for name, kind in zip(answer.columns, answer.types, strict=True)
        ],
        "rows": rows,
        "rows_count": len(rows),
        "is_cut": bool(cut),
        "cut": cut,
    }


def _is_text(kind: str) -> bool:
    """Whether values of a type may contain text: it is one, or made of parts."""
    return kind == "VARCHAR" or not (EXACT_IN_PYTHON.fullmatch(kind) or WITHOUT_TEXT.fullmatch(kind))


def _shape(types: Sequence[str], columns: Sequence[str]) -> list[str]:
    """What Python holds exactly as it is, all else as DuckDB's text, of which no more is read than is shown."""
    found = []
    for number, (kind, name) in enumerate(zip(types, columns, strict=True), start=1):
        expression = f"#{number}"
        if kind == "VARCHAR" or not EXACT_IN_PYTHON.fullmatch(kind):
            expression = f"left(cast({expression} as varchar), {MAX_TEXT + 1})"
        found.append(f"{expression} as {identifier(name)}")
    return found


def shortened_text(text: str) -> str:
    """A text of at most ``MAX_TEXT`` characters, and … where there were more."""
    return f"{text[:MAX_TEXT]}…" if len(text) > MAX_TEXT else text


def _exact(value: Any) -> Any:
    """A value that JSON can hold: NaN and infinity are texts."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return shortened_text(value) if isinstance(value, str) else value
