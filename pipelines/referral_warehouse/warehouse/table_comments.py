"""Comments of published tables and columns: their text from a header, and the statements that write them."""

from __future__ import annotations

from collections.abc import Mapping

from referral_warehouse.sql_quoting import identifier, literal

TITLES = {"money": "Money", "time": "Time", "answers": "Answers", "wrong": "Where it is wrong"}


def header_comment(header: Mapping[str, str]) -> str:
    """The comment of a table: description, grain, money, time, questions that it answers and known limits."""
    parts = [header.get("description", ""), f"Grain: {header.get('grain', '')}."]
    for key, title in TITLES.items():
        if text := header.get(key, ""):
            parts.append(f"{title}: {text if text.endswith(('.', '?')) else text + '.'}")
    return " ".join(part for part in parts if part)


def comment_statements(target: str, comment: str | None, columns: Mapping[str, str]) -> list[str]:
    """The statements that give a table and its columns their comments; empty ones are left out."""
    statements = [] if comment is None else [f"comment on table {target} is {literal(comment)}"]
    statements += [
        f"comment on column {target}.{identifier(column)} is {literal(text)}"
        for column, text in columns.items()
        if text
    ]
    return statements
