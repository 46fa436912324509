"""How results look on a terminal: progress while loading, tables at the end, one JSON line for machines."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from pipelines.cli.log import Log

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


class Reporter:
    """Progress of a run, on standard error; silent where there is no terminal and nobody asked."""

    def __init__(self, log: Log, *, quiet: bool = False) -> None:
        self._log = log
        self._console = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TextColumn("{task.fields[facts]}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=quiet or log.is_asked_for or not self._console.is_terminal,
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
        """A stage of the run has come this far."""
        self._log.stage(name, facts)
        text = "  ".join(f"{value:,} {key}" for key, value in facts.items())
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=None, facts=text)
        self._progress.update(self._tasks[name], facts=text)


def day_bar(days: int) -> Progress:
    """A bar over the simulated days of the demo."""
    del days
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[facts]}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table on standard output; numbers are set flush right, empty cells are a dash."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold", show_edge=False)
    numeric = [any(isinstance(row[i], (int, Decimal, float)) for row in rows) for i in range(len(columns))]
    for name, is_number in zip(columns, numeric, strict=True):
        table.add_column(name.replace("_", " "), justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    width = None if sys.stdout.isatty() else 140
    Console(width=width, highlight=False).print(table)


def say(text: str = "") -> None:
    """A line on standard output."""
    Console(highlight=False, markup=False, soft_wrap=True).print(text)


def say_json(value: dict[str, Any]) -> None:
    """One machine-readable line on standard output; money is text, so that no reader rounds it, counts are numbers."""
    sys.stdout.write(orjson.dumps(value, default=_json_value).decode() + "\n")


def query_warehouse(path: Path, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows of a query on a published warehouse, opened read-only."""
    import duckdb

    connection = duckdb.connect(str(path), read_only=True)
    try:
        cursor = connection.execute(sql)
        return [column[0] for column in cursor.description or []], cursor.fetchall()
    finally:
        connection.close()


def _json_value(value: Any) -> Any:
    if isinstance(value, Decimal) and value.as_tuple().exponent == 0:
        return orjson.Fragment(str(value))  # a count, in digits of its own: it may be larger than 64 bits
    return str(value)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Decimal):
        return f"{value:,f}"  # with the digits of its type: none for counts, two for money
    if isinstance(value, float):
        return f"{value:.3f}"
    return str(value)
