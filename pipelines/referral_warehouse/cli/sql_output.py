"""Shows the result of a query on standard output, in the requested format.

For people, nothing in a value acts on the terminal; for programs, values are exact.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from referral_warehouse.cli.output import is_output_lost, is_utf8, warn, write_bytes, write_line, write_text
from referral_warehouse.errors import ConfigurationError

if TYPE_CHECKING:
    from referral_warehouse.consume.query.pinned import PinnedSnapshot

FORMATS = ("table", "csv", "json", "parquet", "md")
TABLE_ROWS = 1_000
"""Rows of a table at most: its columns are as wide as their longest cell, so all are read before the first is shown."""


def show_result(pinned: PinnedSnapshot, sql: str, form: str, timeout_s: float | None, limit: int | None) -> None:
    """Run a query and show its result.

    Args:
        pinned: The snapshot.
        sql: One SELECT.
        form: One of ``FORMATS``.
        timeout_s: Seconds that the query may take.
        limit: Rows at most; None for all, or ``TABLE_ROWS`` of a table.

    Raises:
        ConfigurationError: The query is refused or takes too long, or the format does not fit the terminal.
    """
    if form == "parquet":
        _write_parquet(pinned, sql, timeout_s)
        return
    from referral_warehouse.consume.query.formats import csv_lines, json_lines, markdown_lines, text_shape

    rows = TABLE_ROWS if form == "table" and limit is None else limit
    answer = pinned.run(sql, timeout_s=timeout_s, max_rows=rows, shape=text_shape)
    if form == "table":
        _show_table(answer)
        if answer.is_cut and limit is None:
            warn("rows", f"Only the first {TABLE_ROWS:,} rows are shown. --limit shows more; --format csv has all.")
        return
    lines = {
        "csv": lambda: csv_lines(answer),
        "json": lambda: json_lines(answer, ascii_only=not is_utf8(sys.stdout)),
        "md": lambda: markdown_lines(answer),
    }[form]()
    write = {"csv": _csv_line, "json": write_text, "md": write_line}[form]
    for line in _until_lost(lines):
        write(line)


def _show_table(answer: Any) -> None:
    from referral_warehouse.cli.console import show_texts
    from referral_warehouse.consume.query.formats import is_number, plain_text

    dash = "–" if is_utf8(sys.stdout) else "-"
    texts = [[dash if value is None else plain_text(value) for value in row] for row in answer.rows()]
    show_texts("", answer.columns, texts, [is_number(kind) for kind in answer.types])


def _csv_line(line: str) -> None:
    """Write a line as is, in UTF-8; on a terminal, escaped so that nothing in it acts on the terminal."""
    if sys.stdout.isatty():
        write_line(line.removesuffix("\n"))
    else:
        write_bytes(line.encode("utf-8", "surrogatepass"))


def _until_lost(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if is_output_lost():
            return
        yield line


class _Output:
    """Standard output as a file for a library."""

    closed = False

    def __init__(self) -> None:
        self._written = 0

    def write(self, data: Any) -> int:
        write_bytes(data)
        self._written += len(data)
        return len(data)

    def tell(self) -> int:
        return self._written

    def flush(self) -> None:
        """Nothing is buffered here."""

    def close(self) -> None:
        """The process closes it."""


def _write_parquet(pinned: PinnedSnapshot, sql: str, timeout_s: float | None) -> None:
    from referral_warehouse.consume.query.formats import write_parquet

    if sys.stdout.isatty():
        raise ConfigurationError("Parquet is not for a terminal.", "Write it to a file, as in > out.parquet")
    stream: Any = _Output()
    write_parquet(pinned, sql, stream, timeout_s)
