"""Formats results: progress while loading, tables at the end, one JSON line for programs."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Sequence
from decimal import Decimal
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from referral_warehouse.cli.output import is_utf8, warn, write_json, write_line
from referral_warehouse.cli.pace import Pace, pace_text
from referral_warehouse.cli.run_logging import LogHandler
from referral_warehouse.cli.table_layout import as_list, column_widths
from referral_warehouse.display_text import LINE_COLUMNS, decimal_text, display_text
from referral_warehouse.settings import Settings

FUNNEL = """
select campaign_name as campaign,
    max(stage_count) filter (where stage = 'reach') as reach,
    max(stage_count) filter (where stage = 'users') as users,
    max(stage_count) filter (where stage = 'referrers') as referrers,
    max(stage_count) filter (where stage = 'referrals') as referrals,
    max(stage_count) filter (where stage = 'qualified') as qualified,
    max(stage_count) filter (where stage = 'rewards due') as rewards_due,
    max(stage_count) filter (where stage = 'in process') as in_process,
    max(stage_count) filter (where stage = 'issued') as issued
from marts.referral_funnel
group by campaign_id, campaign_name
order by users desc, campaign_id
"""

WIDE_COLUMNS = 140
"""Columns of tables where there is no terminal."""

HELD = (
    "another program has the published file open for writing, or wrote beside it, so that nobody else can open it; a "
    "copy was read. Open it read-only (duckdb.connect(path, read_only=True)). The next publication is a new file."
)
"""The warning where a reader keeps others from opening the published file."""


class Reporter:
    """Progress of a run, on standard error; nothing where there is no terminal, unless it is requested."""

    def __init__(self, log: LogHandler, *, quiet: bool = False) -> None:
        self._console = _console(sys.stderr)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TextColumn("{task.fields[facts]}", markup=False),
            PaceColumn(log.pace),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=quiet or log.is_requested or not self._console.is_terminal,
        )
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Reporter:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def stage(self, name: str, facts: dict[str, Any]) -> None:
        """Show the progress of a stage."""
        text = display_text("  ".join(f"{value:,} {key}" for key, value in facts.items() if key != "calls_left"))
        if name not in self._tasks:
            for earlier in self._tasks.values():
                self._progress.update(earlier, is_current=False)
            self._tasks[name] = self._progress.add_task(name, total=None, facts=text)
        self._progress.update(self._tasks[name], facts=text, is_current="rows" in facts)


class PaceColumn(ProgressColumn):
    """Calls that are left, the call rate and the remaining time, next to the stage that sends the calls."""

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self._pace = pace

    def render(self, task: Task) -> Text:
        return Text(pace_text(self._pace.facts()) if task.fields.get("is_current") else "")


def day_bar(days: int) -> Progress:
    """A bar over the simulated days of the demo."""
    del days
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[facts]}", markup=False),
        TimeElapsedColumn(),
        console=_console(sys.stderr),
    )


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table on standard output; numbers are set flush right, empty cells are a dash.

    Its lines are ASCII where standard output cannot encode others, and no cell is interpreted as markup. No word is
    broken: a table that is too wide for the terminal becomes a list, with a line for each cell.
    """
    heads = [name.replace("_", " ") for name in columns]
    numeric = [any(isinstance(row[i], (int, Decimal, float)) for row in rows) for i in range(len(columns))]
    show_texts(title, heads, [[_cell(value) for value in row] for row in rows], numeric)


def show_texts(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], is_right: Sequence[bool]) -> None:
    """A table of texts. Args: ``is_right`` says which columns are set flush right."""
    console = _console(sys.stdout, width=_table_width())
    heads = [display_text(name) for name in columns]
    texts = [[display_text(text) for text in row] for row in rows]
    widths = column_widths([heads, *texts], console.width)
    if widths is None:
        for line in [*([display_text(title)] if title else []), *as_list(heads, texts, console.width)]:
            write_line(line)
        return
    heading = Text(display_text(title)) if title else None
    table = Table(title=heading, title_justify="left", title_style="bold", header_style="bold", show_edge=False)
    for name, is_number, width in zip(heads, is_right, widths, strict=True):
        table.add_column(Text(name), justify="right" if is_number else "left", overflow="fold", width=width)
    for row in texts:
        table.add_row(*map(Text, row))
    console.print(table)


def _table_width() -> int | None:
    """Columns of a table; None where rich determines them: on a terminal, or where COLUMNS is set."""
    return None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDE_COLUMNS


def say_paragraph(text: str) -> None:
    """A line on standard output; on a terminal it is wrapped between words."""
    console = _console(sys.stdout, width=_table_width())
    shown = display_text(text, LINE_COLUMNS)
    if _table_width() is not None:
        write_line(shown)
        return
    for line in textwrap.wrap(shown, console.width, break_long_words=False, break_on_hyphens=False) or [""]:
        write_line(line)


def say(text: str = "") -> None:
    """A line on standard output."""
    write_line(text)


def say_json(value: dict[str, Any]) -> None:
    """One machine-readable line on standard output."""
    write_json(value)


def _console(stream: TextIO, width: int | None = None) -> Console:
    """A console of rich. Only the stream decides whether it is a terminal, not FORCE_COLOR."""
    return Console(
        file=stream, width=width, force_terminal=stream.isatty(), force_jupyter=False, highlight=False, markup=False,
        emoji=False,
    )  # fmt: skip


def query_warehouse(settings: Settings, *queries: str) -> list[tuple[list[str], list[tuple[Any, ...]]]]:
    """Column names and rows of each query, all on the same published snapshot, opened read-only.

    Raises: ReferralsError when it cannot be read.
    """
    from referral_warehouse.warehouse.published import open_published

    found = []
    with open_published(settings) as (connection, is_copy):
        if is_copy:
            warn("reader", HELD)
        for sql in queries:
            cursor = connection.execute(sql)
            found.append(([column[0] for column in cursor.description or []], cursor.fetchall()))
    return found


def _cell(value: Any) -> str:
    if value is None:
        return "–" if is_utf8(sys.stdout) else "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Decimal):
        return decimal_text(value, grouped=True)
    if isinstance(value, float):
        return f"{value:.3f}"
    return str(value)
