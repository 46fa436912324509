"""The steps of every delivery: reading the published snapshot and the control tables, loading rows, and counting them.

How readers get the new rows is in ``tables`` and ``views``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from referral_warehouse.destinations.configuration import new_schema  # first: it imports dlt

# isort: split
from referral_warehouse.destinations.changed_rows import (
    LEAST_ROWS,
    REMOVED,
    ChangedRows,
    changed_rows,
    comparison,
    feed_at_destination,
)
from referral_warehouse.destinations.control import (
    COMMENTS,
    KEYS,
    PUBLISHED,
    PUBLISHED_TABLES,
    DestinationState,
    SentTable,
    comments_of,
    published_rows,
    read_state,
    table_rows,
)
from referral_warehouse.destinations.feeds import FeedTable, feed_resource, feed_table, rows_resource
from referral_warehouse.destinations.others_tables import (
    refuse_other_control_tables,
    refuse_other_tables,
    refuse_used_dataset,
)
from referral_warehouse.destinations.tables import TRANSACTIONAL
from referral_warehouse.errors import ConfigurationError, DataRefused
from referral_warehouse.warehouse.publisher import own_name
from referral_warehouse.warehouse.snapshot_description import keys_of
from referral_warehouse.workspace.durable_files import file_sha256

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings
    from referral_warehouse.settings.destinations import DestinationValues
    from referral_warehouse.warehouse.published_snapshot import PublishedSnapshot


@dataclass(frozen=True, slots=True)
class WantedTable:
    """A table of the snapshot: its feed, its rows, and the checksum of the feed."""

    feed: FeedTable
    rows: int
    checksum: str


class Steps:
    """The steps of one delivery, in a pipeline into the dataset where new rows are loaded.

    ``client`` is dlt's client of that dataset, with an open connection.

    Attributes: ``tables`` are those of the snapshot by their names at the destination.
    """

    def __init__(self, settings: Settings, values: DestinationValues, wanted: PublishedSnapshot, pipeline: Any) -> None:
        self.settings = settings
        self.values = values
        self.wanted = wanted
        self.pipeline = pipeline
        self.tables = _tables(settings, wanted)
        self._expected: dict[str, int] = {}

    @contextmanager
    def connected(self) -> Iterator[Any]:
        """A client of the pipeline's dataset that waits for no lock for long."""
        with self.pipeline.destination_client() as client:
            engine = TRANSACTIONAL.get(self.values.kind)
            if engine is not None and engine.wait_limit:
                client.sql_client.execute_sql(engine.wait_limit)
            yield client

    def readers_state(self, client: Any) -> DestinationState | None:
        """The control tables of the dataset that readers use; None when nothing was delivered.

        Raises: ConfigurationError when another warehouse delivers there; dlt's errors.
        """
        dataset = self.settings.dataset_name
        refuse_other_control_tables(client, dataset, self.values)
        with client.sql_client.with_alternative_dataset_name(dataset) as sql:
            state = read_state(sql) if sql.has_dataset() else None
        own = own_name(self.settings)
        if state is not None and state.publisher != own:
            raise ConfigurationError(
                f"Another warehouse delivers into the dataset {dataset} of {self.values.name}; this one would replace "
                "its tables.",
                "Set WAREHOUSE__DATASET_NAME to another name. If that warehouse is no longer used, run `update "
                f"{dataset}.{PUBLISHED} set publisher = '{own}'` there.",
            )
        return state

    def refuse_others(self, client: Any, state: DestinationState | None, *, may_be_empty: bool) -> None:
        """Refuse tables that are in the way of those of the snapshot. Raises: ConfigurationError; dlt's errors."""
        own = set() if state is None else {*state.tables, *KEYS}
        names = sorted({*self.tables, *KEYS} - own)
        refuse_other_tables(client, self.settings.dataset_name, names, self.values, may_be_empty=may_be_empty)

    def has_leftovers(self, client: Any, dataset: str, owner: str, state: DestinationState | None) -> bool:
        """Whether there is a dataset for new rows already; ``owner`` is what its control table names then.

        Raises: ConfigurationError where others use that dataset; dlt's errors.
        """
        tables = {*self.tables, *(() if state is None else state.tables)}
        known = {*tables, *(f"{name}{REMOVED}" for name in tables), *KEYS}
        return refuse_used_dataset(client, dataset, known, owner, self.values)

    def remove(self, client: Any, dataset: str) -> None:
        """Remove a dataset that no reader uses, if there is one."""
        with client.sql_client.with_alternative_dataset_name(dataset) as sql:
            if sql.has_dataset():
                sql.drop_dataset()

    def existing_tables(self, client: Any, names: Sequence[str]) -> set[str]:
        """The tables of these names that exist in the dataset that readers use."""
        if not names:
            return set()
        with client.sql_client.with_alternative_dataset_name(self.settings.dataset_name):
            return {name for name, columns in client.get_storage_tables(names) if columns}

    def refuse_altered(self, names: Collection[str]) -> None:
        """Raises: DataRefused where the feed of one of these tables is not as it was published."""
        for table in (self.tables[name] for name in names):
            if f"sha256:{file_sha256(table.feed.path)}" != table.checksum:
                raise DataRefused(
                    f"{table.feed.path} has changed since it was published.",
                    "Run `referrals sync`, which publishes a new snapshot, and then the same command.",
                )

    def in_part(self, names: Collection[str], state: DestinationState | None, folder: Path) -> dict[str, ChangedRows]:
        """The tables of which only the rows that changed need to be sent.

        Args:
            names: tables that changed and exist at the destination.
            state: what the control tables there say of them.
            folder: for the files with these rows.

        Returns: the rows by table; tables that must be sent as a whole are missing.
        Raises: OSError; DuckDB's and pyarrow's errors.
        """
        import duckdb

        if state is None:
            return {}
        feeds = {
            name: path
            for name in names
            if self.tables[name].rows >= LEAST_ROWS
            and state.tables[name].key == self.tables[name].feed.key
            and f"{name}{REMOVED}" not in self.tables
            if (path := feed_at_destination(self.settings, name, state)) is not None
        }
        if not feeds:
            return {}
        found = {}
        with comparison(self.settings, folder) as connection:
            for name, path in feeds.items():
                table = self.tables[name]
                with suppress(duckdb.OutOfMemoryException):
                    if (rows := changed_rows(connection, table.feed, table.rows, path, folder)) is not None:
                        found[name] = rows
        return found

    def load(
        self,
        changed: Sequence[FeedTable],
        sent: Mapping[str, SentTable],
        dataset: str,
        parts: Mapping[str, ChangedRows] = MappingProxyType({}),
    ) -> list[FeedTable]:
        """Load the rows of tables, and of the control tables, into the pipeline's dataset, which readers do not use.

        Args:
            changed: the tables to load.
            sent: all tables that the destination has afterwards, by name; they become ``ops_published_tables``.
            dataset: the dataset that has the rows afterwards; it is written into ``ops_published``.
            parts: the tables of which only rows that changed are loaded, by name.

        Returns: the control tables.
        Raises: dlt's errors.
        """
        whole = [table for table in changed if table.name not in parts]
        files = [*whole, *(part for rows in parts.values() for part in rows.files)]
        own, now = own_name(self.settings), datetime.now(UTC)
        control = {
            PUBLISHED: published_rows(self.wanted.manifest, self.wanted.sha256, own, now, dataset),
            PUBLISHED_TABLES: table_rows(sent),
        }
        into_postgres = self.values.kind == "postgres"
        self.pipeline.run(
            [
                *(feed_resource(table, into_postgres=into_postgres) for table in files),
                *(
                    rows_resource(name, rows, comments_of(name), into_postgres=into_postgres)
                    for name, rows in control.items()
                ),
            ],
            schema=new_schema(),
        )
        self._expected = {table.name: sent[table.name].rows for table in whole}
        for name, part in parts.items():
            self._expected[name] = part.rows
            if part.removed is not None:
                self._expected[part.removed.name] = part.removed_rows
        self._expected |= {name: rows.num_rows for name, rows in control.items()}
        return [FeedTable(name, Path(), KEYS[name], COMMENTS[name], comments_of(name)) for name in control]

    def refuse_incomplete(self, client: Any) -> None:
        """Count the rows that were loaded. Raises: DataRefused where a table does not have as many as its feed."""
        sql = client.sql_client
        for name, rows in self._expected.items():
            found = sql.execute_sql(f"select count(*) from {sql.make_qualified_table_name(name)}")
            if not found or found[0][0] != rows:
                raise DataRefused(
                    f"{name}: the feed has {rows} rows, {self.values.name} {found[0][0] if found else 'none'} after "
                    "loading.",
                    "Run the same command again; readers there keep what they have.",
                )


def _tables(settings: Settings, wanted: PublishedSnapshot) -> dict[str, WantedTable]:
    keys, found = keys_of(wanted.folder), {}
    for name, table in wanted.manifest["tables"].items():
        there = name.replace(".", "_")
        feed = feed_table(there, settings.published_dir / table["feed"], keys.get(name, []))
        found[there] = WantedTable(feed, table["rows"], table["checksum"])
    return found
