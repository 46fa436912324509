"""Decides whether a text may be run on a snapshot: one SELECT that reads its tables and nothing else.

DuckDB's own parser makes the syntax tree. Table functions are allowed by name, because some of DuckDB's read files,
run other texts or change settings inside a SELECT. Opens no database but an empty one in memory, which is closed to
files and the network: some statements read a file while they are parsed.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from referral_warehouse.consume.query.restrictions import CONFIG, LOCKED
from referral_warehouse.display_text import display_text
from referral_warehouse.errors import ConfigurationError

if TYPE_CHECKING:
    import duckdb

TABLE_FUNCTIONS = frozenset({
    "duckdb_columns", "duckdb_constraints", "duckdb_functions", "duckdb_keywords", "duckdb_schemas", "duckdb_tables",
    "duckdb_types", "duckdb_views", "generate_series", "histogram", "histogram_values", "json_each", "json_tree",
    "pragma_version", "range", "repeat", "repeat_row", "unnest",
})  # fmt: skip
"""Table functions that read nothing but tables, the catalog and their arguments."""

REFUSED_FUNCTIONS = frozenset({"currval", "nextval", "write_log"})
"""Functions of one value that change something besides the result."""

MEMORY = "memory"
"""The catalog of a connection that has no file of its own."""

SQL_STEP = "Correct the query; `referrals docs` lists the tables and columns."
ONLY_SELECT = "Write one SELECT (or FROM, WITH, VALUES, DESCRIBE, SHOW or SUMMARIZE) on the tables of the snapshot."


def split_statements(text: str) -> list[str]:
    """The statements of a text, in order. Raises: ConfigurationError where it is not SQL."""
    import duckdb

    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ConfigurationError("The query contains a zero byte or half of a character.", SQL_STEP)
    try:
        return [found.query for found in _parser().extract_statements(text)]
    except duckdb.PermissionException:
        raise ConfigurationError("The query names a file or an address to run what it holds.", ONLY_SELECT) from None
    except duckdb.Error as error:
        raise query_error(error, text) from None


def refuse_unsafe(sql: str, *, is_catalog_free: bool = True) -> None:
    """Refuse all but one SELECT that calls nothing that reaches outside of the snapshot.

    Args:
        sql: The text.
        is_catalog_free: Whether tables may be named with their database, as in ``warehouse.core.users``.

    Raises:
        ConfigurationError: It is something else, or not SQL.
    """
    statements = split_statements(sql)
    if len(statements) != 1:
        raise ConfigurationError(f"The query has {len(statements)} statements; one is run at a time.", ONLY_SELECT)
    for node in _nodes(_tree(sql)):
        if node.get("type") == "TABLE_FUNCTION":
            _refuse_name(node.get("function") or {}, TABLE_FUNCTIONS.__contains__)
        elif node.get("class") == "FUNCTION":
            _refuse_name(node, lambda name: name not in REFUSED_FUNCTIONS)
        if not is_catalog_free and node.get("catalog_name", "") not in ("", MEMORY):
            raise ConfigurationError(
                f"The database {display_text(str(node['catalog_name']))} cannot be named here.",
                "Name tables by schema and table, as in marts.referral_funnel.",
            )


def tables_named(sql: str) -> list[str]:
    """The tables that a SELECT names with their schema, as ``schema.table``, each once. Raises: ConfigurationError."""
    found = {
        f"{node['schema_name']}.{node['table_name']}".lower()
        for node in _nodes(_tree(sql))
        if node.get("type") == "BASE_TABLE" and node.get("schema_name")
    }
    return sorted(found)


def query_error(error: duckdb.Error, sql: str, before: str = "") -> ConfigurationError:
    """DuckDB's error on a query, in one line, with its place if known. ``before`` was put before the query."""
    kind, colon, rest = str(error).strip().partition(": ")
    try:
        found = json.loads(rest)
        message, position = str(found["exception_message"]), found.get("position")
        where = "" if position is None else _place(sql, int(position) - len(before))
    except (ValueError, KeyError, TypeError):
        message, where = (rest if colon else kind), ""
    first = display_text(message.strip().partition("\n")[0], 400).rstrip(".!")
    return ConfigurationError(f"{kind if colon else type(error).__name__}{where}: {first}.", SQL_STEP)


def _place(sql: str, position: int) -> str:
    """Line and column, from 1, of a place that DuckDB counts in bytes."""
    before = sql.encode("utf-8", "replace")[:position].decode("utf-8", "replace")
    return f" at line {before.count(chr(10)) + 1}, column {len(before.rpartition(chr(10))[2]) + 1}"


def _refuse_name(function: dict[str, Any], is_allowed: Any) -> None:
    name = str(function.get("function_name", "")).lower()
    if not is_allowed(name):
        raise ConfigurationError(
            f"The function {display_text(name)} is not available: a query reads the snapshot alone.", ONLY_SELECT
        )


@functools.cache
def _parser() -> duckdb.DuckDBPyConnection:
    import duckdb

    connection = duckdb.connect(":memory:", config=CONFIG | {"threads": 1, "errors_as_json": True})
    for statement in LOCKED:
        connection.execute(statement)
    return connection


def _tree(sql: str) -> Any:
    """DuckDB's syntax tree of a SELECT. Raises: ConfigurationError for any other statement."""
    import duckdb

    try:
        row = _parser().cursor().execute("select json_serialize_sql(?::varchar)", [sql]).fetchone()
        found = json.loads(row[0]) if row else {"error": True}
    except (duckdb.Error, RecursionError):
        raise ConfigurationError("The query is nested too deeply.", SQL_STEP) from None
    if found.get("error"):
        raise ConfigurationError("Only a SELECT can be run: the published data is never changed.", ONLY_SELECT)
    return found


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object of a tree, without recursion."""
    waiting = [tree]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            yield found
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)
