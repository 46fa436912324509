"""Draws tables, their keys and how they are connected, as a diagram in Mermaid's language."""

from __future__ import annotations

from collections.abc import Iterator

from referral_warehouse.consume.description.model import Description, Table

DRAWN_LAYERS = ("core", "marts")


def mermaid_text(description: Description) -> str:
    """An entity relationship diagram of the entities and marts: keys and columns that refer to other tables."""
    lines = ["erDiagram", *_lines(description)]
    return "\n".join(lines) + "\n"


def _lines(description: Description) -> Iterator[str]:
    tables = [table for table in description.tables if table.layer in DRAWN_LAYERS]
    for table in tables:
        yield f"    {entity(table.name)} {{"
        yield from _attributes(table)
        yield "    }"
    drawn = {table.name for table in tables}
    for table in tables:
        for found in (found for found in table.references if found.to_table in drawn):
            many = "o|" if (found.column,) == table.key else "o{"
            yield f'    {entity(found.to_table)} |o--{many} {entity(table.name)} : "{found.column}"'


def _attributes(table: Table) -> Iterator[str]:
    referring = {found.column for found in table.references}
    for column in table.columns:
        marks = [*(["PK"] if column.name in table.key else []), *(["FK"] if column.name in referring else [])]
        if marks:
            kind = column.type.partition("(")[0].lower()
            yield f"        {kind} {column.name} {', '.join(marks)}"


def entity(name: str) -> str:
    """The name of a table in a diagram, which has no points."""
    return name.replace(".", "_")
