"""Reads the published tables for the report: rows by scope, units, definitions. Knows nothing of pages.

A scope is one campaign, or ``all``. The temporary table ``scopes`` has a row for each scope and campaign in it, so that
one query answers for all scopes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from referral_warehouse.consume.report.document import Definition, Row
from referral_warehouse.consume.report.formats import amount

if TYPE_CHECKING:
    import duckdb

ALL = "all"
CAMPAIGN_TABLES = (
    "campaign_performance", "campaign_costs_monthly", "contingent_backtest", "contingent_liability", "coupon_usage",
    "fraud_signals", "period_changes", "referral_cohorts", "referral_funnel", "referral_funnel_daily",
    "referrer_performance", "reward_liability", "unused_rewards",
)  # fmt: skip
UNITS = "select unit, kind, digits, settles_on from core.units"
PERCENT = "percent"


@dataclass(frozen=True, slots=True)
class Reader:
    """A connection on which ``schema.table`` names the published tables; ``has_names`` allows names of people."""

    connection: duckdb.DuckDBPyConnection
    has_names: bool = False
    units: dict[str, Row] = field(default_factory=dict)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Rows of a query by column name."""
        cursor = self.connection.execute(sql, list(parameters))
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def by_scope(self, sql: str) -> dict[str, list[dict[str, Any]]]:
        """Rows of a query with a column ``scope``, by scope and in the order of the query."""
        found: dict[str, list[dict[str, Any]]] = {}
        for row in self.rows(sql):
            found.setdefault(row["scope"], []).append(row)
        return found

    def read_units(self) -> None:
        self.units.update({row["unit"]: row for row in self.rows(UNITS)})

    def amount(self, value: Any, unit: str) -> str:
        """An amount in the digits of its unit; two where none are defined."""
        digits = (self.units.get(unit) or {}).get("digits")
        return amount(value, 2 if digits is None else digits)

    def is_amount(self, unit: str) -> bool:
        """Whether values of a unit can be added up: percentages cannot."""
        return (self.units.get(unit) or {}).get("kind") != PERCENT


def define_scopes(reader: Reader, chosen: Sequence[int] | None, shown: Sequence[int]) -> None:
    """Make the table ``scopes``.

    Args: ``chosen`` are the campaigns that count, None for all; ``shown`` are those with a scope of their own.
    """
    reader.connection.execute("create temp table scopes (scope varchar, campaign_id bigint)")
    if chosen is None:
        every = " union ".join(f"select campaign_id from marts.{table}" for table in CAMPAIGN_TABLES)
        reader.connection.execute(f"insert into scopes select '{ALL}', campaign_id from ({every})")
    else:
        reader.connection.execute(f"insert into scopes select '{ALL}', unnest(?::bigint[])", [list(chosen)])
    reader.connection.execute("insert into scopes select id::varchar, id from unnest(?::bigint[]) t(id)", [list(shown)])


def read_definitions(reader: Reader) -> dict[str, Definition]:
    """What each published table is, from the comments that its SQL file gave it."""
    columns: dict[str, dict[str, str]] = {}
    for row in reader.rows(
        "select schema_name || '.' || table_name as source, column_name, comment from duckdb_columns() "
        "where database_name = current_database() and comment is not null order by column_index"
    ):
        columns.setdefault(row["source"], {})[row["column_name"]] = row["comment"]
    return {
        row["source"]: _definition(row["source"], row["comment"], columns.get(row["source"], {}))
        for row in reader.rows(
            "select schema_name || '.' || table_name as source, comment from duckdb_tables() "
            "where database_name = current_database() and comment is not null"
        )
    }


def _definition(source: str, comment: str, columns: dict[str, str]) -> Definition:
    description, _, rest = comment.partition(" Grain: ")
    limits = rest.partition("Where it is wrong: ")[2]
    return Definition(source, description, limits[:1].upper() + limits[1:], columns)
