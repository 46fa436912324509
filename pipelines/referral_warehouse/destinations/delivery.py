"""Delivers the published snapshot to a destination of dlt: what changed is loaded beside it, then switched as a whole.

A delivery that ends anywhere leaves the rows of one snapshot, and the next one begins again: nothing of it is kept but
what readers see. Knows how the steps follow each other; knows neither SQL nor Parquet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from referral_warehouse.destinations.configuration import new_schema, opened_pipeline  # first: it imports dlt

# isort: split
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
from referral_warehouse.destinations.faults import explained
from referral_warehouse.destinations.feeds import FeedTable, feed_resource, feed_table, rows_resource
from referral_warehouse.destinations.tables import TRANSACTIONAL, DatasetTables
from referral_warehouse.errors import ConfigurationError, DataRefused
from referral_warehouse.warehouse.lake.publication import Wanted, wanted_snapshot
from referral_warehouse.warehouse.publisher import own_name
from referral_warehouse.warehouse.snapshot_description import keys_of
from referral_warehouse.workspace.durable_files import file_sha256
from referral_warehouse.workspace.file_kinds import remove_or_raise

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings
    from referral_warehouse.settings.destinations import DestinationValues

WORK = "destinations"
"""The folder of the state that has dlt's files during a delivery; nothing in it is needed afterwards."""
STAGING = "_staging"
"""What the name of the dataset has at its end where new rows wait."""


@dataclass(frozen=True, slots=True)
class TableDelivery:
    """What was delivered: the number of the snapshot, and how many of how many tables were sent.

    Attributes: ``is_new`` unless the destination had the snapshot already.
    """

    snapshot: int
    manifest_sha256: str
    sent: int
    tables: int
    is_new: bool = True


def deliver_tables(settings: Settings, values: DestinationValues, *, everything: bool = False) -> TableDelivery | None:
    """Bring the published snapshot to a destination; the caller holds the lock of the warehouse.

    Args: ``everything`` sends every table, also where nothing changed.
    Returns: None where nothing is published.
    Raises: ConfigurationError, DestinationUnavailable, DataRefused. Readers then keep what they have.
    """
    wanted = wanted_snapshot(settings)
    if wanted is None:
        return None
    engine = TRANSACTIONAL.get(values.kind)
    folder = settings.state_dir / WORK / values.name
    with explained(values):
        remove_or_raise(folder)
        folder.mkdir(parents=True, mode=0o700)
        try:
            with opened_pipeline(values, folder, settings.dataset_name + STAGING) as pipeline:
                if engine is None:
                    raise _unsupported(values)
                return _Delivery(settings, values, wanted, pipeline).run(everything=everything)
        finally:
            remove_or_raise(folder)


def _unsupported(values: DestinationValues) -> ConfigurationError:
    return ConfigurationError(
        f"{values.name} is a destination of the type {values.kind}, where tables cannot be switched together.",
        f"Use a destination of one of the types {', '.join(TRANSACTIONAL)}; files are delivered by "
        "WAREHOUSE__DELIVER_TO.",
    )


class _Delivery:
    """One delivery, in a pipeline into the dataset where new rows wait."""

    def __init__(self, settings: Settings, values: DestinationValues, wanted: Wanted, pipeline: Any) -> None:
        self._settings = settings
        self._values = values
        self._wanted = wanted
        self._pipeline = pipeline
        self._into_postgres = values.kind == "postgres"

    def run(self, *, everything: bool) -> TableDelivery:
        state = self._begin()
        tables = self._tables()
        before: Mapping[str, SentTable] = {} if state is None else state.tables
        there = set() if everything else self._there(list(before))
        if state is not None and state.manifest_sha256 == self._wanted.sha256 and there >= set(tables):
            return TableDelivery(self._wanted.number, self._wanted.sha256, 0, len(tables), is_new=False)
        sent = {
            name: before[name]
            if name in there and before[name].checksum == checksum
            else SentTable(checksum, rows, table.key, self._wanted.number)
            for name, (table, rows, checksum) in tables.items()
        }
        changed = [table for name, (table, *_) in tables.items() if sent[name] is not before.get(name)]
        control = self._load(changed, sent)
        self._refuse_incomplete({table.name: sent[table.name].rows for table in changed})
        gone = set(before) - set(tables)
        keys = {name: table.key for name, table in before.items()} | (KEYS if state is not None else {})
        with self._pipeline.destination_client() as client:
            target = DatasetTables(client, TRANSACTIONAL[self._values.kind], self._settings.dataset_name)
            target.replace([*changed, *control], gone, keys)
            client.sql_client.drop_dataset()
        return TableDelivery(self._wanted.number, self._wanted.sha256, len(changed), len(tables))

    def _begin(self) -> DestinationState | None:
        """Remove what an earlier delivery left. Returns: what readers have. Raises: ConfigurationError for another
        warehouse's dataset.
        """
        with self._pipeline.sql_client() as client:
            with client.with_alternative_dataset_name(self._settings.dataset_name):
                state = read_state(client) if client.has_dataset() else None
            own = own_name(self._settings)
            if state is not None and state.publisher != own:
                raise ConfigurationError(
                    f"Another warehouse delivers into the dataset {self._settings.dataset_name} of {self._values.name}; "
                    "this one would replace its tables.",
                    "Set WAREHOUSE__DATASET_NAME to another name. If that warehouse is no longer used, run `update "
                    f"{self._settings.dataset_name}.{PUBLISHED} set publisher = '{own}'` there.",
                )
            if client.has_dataset():
                client.drop_dataset()
        return state

    def _tables(self) -> dict[str, tuple[FeedTable, int, str]]:
        """The tables of the snapshot with their rows and checksums, by their names at the destination."""
        keys, found = keys_of(self._wanted.folder), {}
        for name, table in self._wanted.manifest["tables"].items():
            there = name.replace(".", "_")
            feed = feed_table(there, self._settings.published_dir / table["feed"], keys.get(name, []))
            found[there] = (feed, table["rows"], table["checksum"])
        return found

    def _there(self, names: list[str]) -> set[str]:
        """Those tables that the destination has."""
        with (
            self._pipeline.destination_client() as client,
            client.sql_client.with_alternative_dataset_name(self._settings.dataset_name),
        ):
            return {name for name, columns in client.get_storage_tables(names) if columns} if names else set()

    def _load(self, changed: list[FeedTable], sent: Mapping[str, SentTable]) -> list[FeedTable]:
        """Load the rows of tables, and of those of control, beside the ones that readers have.

        Returns: the tables of control. Raises: DataRefused where a feed is not as it was published.
        """
        sums = {table["feed"]: table["checksum"] for table in self._wanted.manifest["tables"].values()}
        for table in changed:
            if f"sha256:{file_sha256(table.path)}" != sums[_feed_name(self._settings, table.path)]:
                raise DataRefused(
                    f"{table.path} has changed since it was published.", "The next sync publishes it again."
                )
        now = datetime.now(UTC)
        own = own_name(self._settings)
        rows = {
            PUBLISHED: published_rows(self._wanted.manifest, self._wanted.sha256, own, now),
            PUBLISHED_TABLES: table_rows(sent),
        }
        self._pipeline.run(
            [
                *(feed_resource(table, into_postgres=self._into_postgres) for table in changed),
                *(
                    rows_resource(name, found, comments_of(name), into_postgres=self._into_postgres)
                    for name, found in rows.items()
                ),
            ],
            schema=new_schema(),
        )
        return [FeedTable(name, Path(), KEYS[name], COMMENTS[name], comments_of(name)) for name in rows]

    def _refuse_incomplete(self, expected: Mapping[str, int]) -> None:
        """Raises: DataRefused where a table that was loaded does not have the rows of its feed."""
        with self._pipeline.sql_client() as client:
            for name, rows in expected.items():
                found = client.execute_sql(f"select count(*) from {client.make_qualified_table_name(name)}")
                if not found or found[0][0] != rows:
                    raise DataRefused(
                        f"{self._values.name} has {found[0][0] if found else 'no'} rows of {name} after loading, the "
                        f"feed has {rows}.",
                        "Run the same command again; readers there keep what they have.",
                    )


def _feed_name(settings: Settings, path: Path) -> str:
    return path.relative_to(settings.published_dir).as_posix()
