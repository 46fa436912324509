"""Runs SELECTs on one snapshot, which stays the same for the length of a ``with``: how people and agents read.

A query can neither write nor reach a file, the network, the load file or a setting, and it ends at a time limit. Knows
no output format and no meaning of tables.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

from referral_warehouse.consume.query.restrictions import CONFIG, LOCKED
from referral_warehouse.consume.query.snapshots import Snapshot, choose_snapshot
from referral_warehouse.consume.query.statements import MEMORY, query_error, refuse_unsafe
from referral_warehouse.errors import ConfigurationError, SnapshotDamaged
from referral_warehouse.sql_quoting import identifier
from referral_warehouse.warehouse.connection import first_line, physical_memory_mb
from referral_warehouse.warehouse.published import attach_published

if TYPE_CHECKING:
    import duckdb

    from referral_warehouse.settings import Settings

CATALOG = "warehouse"
"""What the snapshot is attached as: the name that DuckDB gives warehouse.duckdb when it is opened."""

EXPLAIN = "explain "
"""Binds a query without running it."""

BATCH_ROWS = 2_000
DEFAULT_TIMEOUT_S = 300.0


@dataclass(slots=True)
class Answer:
    """The result of a query: names and types of its columns, and its rows in batches, read once.

    Attributes:
        columns: Names, in order; a name may occur twice.
        types: DuckDB's types of the columns, in the same order.
        batches: Lists of rows, at most ``BATCH_ROWS`` each. Reading them runs the query.
        is_cut: Whether rows were left out because of the row limit; known when all batches were read.
    """

    columns: list[str]
    types: list[str]
    batches: Iterator[list[tuple[Any, ...]]]
    is_cut: bool = field(default=False)

    def rows(self) -> list[tuple[Any, ...]]:
        """All rows."""
        return [row for batch in self.batches for row in batch]


class PinnedSnapshot:
    """One snapshot, open for SELECTs. Made by ``open_pinned``."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, *, is_copy: bool, shows_personal: bool
    ) -> None:
        self.snapshot = snapshot
        self.is_copy = is_copy  # because another program has the file open for writing
        self._connection = connection
        self._shows_personal = shows_personal

    def run(
        self,
        sql: str,
        *,
        timeout_s: float | None = DEFAULT_TIMEOUT_S,
        max_rows: int | None = None,
        shape: Any = None,
        parameters: Sequence[Any] = (),
    ) -> Answer:
        """Run one SELECT. Its rows are read from ``Answer.batches``; the limits hold until the last is read.

        Args:
            sql: The query.
            timeout_s: Seconds after which it is interrupted; None for no limit.
            max_rows: Rows after which the result is cut; None for no limit.
            shape: Maps the types of the columns (strings) to an expression for each, of the columns ``#1``, ``#2`` and
                so on; None returns the values as they are.
            parameters: A value for each ``?`` of the query.

        Raises:
            ConfigurationError: It is not one SELECT, DuckDB refuses it, or it takes too long.
            SnapshotDamaged: The snapshot cannot be read.
        """
        relation = self._bind(sql, parameters, timeout_s)
        types = [str(kind) for kind in relation.types]
        shaped = relation if shape is None else relation.project(", ".join(shape(types, relation.columns)))
        answer = Answer(list(relation.columns), types, iter(()))
        batches = self._read(shaped, answer, sql, timeout_s, max_rows)
        first = next(batches, [])  # most errors come before any row, and then before any output
        answer.batches = chain([first] if first else [], batches)
        return answer

    def arrow(self, sql: str, *, timeout_s: float | None = DEFAULT_TIMEOUT_S, shape: Any = None) -> Iterator[Any]:
        """The same as Arrow: the schema first, then record batches. Raises: as ``run`` does."""
        relation = self._bind(sql)
        types = [str(kind) for kind in relation.types]
        shaped = relation if shape is None else relation.project(", ".join(shape(types, relation.columns)))
        with self._limits(sql, timeout_s):
            reader = shaped.to_arrow_reader(BATCH_ROWS)
            yield reader.schema
            yield from reader

    def _bind(
        self, sql: str, parameters: Sequence[Any] = (), timeout_s: float | None = None
    ) -> duckdb.DuckDBPyRelation:
        """The query, bound. With parameters DuckDB runs it at once, so that the time limit holds here already."""
        import duckdb

        refuse_unsafe(sql, is_catalog_free=self._shows_personal)
        with self._limits(sql, timeout_s if parameters else None):
            try:
                return self._connection.sql(sql, params=list(parameters) or None)
            except duckdb.Error as error:
                self._raise_with_place(error, sql)
                raise

    def _raise_with_place(self, error: duckdb.Error, sql: str) -> None:
        """Raise the same error with its place in the text, which DuckDB reports for a statement, not for a relation."""
        import duckdb

        try:
            self._connection.execute(f"{EXPLAIN}{sql}")
        except duckdb.Error as found:
            if type(found) is type(error) and not isinstance(found, duckdb.PermissionException):
                raise query_error(found, sql, before=EXPLAIN) from None

    def _read(
        self, relation: duckdb.DuckDBPyRelation, answer: Answer, sql: str, timeout_s: float | None, max_rows: int | None
    ) -> Iterator[list[tuple[Any, ...]]]:
        left = max_rows
        with self._limits(sql, timeout_s):
            while batch := relation.fetchmany(BATCH_ROWS):
                if left is not None and len(batch) > left:
                    answer.is_cut = True
                    batch = batch[:left]
                if batch:
                    yield batch
                if answer.is_cut:
                    return
                left = None if left is None else left - len(batch)

    @contextmanager
    def _limits(self, sql: str, timeout_s: float | None) -> Iterator[None]:
        """Interrupts the query that runs inside at the time limit, and turns DuckDB's errors into ours."""
        import duckdb

        is_late = threading.Event()

        def interrupt() -> None:
            is_late.set()
            self._connection.interrupt()

        timer = None if timeout_s is None else threading.Timer(timeout_s, interrupt)
        if timer is not None:
            timer.daemon = True
            timer.start()
        try:
            yield
        except (duckdb.Error, RuntimeError) as error:
            if is_late.is_set():
                raise ConfigurationError(
                    f"The query was stopped after {timeout_s:g} s.",
                    "Ask for less at once; `referrals sql` has --timeout for more time.",
                ) from None
            if not isinstance(error, duckdb.Error):
                raise  # a signal, which DuckDB wraps
            raise self._explained(error, sql) from error
        finally:
            if timer is not None:
                timer.cancel()

    def _explained(self, error: duckdb.Error, sql: str) -> Exception:
        import duckdb

        if isinstance(error, duckdb.PermissionException):
            return ConfigurationError(
                "The query names a file or an address, and it may read the snapshot alone.",
                "Name tables as schema.table, as in marts.referral_funnel; `referrals docs` lists them.",
            )
        if isinstance(error, (duckdb.IOException, duckdb.FatalException, duckdb.SerializationException)):
            return SnapshotDamaged(f"{self.snapshot.path} cannot be read ({first_line(error)}).")
        if isinstance(error, duckdb.OutOfMemoryException):
            return ConfigurationError(
                "The query needs more memory than a query may take (half of this machine's).", "Ask for less at once."
            )
        return query_error(error, sql)


@contextmanager
def open_pinned(
    settings: Settings,
    number: int | None = None,
    as_of: str | None = None,
    *,
    hidden: Mapping[str, Sequence[str]] | None = None,
) -> Iterator[PinnedSnapshot]:
    """Open one snapshot for SELECTs; a later publication does not change what is read.

    Args:
        settings: Say where the warehouse directory is.
        number: The number of a snapshot; the published one without it.
        as_of: A time in ISO 8601 instead: see ``choose_snapshot``.
        hidden: Table → columns that no query can read, such as ``personal_columns()``; None shows all.

    Raises:
        NothingPublished: There is no snapshot yet.
        ConfigurationError: There is no such snapshot.
        SnapshotDamaged: It cannot be read.
    """
    import duckdb

    snapshot = choose_snapshot(settings, number, as_of)
    config = CONFIG | {"errors_as_json": True, "memory_limit": f"{_memory_limit_mb()}MB"}
    with (
        duckdb.connect(":memory:", config=config) as connection,
        attach_published(connection, settings, CATALOG, path=snapshot.path) as is_copy,
    ):
        if hidden is None:
            connection.execute(f"use {CATALOG}")
        else:
            _hide(connection, hidden)
        for statement in LOCKED:
            connection.execute(statement)
        try:
            yield PinnedSnapshot(connection, snapshot, is_copy=is_copy, shows_personal=hidden is None)
        finally:
            connection.interrupt()  # a result that was not read to its end
            with suppress(duckdb.FatalException):  # a damaged file ends the connection
                connection.execute(f"use {MEMORY}")


def _hide(connection: duckdb.DuckDBPyConnection, hidden: Mapping[str, Sequence[str]]) -> None:
    """Make a view of each table in memory, without its hidden columns; queries name no other database."""
    tables: dict[tuple[str, str], list[str]] = {}
    for schema, table, column in connection.execute(
        "select schema_name, table_name, column_name from duckdb_columns() where database_name = ? "
        "order by column_index",
        [CATALOG],
    ).fetchall():
        tables.setdefault((schema, table), []).append(column)
    statements = [f"create schema if not exists {MEMORY}.{identifier(schema)}" for schema, _ in tables]
    for (schema, table), columns in tables.items():
        shown = [identifier(column) for column in columns if column not in hidden.get(f"{schema}.{table}", ())]
        if not shown:
            continue
        statements.append(
            f"create view {MEMORY}.{identifier(schema)}.{identifier(table)} as select {', '.join(shown)} "
            f"from {CATALOG}.{identifier(schema)}.{identifier(table)}"
        )
    connection.execute("; ".join(statements))


def _memory_limit_mb() -> int:
    return max(200, physical_memory_mb() // 2)
