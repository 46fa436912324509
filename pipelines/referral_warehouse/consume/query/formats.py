"""Writes the result of a query as CSV, JSON, Markdown or Parquet, without changing a value.

What Python, JSON or Parquet cannot hold exactly is written as DuckDB's text for it (intervals, times with more than six
digits, lists and structures). Knows no snapshot and no terminal; returns text and bytes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import IO, Any

from referral_warehouse.consume.query.pinned import Answer, PinnedSnapshot
from referral_warehouse.display_text import display_text, json_text
from referral_warehouse.sql_quoting import identifier

EXACT_IN_PYTHON = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|BOOLEAN|VARCHAR|DOUBLE|DECIMAL\(\d+,\d+\)")
INEXACT_IN_PARQUET = re.compile(r"INTERVAL|BIT|BIGNUM|UNION|VARIANT|GEOMETRY|TIME WITH|TIMETZ|TIME_NS|HUGEINT|NULL")
QUOTED = re.compile(r'[",\r\n]|^\s|\s$|^$')
MARKDOWN = re.compile(r"[\\`*<>\[\]|&]")


def text_shape(types: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Expressions for the columns of a query, so that Python has each value exactly, if need be as DuckDB's text."""
    found = []
    for number, (kind, name) in enumerate(zip(types, columns, strict=True), start=1):
        expression = f"#{number}"
        if kind == "FLOAT":  # by way of its text: a wider float would show digits that were never there
            expression = f"cast(cast({expression} as varchar) as double)"
        elif not EXACT_IN_PYTHON.fullmatch(kind):
            expression = f"cast({expression} as varchar)"
        found.append(f"{expression} as {identifier(name)}")
    return found


def parquet_shape(types: Sequence[str], columns: Sequence[str]) -> list[str]:
    """The same for Parquet: sums of integers are DECIMAL(38,0), and what Parquet does not have is text."""
    found = []
    for number, (kind, name) in enumerate(zip(types, columns, strict=True), start=1):
        expression = f"#{number}"
        if kind in ("HUGEINT", "UHUGEINT"):
            expression = f"cast({expression} as decimal(38, 0))"
        elif INEXACT_IN_PARQUET.search(kind):
            expression = f"cast({expression} as varchar)"
        found.append(f"{expression} as {identifier(name)}")
    return found


def csv_lines(answer: Answer) -> Iterator[str]:
    """Lines of CSV (RFC 4180 with line feeds), the header first. Null is empty, an empty text is ``""``.

    Values are as they are: a text that begins with ``=`` is still one, which a spreadsheet may take for a formula.
    """
    yield ",".join(_csv_cell(name) for name in answer.columns) + "\n"
    for batch in answer.batches:
        for row in batch:
            yield ",".join("" if value is None else _csv_cell(_text(value)) for value in row) + "\n"


def json_lines(answer: Answer, *, ascii_only: bool) -> Iterator[str]:
    """An array with an object for each row, one per line.

    Decimals with a fraction are strings, integers are numbers with all their digits, other kinds of values are strings.
    """
    names = unique_names(answer.columns)
    before = "["
    for batch in answer.batches:
        for row in batch:
            shown = {name: _json_value(value) for name, value in zip(names, row, strict=True)}
            yield f"{before}{json_text(shown, ascii_only=ascii_only)}"
            before = ",\n"
    yield "]\n" if before != "[" else "[]\n"


def markdown_lines(answer: Answer) -> Iterator[str]:
    """A table of Markdown; what Markdown or a terminal could act on in a value is escaped."""
    yield f"| {' | '.join(_markdown_cell(name) for name in answer.columns)} |"
    yield f"|{'|'.join('---:' if is_number(kind) else '---' for kind in answer.types)}|"
    for batch in answer.batches:
        for row in batch:
            yield f"| {' | '.join('' if value is None else _markdown_cell(_text(value)) for value in row)} |"


def write_parquet(pinned: PinnedSnapshot, sql: str, stream: IO[bytes], timeout_s: float | None) -> int:
    """Write the result as one Parquet file to a stream that need not be a file. Returns: rows written.

    Raises: as ``PinnedSnapshot.run`` does.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = pinned.arrow(sql, timeout_s=timeout_s, shape=parquet_shape)
    schema: pa.Schema = next(found)
    rows = 0
    with pq.ParquetWriter(pa.PythonFile(stream, mode="w"), schema) as writer:
        for batch in found:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def is_number(kind: str) -> bool:
    """Whether values of a DuckDB type are aligned to the right."""
    return bool(re.fullmatch(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\)", kind))


def unique_names(columns: Iterable[str]) -> list[str]:
    """The names of columns, each once: a second ``a`` is ``a_1``, as in a subquery of DuckDB."""
    found: list[str] = []
    for name in columns:
        number, unique = 0, name
        while unique in found:
            number += 1
            unique = f"{name}_{number}"
        found.append(unique)
    return found


def plain_text(value: Any) -> str:
    """A value as DuckDB writes it, in all its digits; null is empty."""
    return "" if value is None else _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return repr(value) if isinstance(value, float) else str(value)


def _json_value(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value.as_tuple().exponent == 0 else f"{value:f}"
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


def _csv_cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if QUOTED.search(text) else text


def _markdown_cell(text: str) -> str:
    return MARKDOWN.sub(lambda found: f"\\{found[0]}", display_text(text))
