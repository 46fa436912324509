"""Generates the data dictionary: every published table and column, from comments in SQL files and DuckDB's types.

Builds the models for an empty account in a temporary folder, so that it describes exactly what is published.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from referral_warehouse.warehouse.checks import TABLE_WORDS, record_results
from referral_warehouse.warehouse.models import PUBLISHED_LAYERS, Model, load_models

if TYPE_CHECKING:
    import duckdb

INTRODUCTION = """# Data dictionary

Every published table and column, made from the comments of the SQL files by `make docs`; the same words are comments in
the warehouse itself (`select * from duckdb_columns()`). Times are UTC, days are UTC days, money is DECIMAL and never
added across units, with two digits after the point, or as many as currencies and values need; counts that add up what
the API sends are DECIMAL(38,0), which holds any such sum. Rules and their reasons are in [DECISIONS.md](DECISIONS.md).
"""
LAYER_WORDS = {
    "core": "The entities as they are now, one row per id; what is gone stays with its `deleted_at`.",
    "marts": "The answers.",
    "ops": "What the runs did and what they were held against.",
}
CHECKS_TABLE = "ops.checks"


def write_dictionary() -> str:
    """The whole dictionary as Markdown; the same files give the same text.

    Raises: ConfigurationError when a model file is wrong; DataRefused when a model cannot be built even empty.
    """
    models = load_models()
    words = {model.qualified_name: model.header for model in models} | {CHECKS_TABLE: TABLE_WORDS}
    columns = _describe_empty(models)
    parts = [INTRODUCTION, *_contents(columns)]
    for layer in PUBLISHED_LAYERS:
        parts.append(f"## {layer}\n\n{LAYER_WORDS[layer]}\n")
        for name in (name for name in columns if name.startswith(f"{layer}.")):
            parts += [f"### {name}\n", *_table_words(words[name]), *_column_rows(columns[name])]
    return "\n".join(parts).rstrip() + "\n"


def _contents(columns: dict[str, list[tuple[str, str, str]]]) -> Iterator[str]:
    for layer in PUBLISHED_LAYERS:
        names = [name for name in columns if name.startswith(f"{layer}.")]
        links = ", ".join(f"[{name.partition('.')[2]}](#{name.replace('.', '')})" for name in names)
        yield f"- **{layer}**: {links}"
    yield ""


def _table_words(header: Mapping[str, str]) -> Iterator[str]:
    """What it is, its grain and units, the questions it answers one by one, and where it is wrong."""
    yield f"{header['description']}\n"
    for key, title in (("grain", "Grain"), ("money", "Money"), ("time", "Time")):
        if text := header.get(key):
            yield f"- {title}: {text}"
    if questions := header.get("answers"):
        yield "- Questions this answers:"
        yield from (f"  - {question}" for question in re.findall(r"\s*([^?]+\?)", questions))
    if wrong := header.get("wrong"):
        yield f"- Where it is wrong: {wrong}"
    yield ""


def _column_rows(columns: list[tuple[str, str, str]]) -> Iterator[str]:
    yield "| column | type | meaning |\n|---|---|---|"
    for name, kind, comment in columns:
        yield f"| `{name}` | {kind} | {comment.replace('|', chr(92) + '|')} |"
    yield ""


def _describe_empty(models: list[Model]) -> dict[str, list[tuple[str, str, str]]]:
    """Table → (column, type, comment) of each column in order, of a warehouse without rows."""
    import duckdb

    from referral_warehouse.settings import Settings
    from referral_warehouse.warehouse.build import prepare_draft_dir, run_models
    from referral_warehouse.warehouse.connection import connect_draft, substitute_missing_tables

    with tempfile.TemporaryDirectory(prefix="dictionary ") as folder:
        settings = Settings(warehouse_dir=Path(folder))
        with duckdb.connect(str(settings.load_path)) as load_file:
            load_file.execute("create schema raw")
        prepare_draft_dir(settings)
        connection = connect_draft(settings)
        try:
            substitute_missing_tables(connection)
            run_models(connection, models)
            record_results(connection, [], datetime(2000, 1, 1, tzinfo=UTC))
            return _columns_of_draft(connection)
        finally:
            connection.close()


def _columns_of_draft(connection: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[str, str, str]]]:
    rows = connection.execute(
        "select schema_name || '.' || table_name, column_name, data_type, coalesce(comment, '') from duckdb_columns() "
        "where database_name = 'draft' and not internal order by schema_name, table_name, column_index"
    ).fetchall()
    tables: dict[str, list[tuple[str, str, str]]] = {}
    for table, column, kind, comment in rows:
        tables.setdefault(table, []).append((column, kind, comment))
    return tables
