"""Writes the data dictionary as Markdown: every published table and column, how they are connected, and the metrics."""

from __future__ import annotations

from collections.abc import Iterator

from referral_warehouse.consume.description.describe import describe
from referral_warehouse.consume.description.mermaid import mermaid_text
from referral_warehouse.consume.description.model import Description, Metric, Table
from referral_warehouse.warehouse.models import PUBLISHED_LAYERS

INTRODUCTION = """# Data dictionary

Every published table and column, made from the comments of the SQL files by `make docs`; the same words are comments in
the warehouse itself (`select * from duckdb_columns()`). Times are UTC, days are UTC days, money is DECIMAL and never
added across units, with two digits after the point, or as many as currencies and values need; counts that add up what
the API sends are DECIMAL(38,0), which holds any such sum. Rules and their reasons are in [DECISIONS.md](DECISIONS.md).
"""
LAYER_WORDS = {
    "core": "The entities as they are now, one row per id; what is gone stays with its `deleted_at`.",
    "marts": "Tables that answer the questions of a business.",
    "ops": "What the runs did, and the comparisons and checks of the result.",
}
METRIC_WORDS = """Numbers that may be added up or divided over the rows of their table, and grouped by its other
columns. A value is always grouped by its unit, or filtered to one. "On the last day" takes the rows of the last day of
each group alone: balances of several days must not be added.
"""


def write_dictionary(description: Description | None = None) -> str:
    """The whole dictionary as Markdown; the same files give the same text.

    Raises: ConfigurationError when a model file is wrong; DataRefused when a model cannot be built even empty.
    """
    description = describe() if description is None else description
    parts = [INTRODUCTION, *_contents(description), f"```mermaid\n{mermaid_text(description)}```\n"]
    for layer in PUBLISHED_LAYERS:
        parts.append(f"## {layer}\n\n{LAYER_WORDS[layer]}\n")
        for table in (table for table in description.tables if table.layer == layer):
            parts += [f"### {table.name}\n", *_table_words(table), *_column_rows(table)]
    parts += [f"## metrics\n\n{METRIC_WORDS}", *_metric_rows(description.metrics)]
    return "\n".join(parts).rstrip() + "\n"


def _contents(description: Description) -> Iterator[str]:
    for layer in PUBLISHED_LAYERS:
        tables = [table for table in description.tables if table.layer == layer]
        links = ", ".join(f"[{table.bare_name}](#{table.name.replace('.', '')})" for table in tables)
        yield f"- **{layer}**: {links}"
    yield "- **[metrics](#metrics)**\n"


def _table_words(table: Table) -> Iterator[str]:
    """What it is, its grain, key and units, the questions it answers one by one, and where it is wrong."""
    yield f"{table.description}\n"
    for title, text in (("Grain", table.grain), ("Key", ", ".join(f"`{name}`" for name in table.key))):
        if text:
            yield f"- {title}: {text}"
    for title, text in (("Money", table.money), ("Time", table.time)):
        if text:
            yield f"- {title}: {text}"
    if table.references:
        joins = ", ".join(f"`{found.column}` = {found.to_table}.{found.to_column}" for found in table.references)
        yield f"- Joins: {joins}"
    if personal := [f"`{c.name}` ({c.personal_kind})" for c in table.columns if c.is_personal]:
        yield f"- Personal data: {', '.join(personal)}"
    if table.questions:
        yield "- Questions this answers:"
        yield from (f"  - {question}" for question in table.questions)
    if table.wrong:
        yield f"- Where it is wrong: {table.wrong}"
    yield ""


def _column_rows(table: Table) -> Iterator[str]:
    yield "| column | type | meaning |\n|---|---|---|"
    for column in table.columns:
        yield f"| `{column.name}` | {column.type} | {_cell(column.comment)} |"
    yield ""


def _metric_rows(metrics: tuple[Metric, ...]) -> Iterator[str]:
    yield "| metric | of | how | definition |\n|---|---|---|---|"
    for metric in metrics:
        yield f"| **{metric.name}** | {metric.table} | {_cell(_how(metric))} | {_cell(metric.definition)} |"


def _how(metric: Metric) -> str:
    how = {
        "sum": f"sum of {metric.column}",
        "count": "rows",
        "ratio": f"sum of {metric.numerator} / sum of {metric.denominator}",
        "last": f"sum of {metric.column} on the last {metric.last_of}",
    }[metric.kind]
    unit = f", by {metric.unit_column}" if metric.unit_column else ""
    return f"{how}{unit}" + (f", where {metric.only}" if metric.only else "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
