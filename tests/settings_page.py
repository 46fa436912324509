"""The tables of docs/settings.md, made from the table of settings between the page's marks.

Each section has a pair of marks; the text around them is written by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from referral_warehouse.settings.table import SECTIONS, Section, Setting

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
MARK = "<!-- settings of {}: {} -->\n"


def settings_page() -> str:
    """The text of docs/settings.md with current tables.

    Raises: ValueError where the marks of a section are missing.
    """
    text = PAGE.read_text(encoding="utf-8")
    for section in SECTIONS:
        name = ".".join(section)
        begin, end = MARK.format(name, "begin"), MARK.format(name, "end")
        before, found, rest = text.partition(begin)
        _, found_end, after = rest.partition(end)
        if not found or not found_end:
            raise ValueError(f"docs/settings.md has no marks {begin.strip()} and {end.strip()}")
        text = before + begin + "\n".join(table(section)) + "\n" + end + after
    return text


def table(section: Section) -> Iterator[str]:
    """The rows of a section as Markdown."""
    yield "| environment | default | range | meaning |"
    yield "|---|---|---|---|"
    for setting in SECTIONS[section].values():
        yield f"| `{setting.name}` | {_default(setting)} | {setting.kind.limits or '–'} | {setting.meaning} |"


def _default(setting: Setting) -> str:
    value = setting.kind.default
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else f"`{str(value).lower()}`"
