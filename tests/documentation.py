"""The project's Markdown pages, and how to find sections, tables, fences and links in them.

Must not know what the pages are about; the tests that import it do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from tests.fences import fences_of

PROJECT = Path(__file__).parents[1]
PAGES: dict[str, str] = {
    str(path.relative_to(PROJECT)): path.read_text(encoding="utf-8")
    for path in (PROJECT / "README.md", *sorted(PROJECT.glob("*.md")), *sorted((PROJECT / "docs").glob("*.md")))
}
"""Path relative to the project → text; README.md comes first."""

HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Query:
    """A ``sql`` fence of a page; ``shown`` is the result that the page shows below it, if it shows one."""

    page: str
    text: str
    shown: str | None


def queries_of(page: str) -> Iterator[Query]:
    """Each query of a page. A ``text`` fence that follows with nothing but blank lines between is its result."""
    fences = list(fences_of(PAGES[page]))
    for fence, following in zip_longest(fences, fences[1:]):
        if fence.info != "sql":
            continue
        between = PAGES[page][fence.end : following.start] if following else "no fence"
        shown = following.text if following and following.info == "text" and not between.strip() else None
        yield Query(page, fence.text.strip().removesuffix(";"), shown)


def section(page: str, heading: str) -> str:
    """The text below a heading up to the next one of the same or a higher level.

    Raises: AssertionError when the page has no such heading.
    """
    text = PAGES[page]
    found = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    assert found, f"{page} has no heading {heading!r}"
    return re.split(rf"^#{{1,{len(found[1])}}} ", text[found.end() :], maxsplit=1, flags=re.MULTILINE)[0]


def table_rows(text: str) -> list[list[str]]:
    """The cells of every table row in a text, without the heads of the tables."""
    lines = text.splitlines()
    rules = {number for number, line in enumerate(lines) if re.fullmatch(r"\|(-+\|)+", line)}
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for number, line in enumerate(lines)
        if line.startswith("|") and number not in rules and number + 1 not in rules
    ]


def without_fences(text: str) -> str:
    """A page's text without its code blocks."""
    for fence in reversed(list(fences_of(text))):
        text = text[: fence.start] + text[fence.end :]
    return text


def anchors_of(page: str) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = HEADING.findall(without_fences(PAGES[page]))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def is_stub(page: str) -> bool:
    """Whether a page holds nothing but headings yet."""
    return not HEADING.sub("", PAGES[page]).strip()
