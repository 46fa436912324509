"""Reads keys, relationships and metrics from the headers of the SQL files. Pure.

Header lines: ``key: a, b`` · ``references: column schema.table, …`` for columns that do not have the name of the key
that they refer to · ``metrics: column, column as name, column at last day_on, rows as name where condition``.
``warehouse.models`` reads ``personal``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from referral_warehouse.consume.description.model import Column, Metric, Reference
from referral_warehouse.errors import ConfigurationError

NONE = "none"
ROWS = "rows"
RATIO = re.compile(r"(\w+) / (\w+)\b")
LISTED = re.compile(r"(?P<column>\w+)(?: at last (?P<last_of>\w+))?(?: as (?P<name>\w+))?")
UNIT_COLUMNS = ("unit", "reward_unit")
REFERRED_TO = {
    "campaign_id": "core.campaigns", "user_id": "core.users", "reward_id": "core.rewards", "due_id": "core.rewards_due",
    "issued_id": "core.rewards_issued", "coupon_id": "core.coupons", "unit": "core.units", "run_id": "ops.runs",
}  # fmt: skip
"""A column of one of these names refers to the table whose key it is."""


def listed(header: Mapping[str, str], key: str) -> tuple[str, ...]:
    """The names of a header line, without those of ``none``."""
    text = header.get(key, NONE)
    return () if text == NONE else tuple(part.strip() for part in text.split(","))


def references(table: str, header: Mapping[str, str], columns: Sequence[Column]) -> Iterator[Reference]:
    """Columns that refer to the key of another table, in the order of the columns."""
    named = dict(part.split() for part in listed(header, "references"))
    keys = {target: column for column, target in REFERRED_TO.items()}
    for column in columns:
        target = named.pop(column.name, REFERRED_TO.get(column.name))
        if target is not None and (target, keys[target]) != (table, column.name):
            yield Reference(column.name, target, keys[target])
    if named:
        raise _wrong(table, f"references names columns that it does not have: {', '.join(named)}")


def metrics(table: str, header: Mapping[str, str], columns: Sequence[Column]) -> Iterator[Metric]:
    """The metrics of a table. Raises: ConfigurationError where a line names no column, or cannot be read."""
    text, _, only = header.get("metrics", NONE).partition(" where ")
    if text == NONE:
        return
    known = {column.name: column for column in columns}
    unit_column = next((name for name in UNIT_COLUMNS if name in known), "")
    for part in text.split(","):
        found = LISTED.fullmatch(part.strip())
        if found is None:
            raise _wrong(table, f"metrics cannot be read: {part.strip()}")
        name, last_of = found["name"] or found["column"], found["last_of"] or ""
        if found["column"] == ROWS:
            yield Metric(name, table, "count", header["description"], "count", only=only)
            continue
        column = known.get(found["column"])
        if column is None or (last_of and last_of not in known):
            raise _wrong(table, f"metrics names a column that it does not have: {part.strip()}")
        ratio = RATIO.match(column.comment)
        is_value = column.name.endswith("_value")
        if ratio is not None and not {ratio[1], ratio[2]} <= set(known):
            raise _wrong(table, f"the comment of {column.name} divides columns that it does not have")
        yield Metric(
            name=name,
            table=table,
            kind="ratio" if ratio else "last" if last_of else "sum",
            definition=column.comment,
            unit="value" if is_value else "ratio" if ratio else "count",
            column=column.name,
            numerator=ratio[1] if ratio else "",
            denominator=ratio[2] if ratio else "",
            last_of=last_of,
            only=only,
            unit_column=unit_column if is_value else "",
        )


def _wrong(table: str, what: str) -> ConfigurationError:
    return ConfigurationError(f"The header of {table} is wrong: {what}.", "Correct the comments of its SQL file.")
