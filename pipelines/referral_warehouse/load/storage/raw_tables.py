"""Creates the raw tables of the load file, so that they can be queried before dlt has loaded anything.

They have the columns and types that dlt gives them, so that its packages change none. Knows no stream.
"""

from __future__ import annotations

from collections.abc import Mapping

from referral_warehouse.load.records.schema import TableSchema
from referral_warehouse.load.records.table_sql import LOAD_ID, create_table
from referral_warehouse.load.storage.load_file import LoadFile
from referral_warehouse.load.storage.stored_rows import DATASET


def create_missing_tables(load_file: LoadFile, schemas: Mapping[str, TableSchema]) -> None:
    """Create the raw tables that the load file lacks, all or none of them.

    dlt creates them too, but only in a package, which takes 0.5 s and the import of dlt.
    """
    missing = sorted(schemas.keys() - load_file.rows.tables())
    if not missing:
        return
    statements = [create_table(schemas[name], DATASET, further=(LOAD_ID,)) for name in missing]
    load_file.connection.execute(";\n".join(["begin", f"create schema if not exists {DATASET}", *statements, "commit"]))
