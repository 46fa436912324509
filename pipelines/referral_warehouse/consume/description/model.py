"""What is published, as data: tables, columns, keys, relationships and metrics. Knows no file and no database."""

from __future__ import annotations

from dataclasses import dataclass

from referral_warehouse.warehouse.models import ACCOUNT_COLUMN


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. ``personal_kind``: what it says of a person, or may; empty for nothing."""

    name: str
    type: str
    comment: str
    personal_kind: str = ""

    @property
    def is_personal(self) -> bool:
        return bool(self.personal_kind)

    @property
    def is_text(self) -> bool:
        return self.type in ("VARCHAR", "JSON")

    @property
    def is_number(self) -> bool:
        return self.type in ("BIGINT", "INTEGER", "DOUBLE") or self.type.startswith("DECIMAL")

    @property
    def is_time(self) -> bool:
        return self.type in ("DATE", "TIMESTAMP")


@dataclass(frozen=True, slots=True)
class Reference:
    """A column whose values are the key of another table, where that has the row: 0 and what is gone have none."""

    column: str
    to_table: str
    to_column: str


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that may be grouped by the dimensions of its table.

    Attributes:
        name: Unique among all metrics.
        table: Qualified name of the table it is made from.
        kind: ``sum`` of a column, ``count`` of rows, ``ratio`` of two sums, or ``last``: the sum over the rows of the
            last day (or month) only, because balances of several days must not be added.
        definition: What it is, from the comment of its column.
        unit: ``count``, ``value`` (in the unit of ``unit_column``, without which it must not be added), or ``ratio``.
        column: The column; empty for ``count``.
        numerator, denominator: The columns of a ratio.
        last_of: The day column of ``last``.
        only: A condition in SQL that holds for all rows it counts; empty for all rows of the table.
        unit_column: Column that values have to be grouped by or filtered on.
    """

    name: str
    table: str
    kind: str
    definition: str
    unit: str
    column: str = ""
    numerator: str = ""
    denominator: str = ""
    last_of: str = ""
    only: str = ""
    unit_column: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A published table. ``key``: the columns that identify a row; ``time_column``: the day or month of a row."""

    name: str
    description: str
    grain: str
    money: str
    time: str
    questions: tuple[str, ...]
    wrong: str
    key: tuple[str, ...]
    references: tuple[Reference, ...]
    columns: tuple[Column, ...]

    @property
    def has_account(self) -> bool:
        """Whether rows of several accounts are in it: ids identify a row together with the account only."""
        return bool(self.columns) and self.columns[0].name == ACCOUNT_COLUMN

    @property
    def layer(self) -> str:
        return self.name.partition(".")[0]

    @property
    def bare_name(self) -> str:
        return self.name.partition(".")[2]

    @property
    def time_column(self) -> str | None:
        return next((c.name for c in self.columns if c.name in self.key and c.type == "DATE"), None)

    @property
    def dimensions(self) -> tuple[Column, ...]:
        """Columns by which the rows may be grouped: whatever is no amount."""
        return tuple(
            column
            for column in self.columns
            if not column.is_personal
            and (not column.is_number or column.name in self.key or column.name.endswith("_id"))
        )

    def column(self, name: str) -> Column:
        """A column by its name. Raises: KeyError."""
        found = next((column for column in self.columns if column.name == name), None)
        if found is None:
            raise KeyError(f"{self.name} has no column {name}")
        return found


@dataclass(frozen=True, slots=True)
class Description:
    """Everything that is published."""

    schema_version: int
    tables: tuple[Table, ...]
    metrics: tuple[Metric, ...]

    def table(self, name: str) -> Table:
        """A table by its qualified name. Raises: KeyError."""
        found = next((table for table in self.tables if table.name == name), None)
        if found is None:
            raise KeyError(name)
        return found

    def metrics_of(self, table: str) -> tuple[Metric, ...]:
        """The metrics that are made from a table."""
        return tuple(metric for metric in self.metrics if metric.table == table)
