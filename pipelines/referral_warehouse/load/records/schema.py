"""The shape of raw tables: their fields and types, what must be there, and how their rows are kept.

Knows no HTTP, no dlt and no stream. Each stream declares its own ``TableSchema``; everything that depends on the fields
(coercion, dlt's hints, the raw tables in SQL, the tests' load files, docs/fields.md) is derived from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

import pyarrow as pa

from referral_warehouse.api.numbers import INT64
from referral_warehouse.load.records.converters import ARROW_TYPES
from referral_warehouse.personal_kinds import FREE_TEXT

EXTRA, FETCHED_AT, ROW_VERSION = "_extra", "_fetched_at", "_row_version"


class LoadStrategy(Enum):
    """How the rows of a raw table are kept."""

    CURRENT_ROW = "current row"
    """The newest row of each key."""
    LIST_HISTORY = "history of a complete list"
    """Slowly changing dimension type 2 of complete lists: the version of an id that is absent ends."""
    ROW_HISTORY = "history of rows"
    """Slowly changing dimension type 2 of single rows: an id that is absent keeps its version."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a raw table.

    Args:
        name: as the API documents it.
        kind: ``int``, ``bool``, ``money``, ``time``, ``text`` or ``json``.
        must: ``value`` (never null), ``key`` (always there, may be null), ``date`` (as ``key``, and a zero date is an
            error rather than no date) or ``""``.
    """

    name: str
    kind: str
    must: str = ""


EXTRA_FIELD, FETCHED_AT_FIELD = Field(EXTRA, "json"), Field(FETCHED_AT, "time")


@dataclass(frozen=True, slots=True)
class TableSchema:
    """A raw table.

    Args:
        name: the name of the table.
        fields: the documented fields, the key first.
        strategy: how rows are kept.
        key: the columns that identify a row.
        stream: the stream whose report counts the rows; the table's own name where it is left out.
        untracked: fields whose change makes no new version of a row.
        personal: fields that name a person, or may, with the kind of each: see ``personal_kinds``.
        impersonal: fields of text and JSON that are about no person. One that is in neither has no decision, which a
            test refuses; ids, numbers, times and switches are no personal data, because ids are pseudonyms.
        person: the field with the id of the person that a row is about; empty where it is about none.
        technical: further columns of the loader's own.
    """

    name: str
    fields: tuple[Field, ...]
    strategy: LoadStrategy = LoadStrategy.CURRENT_ROW
    key: tuple[str, ...] = ("id",)
    stream: str = ""
    untracked: frozenset[str] = field(default=frozenset())
    personal: Mapping[str, str] = field(default_factory=dict)
    impersonal: frozenset[str] = field(default=frozenset())
    person: str = ""
    technical: tuple[Field, ...] = (EXTRA_FIELD, FETCHED_AT_FIELD)

    @property
    def is_history(self) -> bool:
        """Whether rows have versions."""
        return self.strategy is not LoadStrategy.CURRENT_ROW

    @property
    def is_stream(self) -> bool:
        """Whether rows are the records of a stream; the loader's own tables and side tables are not."""
        return bool(self.technical) and not self.stream

    @property
    def personal_columns(self) -> dict[str, str]:
        """All columns with personal data, with their kinds: what the API does not document may be anything."""
        extra = {EXTRA: FREE_TEXT} if EXTRA_FIELD in self.technical else {}
        return {**self.personal, **extra}

    @property
    def reported_as(self) -> str:
        """The stream whose report counts the rows."""
        return self.stream or self.name

    @property
    def arrow(self) -> pa.Schema:
        """The Arrow schema of a page of rows."""
        return pa.schema([(column.name, ARROW_TYPES[column.kind]) for column in (*self.fields, *self.technical)])

    @property
    def stored(self) -> pa.Schema:
        """The Arrow schema that is loaded: with the row version, where rows have versions."""
        return self.arrow.append(pa.field(ROW_VERSION, pa.string())) if self.is_history else self.arrow

    @property
    def json_columns(self) -> frozenset[str]:
        """The columns that hold JSON text."""
        return frozenset(column.name for column in (*self.fields, *self.technical) if column.kind == "json")


def fields(*specs: str) -> tuple[Field, ...]:
    """``"name:kind[:must]"`` → Field, for each."""
    return tuple(Field(*spec.split(":")) for spec in specs)


def id_in(text: str) -> int | None:
    """The id that a text is, as the quarantine keeps ids; None where it is not an integer of 64 bits."""
    number = int(text) if re.fullmatch(r"-?[0-9]{1,19}", text) else None
    return number if number is not None and INT64[0] <= number <= INT64[1] else None


OBSERVATIONS = TableSchema(
    "observations",
    fields("stream:text", "id:int", "what:text", "observed_at:time", "before:json", "after:json"),
    key=("stream", "id", "what", "observed_at"), technical=(),
    personal={"before": FREE_TEXT, "after": FREE_TEXT}, impersonal=frozenset({"stream", "what"}),
)  # fmt: skip
"""Changes of rows that the API does not date: rows vanished, reappeared, changed or were seen late."""

QUARANTINE = TableSchema(
    "quarantine",
    fields(
        "key:text", "stream:text", "record_id:text", "reason:text", "raw:json", "run_id:text", "quarantined_at:time",
        "resolved_at:time",
    ),
    key=("key",), technical=(),
    personal={"reason": FREE_TEXT, "raw": FREE_TEXT},
    impersonal=frozenset({"key", "stream", "record_id", "run_id"}),
)  # fmt: skip
"""Rows that cannot be read exactly, with the reason; ``resolved_at`` once they could be read."""
