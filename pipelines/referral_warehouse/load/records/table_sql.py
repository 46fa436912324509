"""Raw tables in SQL: the types of their columns and the statements that create them.

Pure functions of a ``TableSchema``; knows no connection and no stream.
"""

from __future__ import annotations

from referral_warehouse.load.records.schema import ROW_VERSION, Field, TableSchema

SQL_TYPES: dict[str, str] = {
    "int": "bigint",
    "bool": "boolean",
    "money": "decimal(38, 6)",
    "time": "timestamp",
    "text": "varchar",
    "json": "json",
}
"""Kind of a field → type of its column. Times are UTC without a zone."""

VALIDITY = {"_dlt_valid_from": "timestamptz", "_dlt_valid_to": "timestamptz"}
"""From and until when a version of a row was valid; dlt keeps these two with a zone."""

LOAD_ID = Field("_dlt_load_id", "text")
"""dlt adds it to every table that it loads; no model reads it."""

LINE_CHARS = 120


def column_types(schema: TableSchema) -> dict[str, str]:
    """The columns of a raw table with their types: its fields, the loader's own, and what a history adds."""
    columns = {field.name: SQL_TYPES[field.kind] for field in (*schema.fields, *schema.technical)}
    return columns | {ROW_VERSION: SQL_TYPES["text"]} | VALIDITY if schema.is_history else columns


def create_table(schema: TableSchema, dataset: str, *, further: tuple[Field, ...] = (), is_strict: bool = False) -> str:
    """The statement that creates a raw table, wrapped for reading and without a semicolon.

    Args:
        schema: the table.
        dataset: the schema of the database that holds the raw tables.
        further: columns that another program adds.
        is_strict: create it only where it is missing, and refuse nulls in fields that must have a value.
    """
    columns = column_types(schema) | {field.name: SQL_TYPES[field.kind] for field in further}
    if is_strict:
        columns |= {field.name: f"{columns[field.name]} not null" for field in schema.fields if field.must == "value"}
    lines = [""]
    for name, kind in columns.items():
        column = f"{name} {kind}"
        if lines[-1] and len(lines[-1]) + len(column) + len(" ,") > LINE_CHARS - len("    "):
            lines.append("")
        lines[-1] += f"{' ' if lines[-1] else ''}{column},"
    body = "\n".join(f"    {line}" for line in lines).removesuffix(",")
    return f"create table {'if not exists ' if is_strict else ''}{dataset}.{schema.name} (\n{body}\n)"
