"""Parses one SQL text: the tables that it reads, and the comments of its output columns.

Knows no files and no layers. Words, signs and comments suffice and take a hundredth of the time of a syntax tree; the
tests compare both.
"""

from __future__ import annotations

import functools
import re

TOKEN = re.compile(
    r"""
    --[^\n]* | /\*.*?\*/                                                    # a comment in lines of its own
    | ('(?:[^']|'')*' | \$\$.*?\$\$ | "(?:[^"]|"")*" | \w+ | (?!/\*|\$\$)[^\s'"])  # a string, a name, a word, a sign,
      ((?:[^\S\n]*(?:--[^\n]*|/\*.*?\*/))*)                                 # and the comments behind it in its line
    | (\S)                                                                  # the beginning of what is never closed
    """,
    re.DOTALL | re.VERBOSE,
)
COMMENT = re.compile(r"--([^\n]*)|/\*(.*?)\*/", re.DOTALL)

Tokens = list[tuple[str, str]]
"""Each word, string or sign with the comments behind it in its line, as they are written."""


@functools.cache
def read_sql(text: str, schemas: frozenset[str]) -> tuple[frozenset[str], tuple[tuple[str, str], ...]]:
    """Qualified names that a text reads, and (column, comment) of its CTE ``final``; cached for the process.

    Raises: ValueError when a string, a name or a comment is never closed.
    """
    tokens = _tokens(text)
    return _find_reads(tokens, schemas), _find_columns(tokens)


def _tokens(text: str) -> Tokens:
    found: Tokens = []
    for token, comments, unclosed in TOKEN.findall(text):
        if unclosed:
            raise ValueError(f"a part that begins with {unclosed} is not closed")
        if token:
            found.append((token, comments))
    return found


def _comment(comments: str) -> str:
    """The text of the comments behind a token."""
    if not comments:
        return ""
    return " ".join((found[1] or found[2] or "").strip() for found in COMMENT.finditer(comments))


def _name(token: str) -> str:
    return token.strip('"')


def _find_reads(tokens: Tokens, schemas: frozenset[str]) -> frozenset[str]:
    """Every ``schema.table`` that follows FROM, JOIN or a comma, where the schema is one of those named."""
    names = set()
    for index in range(2, len(tokens) - 1):
        if tokens[index][0] != ".":
            continue
        schema = _name(tokens[index - 1][0]).lower()
        if schema in schemas and tokens[index - 2][0].lower() in ("from", "join", ","):
            names.add(f"{schema}.{_name(tokens[index + 1][0])}".lower())
    return frozenset(names)


def _find_columns(tokens: Tokens) -> tuple[tuple[str, str], ...]:
    """Output columns of the CTE ``final`` with the comment at the end of each."""
    texts = [text.lower() for text, _ in tokens]
    start = next(
        (i for i, text in enumerate(texts) if text == "final" and texts[i + 1 : i + 4] == ["as", "(", "select"]), None
    )
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
            (last, comments), comma = tokens[index - 1], "" if is_end else tokens[index][1]
            columns.append((_name(last), f"{_comment(comments)} {_comment(comma)}".strip()))
        if is_end:
            break
    return tuple(columns)
