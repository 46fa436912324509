"""dlt's column hints for a table, complete, so that nothing is inferred from data. Does not import dlt."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import pyarrow as pa

from referral_warehouse.load.records.schema import FETCHED_AT

DATA_TYPES = {"int64": "bigint", "string": "text", "bool": "bool"}


def column_hints(
    columns: pa.Schema,
    *,
    time: Mapping[str, Any],
    json: Container[str] = (),
    required: Container[str] = (),
    keeps_newest: bool,
) -> dict[str, dict[str, Any]]:
    """Describe columns for dlt.

    Args:
        columns: the columns of the table.
        time: the hints of a column of times.
        json: names of text columns that are JSON for the destination.
        required: names of columns that are never null.
        keeps_newest: whether, of rows with the same key in one package, the one that was fetched last counts.
    """
    hints: dict[str, dict[str, Any]] = {}
    for column in columns:
        if pa.types.is_timestamp(column.type):
            hint = dict(time)
        elif pa.types.is_decimal(column.type):
            hint = {"data_type": "decimal", "precision": column.type.precision, "scale": column.type.scale}
        else:
            hint = {"data_type": "json" if column.name in json else DATA_TYPES[str(column.type)]}
        hints[column.name] = {"name": column.name, "nullable": column.name not in required, **hint}
    if keeps_newest and FETCHED_AT in hints:
        hints[FETCHED_AT]["dedup_sort"] = "desc"
    return hints
