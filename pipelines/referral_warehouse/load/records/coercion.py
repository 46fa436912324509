"""Converts JSON rows into Arrow tables; a row that does not fit is rejected with a reason, never dropped.

Knows no HTTP and no dlt. A whole column is converted at once when its values have the expected JSON types (nearly
always), and value by value otherwise; a row with a value that cannot be read *exactly* becomes a ``Reject``.
Times are naive UTC timestamps, money is DECIMAL(38,6), JSON is kept as JSON text, and fields the documentation does
not name are kept together in ``_extra``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from datetime import datetime
from operator import itemgetter
from typing import Any

import pyarrow as pa

from referral_warehouse.errors import BadEnvelope
from referral_warehouse.load.records import converters
from referral_warehouse.load.records.converters import ARROW_TYPES, TIME
from referral_warehouse.load.records.json_text import printable, to_json_text, whole_text
from referral_warehouse.load.records.schema import Field, TableSchema, id_in

RELATIONS = frozenset({"campaign", "referrer", "rewards_due", "rewards_issued", "coupon", "reward", "recipient",
                       "referral", "batch"})  # fmt: skip
MAX_ID_CHARS = 100
NO_TEXT = "null"
"""Replaces the text of a row that may not be kept."""
UNREADABLE = "a value that cannot be read"


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that does not fit: kept as JSON text with the reason, for ``raw.quarantine``.

    ``identity`` is what the row is recognised by; its text, unless that may not be kept.
    """

    record_id: str
    reason: str
    raw: str
    identity: str = ""

    @property
    def known_id(self) -> int | None:
        """The row's id where it can be read, so that its last good version can be kept."""
        return id_in(self.record_id)

    def without_quotes(self) -> Reject:
        """The same with a reason that quotes nothing of the row: the field, and what is wrong in general."""
        name, found, _ = self.reason.partition(": ")
        return replace(self, reason=f"{name}: {UNREADABLE}") if found else self


@dataclass(frozen=True, slots=True)
class Coerced:
    """The rows that fit, as a table; those that do not; and documented fields that no row carried.

    ``zero_dates`` counts for each field the zero dates that were read as no date.
    """

    table: pa.Table
    rejects: list[Reject]
    absent: tuple[str, ...]
    zero_dates: dict[str, int] = dataclass_field(default_factory=dict)


def coerce(schema: TableSchema, rows: Sequence[dict[str, Any]], fetched_at: datetime, where: str) -> Coerced:
    """Turn JSON rows into an Arrow table.

    Args:
        schema: the table; its documented fields are read.
        rows: the rows of the response, in any shape.
        fetched_at: when the response was observed (UTC).
        where: names the response in error messages.

    Returns:
        At most ``len(rows)`` rows in their order, of ``schema.arrow``; rejected rows are returned beside the table.

    Raises:
        BadEnvelope: when a required field is in none of several rows (the API changed its shape); a single row is
            rejected instead.

    Source: the field tables of the documentation's sections Campaign Fields, User Fields, Reward Fields, Coupon Fields.
    """
    fields = schema.fields
    problems: dict[int, str] = {}
    columns: list[pa.Array] = []
    absent: list[str] = []
    zero_dates: dict[str, int] = {}
    for field, column in zip(fields, _columns(fields, rows, problems, absent, where), strict=True):
        array = converters.convert(field.kind, column)
        if array is None and field.kind == "time" and field.must != "date":
            column, count = converters.without_zero_dates(column)
            if count:
                zero_dates[field.name] = count
                array = converters.convert(field.kind, column)
        if array is None:
            array = _one_by_one(field, column, problems)
        if field.must == "value" and array.null_count:
            for index, value in enumerate(column):
                if value is None or (value == "" and field.kind != "text"):
                    problems.setdefault(index, f"{field.name} is empty")
        columns.append(array)
    columns.append(_extra(fields, rows))
    columns.append(_observed(fetched_at, len(rows)))
    result = pa.Table.from_arrays(columns, schema=schema.arrow)
    rejects: list[Reject] = []
    if problems:
        rejects = [
            Reject(_record_id(rows[index]), reason, whole_text(rows[index]))
            for index, reason in sorted(problems.items())
        ]
        result = result.filter(pa.array([index not in problems for index in range(len(rows))]))
    return Coerced(result, rejects, tuple(absent), zero_dates)


def coerce_as_documented(schema: TableSchema, responses: Sequence[tuple[Sequence[Any], datetime]]) -> Coerced | None:
    """Turn the rows of several responses into one table, with the result of ``coerce`` for each of them.

    Args:
        schema: the table.
        responses: the rows of each, and when it was observed (UTC).

    Returns:
        None where a row lacks a field or a value must be read by itself: ``coerce`` then finds out which.
    """
    rows = [row for found, _ in responses for row in found]
    try:
        columns = _whole_columns(schema.fields, rows)
    except (KeyError, TypeError):
        return None
    arrays: list[pa.Array] = []
    for field, column in zip(schema.fields, columns, strict=True):
        array = converters.convert(field.kind, column)
        if array is None or (field.must == "value" and array.null_count):
            return None
        arrays.append(array)
    arrays.append(_extra(schema.fields, rows))
    arrays.append(pa.concat_arrays([_observed(at, len(found)) for found, at in responses]))
    return Coerced(pa.Table.from_arrays(arrays, schema=schema.arrow), [], ())


def joined(parts: Sequence[Coerced]) -> Coerced:
    """The results of ``coerce`` for several responses as one."""
    zero_dates: Counter[str] = Counter()
    for part in parts:
        zero_dates.update(part.zero_dates)
    return Coerced(
        pa.concat_tables([part.table for part in parts]),
        [reject for part in parts for reject in part.rejects],
        tuple(dict.fromkeys(name for part in parts for name in part.absent)),
        dict(zero_dates),
    )


def _observed(at: datetime, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(at.replace(tzinfo=None), TIME), count)


def _whole_columns(fields: Sequence[Field], rows: Sequence[Any]) -> list[Sequence[Any]]:
    """The values of each field. Raises: KeyError, TypeError where some row does not have every field."""
    names = (field.name for field in fields)
    return list(zip(*map(itemgetter(*names), rows), strict=True)) or [()] * len(fields)


def _columns(
    fields: Sequence[Field], rows: Sequence[Any], problems: dict[int, str], absent: list[str], where: str
) -> Iterator[Sequence[Any]]:
    """The values of each field; all columns at once where every row has every field."""
    try:
        yield from _whole_columns(fields, rows)
    except (KeyError, TypeError):
        for field in fields:
            yield _gather(field, rows, problems, absent, where)


def _gather(field: Field, rows: Sequence[Any], problems: dict[int, str], absent: list[str], where: str) -> list[Any]:
    """The column of a field that some rows lack."""
    column: list[Any] = []
    found = False
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            problems.setdefault(index, "not an object")
            column.append(None)
        elif field.name in row:
            found = True
            column.append(row[field.name])
        else:
            if field.must:
                problems.setdefault(index, f"{field.name} is missing")
            column.append(None)
    if not found:
        if field.must and sum(isinstance(row, dict) for row in rows) > 1:
            raise BadEnvelope(
                f"{where}: the field {field.name!r} is in no row of the response any more; nothing of it was loaded.",
                "Run `referrals check`; if the vendor renamed the field, update to a version that has the new name.",
            )
        absent.append(field.name)
    return column


def _one_by_one(field: Field, column: Sequence[Any], problems: dict[int, str]) -> pa.Array:
    read: list[Any] = []
    for index, value in enumerate(column):
        try:
            read.append(converters.read(field.kind, value))
        except ValueError as error:
            problems.setdefault(index, f"{field.name}: {error}")
            read.append(None)
    return pa.array(read, ARROW_TYPES[field.kind])


def _extra(fields: Iterable[Field], rows: Sequence[Any]) -> pa.Array:
    """Fields the documentation does not name, together as one JSON object (null where there are none)."""
    known = RELATIONS.union(field.name for field in fields)
    if all(known.issuperset(row) for row in rows if isinstance(row, dict)):
        return pa.nulls(len(rows), pa.string())
    texts = []
    for row in rows:
        extra = {name: row[name] for name in row if name not in known} if isinstance(row, dict) else None
        texts.append(whole_text(extra) if extra else None)
    return pa.array(texts, pa.string())


def _record_id(row: Any) -> str:
    value = row.get("id") if isinstance(row, dict) else None
    text = printable(value) if isinstance(value, str) else to_json_text(value)
    return text if len(text) <= MAX_ID_CHARS else f"{text[:MAX_ID_CHARS]}…"
