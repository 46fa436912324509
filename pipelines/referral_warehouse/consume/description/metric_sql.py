"""Compiles a metric to SQL: one expression, or a whole query with groups, a time grain and filters.

The SQL is for DuckDB. Knows no connection; values of filters are bound as parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from referral_warehouse.consume.description.model import Description, Metric
from referral_warehouse.display_text import display_text
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.sql_quoting import identifier

GRAINS = ("day", "week", "month", "quarter", "year")
LAST = "last_of_group"
SUGGESTIONS = 3


def expression(metric: Metric) -> str:
    """The metric as an aggregate over the rows of a group. For ``last``: over those of the group's last day."""
    if metric.kind == "ratio":
        numerator, denominator = _sum(metric, metric.numerator), _sum(metric, metric.denominator)
        return f"{numerator} / nullif({denominator}, 0)"
    if metric.kind == "count":
        return f"count(*) filter (where {metric.only})" if metric.only else "count(*)"
    if metric.kind == "last":
        only = f" filter (where {metric.only})" if metric.only else ""
        day = metric.last_of
        # The amounts in the order of days, from the first one of the last day on. A lambda would fail in HAVING.
        amounts, days = (f"list({column} order by {day}){only}" for column in (metric.column, day))
        return f"list_sum({amounts}[list_position({days}, max({day}){only}):])"
    return _sum(metric, metric.column)


def _sum(metric: Metric, column: str) -> str:
    return f"sum(case when {metric.only} then {column} end)" if metric.only else f"sum({column})"


def metric_query(
    description: Description,
    name: str,
    by: Sequence[str] = (),
    grain: str | None = None,
    filters: Mapping[str, Any] | None = None,
) -> tuple[str, list[Any]]:
    """A query for a metric: one row per group, the groups first, then the metric under its name.

    Args:
        description: Has the metric and its table.
        name: Name of the metric.
        by: Dimensions of the table to group by.
        grain: One of ``GRAINS``: groups by the day column of the table too, as ``period_on``.
        filters: Dimension → the value that it must equal.

    Returns: the SQL with ``?`` for each value of a filter, and these values.

    Raises:
        ConfigurationError: The name, a dimension or the grain is not one of those there are, or values of several units
            would be added.
    """
    metric = next((found for found in description.metrics if found.name == name), None)
    if metric is None:
        raise _unknown("metric", name, [found.name for found in description.metrics])
    table = description.table(metric.table)
    filters = dict(filters or {})
    known = [column.name for column in table.dimensions]
    for column in [*by, *filters]:
        if column not in known:
            raise _unknown(f"dimension of {name}", column, known)
    if metric.unit_column and metric.unit_column not in (*by, *filters):
        raise ConfigurationError(
            f"Values of different units must not be added: {name} is asked for without {metric.unit_column}.",
            f"Group by {metric.unit_column}, or filter on one.",
        )
    groups = {column: identifier(column) for column in by}
    if grain is not None:
        if table.time_column is None:
            raise ConfigurationError(f"{name} has no days: it is as of the snapshot.", "Ask for it without a grain.")
        if grain not in GRAINS:
            raise _unknown("grain", grain, GRAINS)
        groups["period_on"] = f"cast(date_trunc('{grain}', {identifier(table.time_column)}) as date)"
    conditions = [*([metric.only] if metric.only else []), *(f"{identifier(column)} = ?" for column in filters)]
    where = f" where {' and '.join(conditions)}" if conditions else ""
    source = f"{metric.table}{where}"
    if metric.kind == "last":
        partition = f"partition by {', '.join(groups.values())}" if groups else ""
        window = f"max({identifier(metric.last_of)}) over ({partition})"
        source = f"(select *, {window} as {LAST} from {source}) where {identifier(metric.last_of)} = {LAST}"
    shown = [*(f"{text} as {identifier(column)}" for column, text in groups.items()), f"{_bare(metric)} as {name}"]
    tail = " group by all order by all" if groups else ""
    return f"select {', '.join(shown)} from {source}{tail}", list(filters.values())


def _bare(metric: Metric) -> str:
    """The aggregate over rows that are chosen already."""
    if metric.kind == "count":
        return "count(*)"
    if metric.kind == "ratio":
        return f"sum({metric.numerator}) / nullif(sum({metric.denominator}), 0)"
    return f"sum({metric.column})"


def _unknown(what: str, name: str, known: Sequence[str]) -> ConfigurationError:
    nearest = get_close_matches(name, known, n=SUGGESTIONS)
    suggestion = f"Did you mean {' or '.join(nearest)}? " if nearest else ""
    return ConfigurationError(
        f"There is no {what} {display_text(name, 60)!r}.", f"{suggestion}One of these: {', '.join(known)}."
    )
