"""The parts of the report, ready to be shown: pages, sections, figures, tables and charts. Pure.

Every text here is display text; the template escapes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]
"""A row of a query by column name."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading, the column that it shows, and whether it holds numbers."""

    heading: str
    name: str
    is_number: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of formatted texts below their columns. ``note`` explains what was cut, or the symbols."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart: the name of its specification, and its rows. ``label`` is what a screen reader reads."""

    spec: str
    label: str
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Figure:
    """A table with its charts.

    Attributes:
        title: what it is.
        source: the published table whose comment is its definition.
        table: its numbers.
        charts: pictures of these numbers; none for a plain table.
        lead: the result in a sentence, or how to read it.
        is_wide: whether it takes the whole width of the page.
        is_open: whether the table shows without a click.
    """

    title: str
    source: str
    table: Table
    charts: Sequence[Chart] = ()
    lead: str = ""
    is_wide: bool = False
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Tile:
    """A number in large print. ``state`` rates it as good, watch or bad; empty for no rating.

    ``at`` is the time of the data in ISO 8601, where the page shows its age when it is opened.
    """

    label: str
    value: str
    detail: str = ""
    state: str = ""
    at: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Figures under one heading; ``empty`` is the text shown without any."""

    key: str
    title: str
    figures: Sequence[Figure]
    empty: str = ""
    tiles: Sequence[Tile] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """The report on one campaign, or on all of them."""

    key: str
    title: str
    sections: Sequence[Section]


@dataclass(frozen=True, slots=True)
class Definition:
    """What a published table is, in its own comments; ``columns`` by name."""

    source: str
    description: str
    limits: str
    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Page:
    """The whole report. ``facts`` are the lines below its title, ``cuts`` what is not in the page."""

    title: str
    facts: Mapping[str, str]
    health: Section
    scopes: Sequence[Scope]
    definitions: Mapping[str, Definition]
    cuts: Sequence[str] = field(default_factory=tuple)
