"""Parses one SQL text: the tables that it reads, and the comments of its output columns.

Knows no files and no layers. DuckDB's own tokens suffice and take a hundredth of the time of a syntax tree; the tests
compare both.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

import duckdb

TOKEN = re.compile(rb"""'(?:[^']|'')*'|\$\$.*?\$\$|"(?:[^"]|"")*"|(?:(?!--|/\*)[^\s'"])+""", re.DOTALL)
"""A string, a quoted name, or what comes before a blank or comment."""
COMMENT = re.compile(rb"--([^\n]*)|/\*(.*?)\*/", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Token:
    """A word, number or sign, and the comment behind it in its line."""

    text: str
    comment: str


@functools.cache
def read_sql(text: str, schemas: frozenset[str]) -> tuple[frozenset[str], tuple[tuple[str, str], ...]]:
    """Qualified names that a text reads, and (column, comment) of its CTE ``final``; cached for the process.

    Raises: ValueError when the text is not valid SQL.
    """
    tokens = _tokens(text)
    return _find_reads(tokens, schemas), _find_columns(tokens)


def _tokens(text: str) -> list[Token]:
    data = text.encode()  # DuckDB counts bytes
    try:
        begins = [begin for begin, _ in duckdb.tokenize(text)]
    except duckdb.Error as error:
        raise ValueError(str(error)) from None
    found = []
    for begin, end in zip(begins, [*begins[1:], len(data)], strict=True):
        word = TOKEN.match(data, begin, end)
        behind = data[word.end() if word else begin : end]
        if COMMENT.sub(b"", behind).strip():
            raise ValueError(f"this is not closed: {behind.decode(errors='replace').strip()[:40]}")
        comments = [(c[1] or c[2] or b"").decode().strip() for c in COMMENT.finditer(behind.partition(b"\n")[0])]
        found.append(Token(word[0].decode() if word else "", " ".join(comments)))
    return found


def _name(token: Token) -> str:
    return token.text.strip('"')


def _find_reads(tokens: list[Token], schemas: frozenset[str]) -> frozenset[str]:
    """Every ``schema.table`` that follows FROM, JOIN or a comma, where the schema is one of those named."""
    names = set()
    for opener, schema, dot, table in zip(tokens, tokens[1:], tokens[2:], tokens[3:], strict=False):
        if opener.text.lower() in ("from", "join", ",") and dot.text == "." and _name(schema).lower() in schemas:
            names.add(f"{_name(schema)}.{_name(table)}".lower())
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
        text = texts[index]
        depth += (text == "(") - (text == ")")
        is_end = depth < 0 or (depth == 0 and text == "from")
        if is_end or (depth == 0 and text == ","):
            # The comment of the last column follows its name, that of the others the comma.
            last, comma = tokens[index - 1], "" if is_end else tokens[index].comment
            columns.append((_name(last), f"{last.comment} {comma}".strip()))
        if is_end:
            break
    return tuple(columns)
