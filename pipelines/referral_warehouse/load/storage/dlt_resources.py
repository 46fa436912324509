"""The dlt source of one batch: a resource for each raw table, with its keys, types and strategy.

A batch was fetched and coerced before dlt runs, so that no response of the API can leave an incomplete package.
Cursors are in dlt's state of the resources, and are saved in the same package as their rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any, cast

from referral_warehouse.load.storage.dlt_configuration import dlt  # first: dlt must not be imported before it

# isort: split
from dlt.extract import DltResource

from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.records.schema import ROW_VERSION, LoadStrategy, TableSchema
from referral_warehouse.load.storage.column_hints import column_hints
from referral_warehouse.load.storage.dlt_state import SOURCE_NAME
from referral_warehouse.load.storage.stored_rows import DATASET


def _column_hints(schema: TableSchema) -> dict[str, dict[str, Any]]:
    return column_hints(
        schema.stored,
        time={"data_type": "timestamp", "timezone": False, "precision": 6},
        json=schema.json_columns,
        keeps_newest=not schema.is_history,
    )


@dlt.source(name=SOURCE_NAME, max_table_nesting=0)
def batch_source(batch: LoadBatch, schemas: Mapping[str, TableSchema]) -> Iterator[DltResource]:
    """One dlt resource for each raw table that has rows in the batch, or whose cursors it moves."""
    for table in dict.fromkeys([*batch.tables, *batch.states]):
        yield _resource(schemas[table], batch)


def _resource(schema: TableSchema, batch: LoadBatch) -> DltResource:
    def rows() -> Iterator[Any]:
        yield from batch.tables.get(schema.name, [])
        if schema.name in batch.states:
            state = dlt.current.resource_state()
            state.clear()
            state.update(batch.states[schema.name])

    keys: dict[str, Any] = {}
    if not schema.is_history:
        disposition: dict[str, Any] = {"disposition": "merge", "strategy": "delete-insert"}
        keys["primary_key"] = list(schema.key)
    else:
        disposition = {
            "disposition": "merge",
            "strategy": "scd2",
            "row_version_column_name": ROW_VERSION,
            # a package that is loaded twice after a kill has staged its rows twice: the last row of each id is used
            "source_filter": f"rowid in (select max(rowid) from {DATASET}_staging.{schema.name} group by id)",
        }
        if batch.boundary is not None:
            disposition["boundary_timestamp"] = batch.boundary.replace(tzinfo=UTC).isoformat()
        if schema.strategy is LoadStrategy.ROW_HISTORY:
            keys["merge_key"] = "id"
    resource: Any = dlt.resource(
        rows,
        name=schema.name,
        write_disposition=cast(Any, disposition),
        columns=cast(Any, _column_hints(schema)),
        file_format="parquet",
        **keys,
    )
    return cast(DltResource, resource())
