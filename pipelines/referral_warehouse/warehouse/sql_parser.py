"""Parses one SQL text: the tables that it reads, and the comments of its output columns.

Knows no files and no layers. Imported only where SQL is read, because sqlglot takes a tenth of a second to import.
"""

from __future__ import annotations

import functools

from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import TokenError
from sqlglot.tokens import Token, TokenType  # type: ignore[attr-defined]


@functools.cache
def read_sql(text: str, schemas: frozenset[str]) -> tuple[frozenset[str], tuple[tuple[str, str], ...]]:
    """Qualified names that a text reads, and (column, comment) of its CTE ``final``; cached for the process.

    Tokens suffice and are several times faster than a syntax tree; the tests compare both.
    Raises: ValueError when the text is not valid SQL.
    """
    try:
        tokens = DuckDB().tokenize(text)
    except TokenError as error:
        raise ValueError(str(error)) from None
    return _find_reads(tokens, schemas), _find_columns(tokens)


def _find_reads(tokens: list[Token], schemas: frozenset[str]) -> frozenset[str]:
    """Every ``schema.table`` that follows FROM, JOIN or a comma, where the schema is one of those named."""
    openers = {TokenType.FROM, TokenType.JOIN, TokenType.COMMA}
    names = set()
    for opener, schema, dot, table in zip(tokens, tokens[1:], tokens[2:], tokens[3:], strict=False):
        if opener.token_type in openers and dot.token_type == TokenType.DOT and schema.text.lower() in schemas:
            names.add(f"{schema.text}.{table.text}".lower())
    return frozenset(names)


def _find_columns(tokens: list[Token]) -> tuple[tuple[str, str], ...]:
    """Output columns of the CTE ``final`` with the comment at the end of each."""
    texts = [token.text.lower() for token in tokens]
    start = next((i for i in range(len(texts) - 3) if texts[i : i + 4] == ["final", "as", "(", "select"]), None)
    if start is None:
        return ()
    columns: list[tuple[str, str]] = []
    depth = 0
    for index in range(start + 4, len(tokens)):
        kind = tokens[index].token_type
        depth += (kind == TokenType.L_PAREN) - (kind == TokenType.R_PAREN)
        is_end = depth < 0 or (depth == 0 and kind == TokenType.FROM)
        if is_end or (depth == 0 and kind == TokenType.COMMA):
            # A comment after the comma is attached to the comma, one after the last column to the column's name.
            comments = tokens[index - 1].comments + ([] if is_end else tokens[index].comments)
            columns.append((tokens[index - 1].text, " ".join(comment.strip() for comment in comments)))
        if is_end:
            break
    return tuple(columns)
