"""Fits a table into the columns of a terminal without breaking a word. Pure."""

from __future__ import annotations

from collections.abc import Sequence

BETWEEN = 3
"""Columns between two cells: a blank, a line and a blank; half of them are at each edge."""


def column_widths(cells: Sequence[Sequence[str]], width: int) -> list[int] | None:
    """The width of each column of a table; None where its words do not fit, so that it has to be shown in another way.

    Args:
        cells: the texts of each row; the first row is the heads.
        width: columns of the terminal.
    """
    from rich.cells import cell_len

    columns = list(zip(*cells, strict=True))
    natural = [max(cell_len(text) for text in column) for column in columns]
    least = [max(max(map(cell_len, text.split()), default=0) for text in column) for column in columns]
    spare = width - BETWEEN * len(columns) + 1 - sum(least)
    if spare < 0:
        return None
    widths = list(least)
    while spare > 0 and (growing := [i for i, found in enumerate(widths) if found < natural[i]]):
        # The narrowest first: a date then stays on one line before a long text takes all that is left.
        narrowest = min(natural[i] - widths[i] for i in growing)
        share = max(1, min(narrowest, spare // len(growing)))
        for i in growing:
            more = min(share, spare)
            widths[i] += more
            spare -= more
    return widths


def as_list(heads: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """The lines of a table as a list: each cell on a line of its own, and an empty line between rows.

    Texts are wrapped at blanks; a word that is longer than the terminal is wide stays whole.
    """
    import textwrap

    indent = max(map(len, heads), default=0) + 2
    lines: list[str] = []
    for row in rows:
        lines += [""] if lines else []
        for head, text in zip(heads, row, strict=True):
            lines += textwrap.wrap(
                f"{head + ':':<{indent}}{text}", width=max(width, indent + 8), subsequent_indent=" " * indent,
                break_long_words=False, break_on_hyphens=False, drop_whitespace=True,
            )  # fmt: skip
    return lines or ["(none)"]
