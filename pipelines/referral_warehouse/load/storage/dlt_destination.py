"""dlt's DuckDB destination on the load file's own connection, with one difference: how a staged Parquet file is read.

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

WILDCARDS = frozenset("*?[")
"""In a path with one of these DuckDB searches for matching files, and not every name can be escaped."""

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

        Without one dlt would resolve it for every question: ten times a package, a tenth of what a package costs.
        """
        return super().capabilities(config or self.spec(), naming)


class _LoadFileClient(DuckDbClient):
    def create_load_job(
        self, table: PreparedTableSchema, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        job = super().create_load_job(table, file_path, load_id, restore)
        return _InsertParquet(file_path) if type(job) is DuckDbCopyJob else job


class _InsertParquet(DuckDbCopyJob):
    """Inserts the rows of one Parquet file into its table, column by column name."""

    def run(self) -> None:
        self._sql_client: Any = self._job_client.sql_client
        table = self._sql_client.make_qualified_table_name(self.load_table_name)
        if WILDCARDS.isdisjoint(self._file_path):
            reader = "read_parquet(?, hive_partitioning = false, union_by_name = false, filename = false)"
            self._sql_client.execute_sql(f"insert into {table} by name select * from {reader}", self._file_path)
        else:
            self._insert_batches(table)

    def _insert_batches(self, table: str) -> None:
        """Insert through Arrow, which opens exactly the given file; slower, and needs more memory."""
        connection: duckdb.DuckDBPyConnection = self._sql_client.native_connection
        with open(self._file_path, "rb") as stream, pq.ParquetFile(stream) as staged:  # noqa: PTH123 - dlt has a str
            connection.register(_STAGED, pa.RecordBatchReader.from_batches(staged.schema_arrow, staged.iter_batches()))
            try:
                self._sql_client.execute_sql(f"insert into {table} by name select * from {_STAGED}")
            finally:
                connection.unregister(_STAGED)
