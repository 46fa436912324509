"""Views that readers use at destinations without transactions over tables: they select from one of two datasets.

New rows are loaded into the dataset that no view selects from. Then the views are replaced one after the other, that of
``ops_published`` last: in between, a query of several views can see two snapshots. Knows no row.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from referral_warehouse.destinations.control import PUBLISHED, PUBLISHED_TABLES

WITH_VIEWS = ("clickhouse", "databricks", "athena", "dremio")
"""Destinations without transactions over several tables. The mechanism is tested with a DuckDB file, these are not."""
SLOTS = ("_a", "_b")
"""The suffixes of the two datasets."""


class DatasetViews:
    """The views of a dataset. Args: ``client`` is dlt's, with an open connection."""

    def __init__(self, client: Any, dataset: str) -> None:
        self._client = client
        self._dataset = dataset

    def point_to(self, dataset: str, names: Collection[str]) -> None:
        """Create or replace the views of tables, the control tables last, so that they select from a dataset."""
        with self._client.with_alternative_dataset_name(self._dataset):
            if not self._client.has_dataset():
                self._client.create_dataset()
        for name in (*names, PUBLISHED_TABLES, PUBLISHED):
            source = self._name(dataset, name)
            self._client.execute_sql(
                f"create or replace view {self._name(self._dataset, name)} as select * from {source}"
            )

    def drop(self, names: Collection[str]) -> None:
        """Drop the views of tables that the snapshot does not have any more."""
        for name in sorted(names):
            self._client.execute_sql(f"drop view if exists {self._name(self._dataset, name)}")

    def _name(self, dataset: str, table: str) -> str:
        with self._client.with_alternative_dataset_name(dataset):
            name: str = self._client.make_qualified_table_name(table)
        return name
