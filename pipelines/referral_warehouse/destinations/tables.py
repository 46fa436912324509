"""Replaces the rows of all tables that changed in one transaction: readers see the rows of one snapshot at any time.

The new rows were loaded into another dataset, of some tables only those that changed. Tables are not dropped, so that
rights granted on them stay: their rows are deleted and inserted, which does not block readers, and only columns that
changed are altered. Knows the SQL of destinations; knows no snapshot.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from referral_warehouse.destinations.changed_rows import ChangedRows
from referral_warehouse.destinations.feeds import FeedTable

if TYPE_CHECKING:
    from dlt.destinations.job_client_impl import SqlJobClientBase

Columns = dict[str, Any]
ATTEMPTS = 10
"""How often a transaction that alters tables is tried, since readers of a table may block it."""
LOCKED = "lock timeout"
WAIT_S = 60
"""How long a delivery waits for a lock; without a limit it would wait until another client ends its transaction."""


@dataclass(frozen=True, slots=True)
class Engine:
    """What a destination can do.

    Attributes:
        has_ddl: tables can be made and altered inside a transaction.
        has_comments: it has ``comment on``; otherwise only dlt may write comments, when it creates a table.
        has_keys: it has primary keys, and enforces them.
        wait_limit: the statement that limits how long a connection waits for a lock that another one holds.
        lock_limit: the same for a transaction that waits for readers of a table that it alters. It must be shorter
            than the deadlock timeout of the server, after which the server might end a reader instead.
    """

    has_ddl: bool = False
    has_comments: bool = False
    has_keys: bool = False
    wait_limit: str = ""
    lock_limit: str = ""


TRANSACTIONAL: Mapping[str, Engine] = {
    "postgres": Engine(
        has_ddl=True,
        has_comments=True,
        has_keys=True,
        wait_limit=f"set lock_timeout = '{WAIT_S}s'",
        lock_limit="set local lock_timeout = '500ms'",
    ),
    "duckdb": Engine(has_ddl=True, has_comments=True),
    "motherduck": Engine(has_ddl=True, has_comments=True),
    "redshift": Engine(has_ddl=True, has_comments=True),
    "mssql": Engine(has_ddl=True),
    "bigquery": Engine(),
    "snowflake": Engine(),
}
"""The destinations whose transactions change rows of many tables; tests run with the first two."""


class RowsDiffer(Exception):
    """Tables at a destination do not have the rows that were sent before, so that changes to them are not sufficient.

    Attributes: ``names`` are those of the tables.
    """

    def __init__(self, names: Collection[str]) -> None:
        super().__init__(f"the destination has other rows than it was sent: {', '.join(sorted(names))}")
        self.names = frozenset(names)


class DatasetTables:
    """The tables of a dataset at a destination, beside the dataset that dlt loaded into.

    Args: ``client`` is dlt's, with an open connection, of the dataset with the new rows.
    """

    def __init__(self, client: SqlJobClientBase, engine: Engine, dataset: str) -> None:
        self._client = client
        self._sql = client.sql_client
        self._engine = engine
        self._dataset = dataset

    def replace(
        self,
        tables: Sequence[FeedTable],
        gone: Collection[str],
        old_keys: Mapping[str, Sequence[str]],
        parts: Mapping[str, ChangedRows] = MappingProxyType({}),
    ) -> None:
        """Replace the rows of tables by those that were loaded, and drop removed tables, in one transaction.

        Args:
            tables: the tables whose rows were loaded.
            gone: names of tables that the snapshot does not have any more.
            old_keys: the keys of the tables of the previous delivery, by name.
            parts: those of the tables of which only the rows that changed were loaded, by name; the others stay.

        Raises: RowsDiffer where a table would not have all of its rows then; dlt's errors. Readers then keep all rows
            that they had.
        """
        names = [table.name for table in tables]
        new = self._columns(names)
        with self._in_dataset():
            if not self._sql.has_dataset():
                self._sql.create_dataset()
            old = self._columns(names)
        if altered := {name for name in parts if old[name] != new[name]}:
            raise RowsDiffer(altered)
        if not self._engine.has_ddl:
            for table in tables:
                self._shape(table, new[table.name], old[table.name])
        is_altered = bool(gone) or any(old[name] not in ({}, new[name]) for name in names)
        is_altered |= any(old[table.name] and self._has_new_key(table, old_keys) for table in tables)
        attempts = ATTEMPTS if is_altered else 1
        for attempt in range(attempts):
            try:
                with self._sql.begin_transaction():
                    if is_altered and self._engine.lock_limit:
                        self._sql.execute_sql(self._engine.lock_limit)
                    for table in tables:
                        self._fill(table, new[table.name], old[table.name], old_keys, parts.get(table.name))
                    self._refuse_wrong_counts(parts)
                    if self._engine.has_ddl:
                        self._drop(gone)
                break
            except Exception as error:
                if LOCKED not in str(error) or attempt == attempts - 1:
                    raise
        if not self._engine.has_ddl:
            self._drop(gone)

    def _fill(
        self, table: FeedTable, new: Columns, old: Columns, old_keys: Mapping[str, Sequence[str]],
        part: ChangedRows | None,
    ) -> None:  # fmt: skip
        source = self._sql.make_qualified_table_name(table.name)
        with self._in_dataset():
            target = self._sql.make_qualified_table_name(table.name)
        if part is not None:
            self._delete(target, table.key, [file.name for file in part.files])
        elif old:
            self._sql.execute_sql(f"delete from {target} where 1 = 1")
        if self._engine.has_ddl:
            self._shape(table, new, old)
            self._set_key(table, target, old_keys.get(table.name, ()) if old else ())
        columns = ", ".join(self._sql.escape_column_name(name) for name in new)
        self._sql.execute_sql(f"insert into {target} ({columns}) select {columns} from {source}")
        if self._engine.has_comments:
            self._sql.execute_many(list(self._comments(table, target)))

    def _delete(self, target: str, key: Sequence[str], sources: Sequence[str]) -> None:
        """Delete the rows whose keys are in tables that were loaded; written so that every destination can read it."""
        columns = [self._sql.escape_column_name(name) for name in key]
        sent = [self._sql.escape_column_name(f"sent_key_{number}") for number in range(len(key))]
        named = ", ".join(f"{column} as {name}" for column, name in zip(columns, sent, strict=True))
        equal = " and ".join(f"sent_rows.{name} = {column}" for column, name in zip(columns, sent, strict=True))
        for source in map(self._sql.make_qualified_table_name, sources):
            self._sql.execute_sql(
                f"delete from {target} where exists (select 1 from (select {named} from {source}) as sent_rows "
                f"where {equal})"
            )

    def _refuse_wrong_counts(self, parts: Mapping[str, ChangedRows]) -> None:
        """Raises: RowsDiffer where a table does not have the rows of its feed: somebody may have deleted some."""
        with self._in_dataset():
            names = {name: self._sql.make_qualified_table_name(name) for name in parts}
        wrong = set()
        for name, target in names.items():
            found = self._sql.execute_sql(f"select count(*) from {target}")
            if not found or found[0][0] != parts[name].total:
                wrong.add(name)
        if wrong:
            raise RowsDiffer(wrong)

    def _shape(self, table: FeedTable, new: Columns, old: Columns) -> None:
        """Make a table, or give it the columns that the new rows have."""
        kinds = self._client.schema.get_table_columns(table.name)
        with self._in_dataset():
            target = self._sql.make_qualified_table_name(table.name)
            if not old:
                self._execute(self._client._get_table_update_sql(table.name, list(kinds.values()), False))
                return
            wrong = [name for name in old if old[name] != new.get(name)]
            if self._engine.has_ddl:
                for name in wrong:
                    self._sql.execute_sql(f"alter table {target} drop column {self._sql.escape_column_name(name)}")
            added = [kinds[name] for name in new if name not in old or (name in wrong and self._engine.has_ddl)]
            if added:
                self._execute(self._client._get_table_update_sql(table.name, added, True))

    def _has_new_key(self, table: FeedTable, old_keys: Mapping[str, Sequence[str]]) -> bool:
        return self._engine.has_keys and tuple(old_keys.get(table.name, ())) != table.key

    def _set_key(self, table: FeedTable, target: str, old: Sequence[str]) -> None:
        if not self._engine.has_keys or tuple(old) == table.key:
            return
        constraint = self._sql.escape_column_name(f"{table.name[:55]}_key")
        if old:
            self._sql.execute_sql(f"alter table {target} drop constraint if exists {constraint}")
        if table.key:
            columns = ", ".join(self._sql.escape_column_name(name) for name in table.key)
            self._sql.execute_sql(f"alter table {target} add constraint {constraint} primary key ({columns})")

    def _comments(self, table: FeedTable, target: str) -> Iterator[str]:
        literal = self._sql.capabilities.escape_literal
        if table.comment:
            yield f"comment on table {target} is {literal(table.comment)}"
        for name, text in table.comments.items():
            yield f"comment on column {target}.{self._sql.escape_column_name(name)} is {literal(text)}"

    def _drop(self, names: Collection[str]) -> None:
        with self._in_dataset():
            self._sql.drop_tables(*sorted(names))

    def _columns(self, names: Sequence[str]) -> dict[str, Columns]:
        """The columns of tables at the destination with their types there; none for a table that does not exist."""
        return {
            name: {column: _kind(found) for column, found in columns.items()}
            for name, columns in self._client.get_storage_tables(names)
        }

    def _execute(self, statements: Sequence[str]) -> None:
        for statement in statements:
            self._sql.execute_sql(statement)

    @contextmanager
    def _in_dataset(self) -> Iterator[None]:
        """Names are those of the dataset of the readers."""
        with self._sql.with_alternative_dataset_name(self._dataset):
            yield


def _kind(column: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(column.get(name) for name in ("data_type", "precision", "scale"))
