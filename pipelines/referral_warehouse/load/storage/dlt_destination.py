"""dlt's DuckDB destination on the load file's own connection, with two differences: how a Parquet file is read, and
that rows whose keys are all new are not staged before they are merged.

dlt inserts the file's path into the statement and lets DuckDB guess the reader's options. A folder called
``date=2020-05-05`` above the file then becomes a column that replaces the API's, and an apostrophe or a bracket makes
the load fail. Here the path is bound, and nothing is inferred from it. Knows no table and no folder.
"""

from __future__ import annotations

from typing import Any

from referral_warehouse.load.storage.dlt_configuration import dlt  # first: dlt must not be imported before it

# isort: split
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from dlt.common.configuration.specs import configspec
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.destination.client import LoadJob
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.normalizers.naming import NamingConvention
from dlt.destinations.impl.duckdb.configuration import DuckDbClientConfiguration
from dlt.destinations.impl.duckdb.duck import DuckDbClient, DuckDbCopyJob

from referral_warehouse.load.storage.stored_rows import DATASET
from referral_warehouse.sql_quoting import WILDCARDS, parquet_rows

READER = parquet_rows("?")
MERGE_STRATEGY, DELETE_INSERT = "x-merge-strategy", "delete-insert"

_STAGED = "_staged_rows"


@configspec(init=False)
class LoadFileConfiguration(DuckDbClientConfiguration):
    """The load file's connection, displayed by its path: dlt imports SQLAlchemy to display it, 0.4 CPU s a process."""

    def __str__(self) -> str:
        return self.data_location()


class LoadFileDestination(dlt.destinations.duckdb):
    """The load file as a dlt destination; takes the arguments of ``dlt.destinations.duckdb``."""

    @property
    def destination_type(self) -> str:
        """The same as dlt's own: it is part of the saved state, which earlier versions have written."""
        return "dlt.destinations.duckdb"

    spec = LoadFileConfiguration

    @property
    def client_class(self) -> type[DuckDbClient]:
        return _LoadFileClient

    def capabilities(
        self, config: DuckDbClientConfiguration | None = None, naming: NamingConvention | None = None
    ) -> DestinationCapabilitiesContext:
        """What the destination can do, which does not depend on the configuration.

        Without a configuration dlt would resolve one at every call: ten times a package, a tenth of a package's time.
        """
        return super().capabilities(config or self.spec(), naming)


class _LoadFileClient(DuckDbClient):
    def create_load_job(
        self, table: PreparedTableSchema, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        job = super().create_load_job(table, file_path, load_id, restore)
        return _InsertParquet(file_path) if type(job) is DuckDbCopyJob else job


class _InsertParquet(DuckDbCopyJob):
    """Inserts the rows of one Parquet file into its table, column by column name.

    dlt stages rows with a key, and merges the staged rows. Rows whose keys are all larger than those of their table go
    into that table at once, since a merge would do the same with twice the work: a first load has no others. If such a
    file is loaded again after a kill, its keys are known, so that it is staged and merged as usual.
    """

    def run(self) -> None:
        self._sql_client: Any = self._job_client.sql_client
        staged = self._sql_client.make_qualified_table_name(self.load_table_name)
        if not WILDCARDS.isdisjoint(self._file_path):
            self._insert_batches(staged)
            return
        target = staged
        if self._sql_client.is_staging_dataset_active and self._load_table.get(MERGE_STRATEGY) == DELETE_INSERT:
            with self._sql_client.with_alternative_dataset_name(DATASET):
                table = self._sql_client.make_qualified_table_name(self.load_table_name)
            if self._has_new_keys(table):
                target = table
        self._sql_client.execute_sql(f"insert into {target} by name select * from {READER}", self._file_path)

    def _has_new_keys(self, table: str) -> bool:
        """Whether the file has one row for each key, and each key is larger than those of the table."""
        keys = [name for name, column in self._load_table["columns"].items() if column.get("primary_key")]
        if len(keys) != 1:
            return False
        key = self._sql_client.escape_column_name(keys[0])
        [[is_new]] = self._sql_client.execute_sql(
            f"select count(*) = count(distinct {key}) and coalesce(min({key}) > (select max({key}) from {table}), "
            f"not exists (from {table})) from {READER}",
            self._file_path,
        )
        return bool(is_new)

    def _insert_batches(self, table: str) -> None:
        """Insert through Arrow, which opens exactly the given file; slower, and needs more memory."""
        connection: duckdb.DuckDBPyConnection = self._sql_client.native_connection
        with open(self._file_path, "rb") as stream, pq.ParquetFile(stream) as staged:  # noqa: PTH123 - dlt has a str
            connection.register(_STAGED, pa.RecordBatchReader.from_batches(staged.schema_arrow, staged.iter_batches()))
            try:
                self._sql_client.execute_sql(f"insert into {table} by name select * from {_STAGED}")
            finally:
                connection.unregister(_STAGED)
