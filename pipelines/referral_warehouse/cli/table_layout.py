"""Fits a table into the columns of a terminal without breaking a word of usual length. Pure."""

from __future__ import annotations

from collections.abc import Sequence

BETWEEN = 3
"""Columns between two cells: a blank, a line and a blank; half of them are at each edge."""
LONGEST_WORD = 40
"""Longer words are broken: names in the account may be hundreds of characters without a blank."""
CONTINUED = "    "


def column_widths(cells: Sequence[Sequence[str]], width: int) -> list[int] | None:
    """The width of each column of a table; None where its words do not fit, so that it has to be shown in another way.

    Args:
        cells: the texts of each row; the first row is the heads.
        width: columns of the terminal.
    """
    from rich.cells import cell_len

    columns = list(zip(*cells, strict=True))
    # It is more important that dates and amounts stay on one line than heads, so heads get the width that is left.
    bodies = [max((cell_len(text) for text in column[1:]), default=0) for column in columns]
    natural = [max(cell_len(text) for text in column) for column in columns]
    words = [[min(cell_len(word), LONGEST_WORD) for text in column for word in text.split()] for column in columns]
    least = [max(lengths, default=0) for lengths in words]
    spare = width - BETWEEN * len(columns) + 1 - sum(least)
    if spare < 0:
        return None
    widths = list(least)
    for wanted in (bodies, natural):
        spare = _grow(widths, wanted, spare)
    return widths


def _grow(widths: list[int], wanted: Sequence[int], spare: int) -> int:
    """Widen columns up to what is wanted, the narrowest first, so that a long text does not take all that is left.

    Returns: the columns of the terminal that are left.
    """
    while spare > 0 and (growing := [i for i, found in enumerate(widths) if found < wanted[i]]):
        narrowest = min(wanted[i] - widths[i] for i in growing)
        share = max(1, min(narrowest, spare // len(growing)))
        for i in growing:
            more = min(share, spare)
            widths[i] += more
            spare -= more
    return spare


def as_list(heads: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """The lines of a table as a list: each cell on a line of its own, and an empty line between rows.

    Texts are wrapped at blanks, and only words that are longer than the terminal is wide are broken.
    """
    import textwrap

    from rich.cells import cell_len, chop_cells

    indent = max(map(cell_len, heads), default=0) + 2
    lines: list[str] = []
    for row in rows:
        lines += [""] if lines else []
        for head, text in zip(heads, row, strict=True):
            wrapped = textwrap.wrap(
                f"{head + ':':<{indent}}{text}", width=width, subsequent_indent=CONTINUED, break_long_words=False,
                break_on_hyphens=False,
            )  # fmt: skip
            for line in wrapped:
                lines += [line] if cell_len(line) <= width else chop_cells(line, width)
    return lines or ["(none)"]
