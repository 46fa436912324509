"""The one description of what is published: the comments of the SQL files, with the types of a database.

Everything that explains the data to people or tools is made from it; no definition is written anywhere else.
"""

from __future__ import annotations

import functools
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from referral_warehouse.consume.description.headers import listed, metrics, references
from referral_warehouse.consume.description.model import Column, Description, Table
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.warehouse.accounts.union import ACCOUNTS_TABLE
from referral_warehouse.warehouse.accounts.union import TABLE_HEADER as ACCOUNTS_HEADER
from referral_warehouse.warehouse.checks import TABLE_HEADER, record_results
from referral_warehouse.warehouse.manifest import SCHEMA_VERSION
from referral_warehouse.warehouse.models import ACCOUNT_COLUMN, PUBLISHED_LAYERS, Model, load_models
from referral_warehouse.warehouse.models import personal_columns as declared_personal

if TYPE_CHECKING:
    import duckdb

CHECKS_TABLE = "ops.checks"


@functools.cache
def describe() -> Description:
    """The description of this version, from models that are built for an empty account in a temporary folder, once.

    Raises: ConfigurationError when a model file is wrong; DataRefused when a model cannot be built even empty.
    """
    import duckdb

    from referral_warehouse.settings import Settings
    from referral_warehouse.warehouse.build import prepare_draft_dir, run_models
    from referral_warehouse.warehouse.connection import connect_draft, substitute_missing_tables

    models = load_models()
    with tempfile.TemporaryDirectory(prefix="description ") as folder:
        settings = Settings(warehouse_dir=Path(folder))
        with duckdb.connect(str(settings.load_path)) as load_file:
            load_file.execute("create schema raw")
        prepare_draft_dir(settings)
        connection = connect_draft(settings)
        try:
            substitute_missing_tables(connection)
            run_models(connection, models)
            record_results(connection, [], datetime(2000, 1, 1, tzinfo=UTC))
            return describe_database(connection, "draft", models)
        finally:
            connection.close()


def describe_database(
    connection: duckdb.DuckDBPyConnection, catalog: str, models: list[Model] | None = None
) -> Description:
    """The description of a database that this version built, with the types and columns that it has.

    Args:
        connection: Has the database attached; a draft or a snapshot.
        catalog: What it is attached as.
        models: The models, if they were read already.
    """
    models = load_models() if models is None else models
    headers: dict[str, Mapping[str, str]] = {model.qualified_name: model.header for model in models}
    headers |= {CHECKS_TABLE: TABLE_HEADER, ACCOUNTS_TABLE: ACCOUNTS_HEADER}
    tables = [
        table_of(name, headers[name], columns)
        for name, columns in sorted(_columns(connection, catalog).items(), key=lambda item: _order(item[0]))
        if name in headers
    ]
    found = [metric for table in tables for metric in metrics(table.name, headers[table.name], table.columns)]
    names = [metric.name for metric in found]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(f"Metrics have the same name: {', '.join(doubled)}.", "Name one of them with `as`.")
    return Description(SCHEMA_VERSION, tuple(tables), tuple(found))


def personal_columns(description: Description) -> dict[str, tuple[str, ...]]:
    """Table → its columns that name a person, or may; only tables that have some."""
    found = {table.name: tuple(c.name for c in table.columns if c.is_personal) for table in description.tables}
    return {name: columns for name, columns in found.items() if columns}


def _order(name: str) -> tuple[int, str]:
    layer, _, bare_name = name.partition(".")
    return PUBLISHED_LAYERS.index(layer), bare_name


def _columns(connection: duckdb.DuckDBPyConnection, catalog: str) -> dict[str, list[tuple[str, str, str]]]:
    rows = connection.execute(
        "select schema_name || '.' || table_name, column_name, data_type, coalesce(comment, '') from duckdb_columns() "
        "where database_name = ? and not internal order by schema_name, table_name, column_index",
        [catalog],
    ).fetchall()
    tables: dict[str, list[tuple[str, str, str]]] = {}
    for table, column, kind, comment in rows:
        tables.setdefault(table, []).append((column, kind, comment))
    return {name: columns for name, columns in tables.items() if name.partition(".")[0] in PUBLISHED_LAYERS}


def table_of(name: str, header: Mapping[str, str], rows: Sequence[tuple[str, str, str]]) -> Table:
    """A table by its name, its header, and the name, type and comment of each column.

    The account is the first part of the key where several accounts are published together.
    Raises: ConfigurationError when the header names a column that there is not.
    """
    personal = declared_personal(name, header)
    columns = tuple(Column(column, kind, comment, personal.get(column, "")) for column, kind, comment in rows)
    known = {column.name for column in columns}
    for line, named in (("key", listed(header, "key")), ("personal", personal)):
        if unknown := sorted(set(named) - known):
            raise ConfigurationError(
                f"The header of {name} is wrong: {line} names columns that it does not have: {', '.join(unknown)}.",
                "Correct the comments of its SQL file.",
            )
    table = Table(
        name=name,
        description=header["description"],
        grain=header.get("grain", ""),
        money=header.get("money", ""),
        time=header.get("time", ""),
        questions=tuple(re.findall(r"\s*([^?]+\?)", header.get("answers", ""))),
        wrong=header.get("wrong", ""),
        key=listed(header, "key"),
        references=tuple(references(name, header, columns)),
        columns=columns,
    )
    has_key = not table.has_account or ACCOUNT_COLUMN in table.key
    return table if has_key else replace(table, key=(ACCOUNT_COLUMN, *table.key))
