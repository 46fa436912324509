"""Finds the fenced code blocks of a Markdown text; must not know their content."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_OPENING = re.compile(r"(?P<indent> *)(?P<ticks>`{3,}|~{3,})(?P<info>[\w-]*)[^\n]*")


@dataclass(frozen=True)
class Fence:
    """One block.

    ``info`` is the word behind the opening marks, ``text`` what is inside, without the indentation of the block, and
    ``line`` the number of its first line. From ``start`` to ``end``, the Markdown text is the block with its marks.
    """

    info: str
    text: str
    line: int
    start: int
    end: int


def fences_of(markdown: str) -> Iterator[Fence]:
    """Every block, in order. Raises: ValueError when one is not closed."""
    lines = enumerate(markdown.splitlines(keepends=True), start=1)
    at = 0
    for number, line in lines:
        start, at = at, at + len(line)
        opened = _OPENING.match(line)
        if not opened:
            continue
        inside: list[str] = []
        for _, inner in lines:
            at += len(inner)
            if inner.strip() == opened["ticks"]:
                break
            inside.append(inner.removeprefix(opened["indent"]))
        else:
            raise ValueError(f"the fence of line {number} is not closed")
        yield Fence(opened["info"], "".join(inside), number + 1, start, at)
