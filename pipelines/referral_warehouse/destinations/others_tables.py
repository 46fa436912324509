"""Refuses a delivery that would replace or remove tables of others, before anything is written there.

A dataset may have a name that others use too: many pipelines of dlt load into ``NAME`` and ``NAME_staging``. Tables are
this warehouse's where the control tables list them; in a dataset for new rows, where they have the names of its tables.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from referral_warehouse.destinations.control import KEYS, PUBLISHED, columns_of
from referral_warehouse.errors import ConfigurationError

if TYPE_CHECKING:
    from referral_warehouse.settings.destinations import DestinationValues

OF_DLT = "_dlt_"
"""How names of dlt's own tables begin."""
POSTGRES = (
    "select relname from pg_class join pg_namespace on pg_namespace.oid = relnamespace "
    "where nspname = %s and relkind in ('r', 'p', 'v', 'm', 'f')"
)
"""Unlike the information schema, it also lists tables on which the user of the destination has no right."""


def refuse_other_control_tables(client: Any, dataset: str, values: DestinationValues) -> None:
    """Raises: ConfigurationError where a dataset has tables with these names that this program did not make."""
    with client.sql_client.with_alternative_dataset_name(dataset):
        for name, columns in client.get_storage_tables(list(KEYS)):
            if columns and not {column.lower() for column in columns} >= columns_of(name):
                raise _not_own(dataset, name, values)


def refuse_other_tables(
    client: Any, dataset: str, names: Collection[str], values: DestinationValues, *, may_be_empty: bool
) -> None:
    """Refuse tables in the dataset of the readers that no delivery of this warehouse made.

    Args:
        names: the tables that a delivery would make there.
        may_be_empty: accept those without rows: a delivery that was killed may have made them before its transaction.

    Raises: ConfigurationError; dlt's errors.
    """
    if not names:
        return
    there = _tables_in(client, dataset, values)
    with client.sql_client.with_alternative_dataset_name(dataset) as sql:
        for name in names:
            if _folded(sql, [name]).isdisjoint(there):
                continue
            if may_be_empty and not _count(sql, name):
                continue
            raise _not_own(dataset, name, values)


def refuse_used_dataset(
    client: Any, dataset: str, names: Collection[str], owner: str, values: DestinationValues
) -> bool:
    """Refuse a dataset for new rows that others use: what is in it would be removed.

    Args:
        names: the tables that a delivery of this warehouse may have left there.
        owner: the dataset that their control table names.

    Returns: whether there is such a dataset.
    Raises: ConfigurationError; dlt's errors.
    """
    with client.sql_client.with_alternative_dataset_name(dataset) as sql:
        if not sql.has_dataset():
            return False
        there = _tables_in(client, dataset, values)
        others = [name for name in sorted(there - _folded(sql, names)) if not name.lower().startswith(OF_DLT)]
        if not others and not _folded(sql, [PUBLISHED]).isdisjoint(there):
            rows = sql.execute_sql(f"select dataset_name from {sql.make_qualified_table_name(PUBLISHED)}")
            others = [PUBLISHED] if any(row[0] != owner for row in rows or ()) else []
    if others:
        raise ConfigurationError(
            f"The dataset {dataset} of {values.name} has {others[0]}, which is no leftover of a delivery; a delivery "
            "loads new rows into a dataset of this name and removes it.",
            "Set WAREHOUSE__DATASET_NAME to another name. If nobody needs that dataset, drop it there.",
        )
    return True


def _not_own(dataset: str, name: str, values: DestinationValues) -> ConfigurationError:
    return ConfigurationError(
        f"The dataset {dataset} of {values.name} has a table or view {name} that no delivery of this warehouse made; a "
        "delivery would replace it.",
        "Set WAREHOUSE__DATASET_NAME to another name. If nobody needs that table, drop it there.",
    )


def _tables_in(client: Any, dataset: str, values: DestinationValues) -> set[str]:
    """The tables and views of a dataset, with their names as the destination writes them."""
    with client.sql_client.with_alternative_dataset_name(dataset) as sql:
        if not sql.has_dataset():
            return set()
        if values.kind == "postgres":
            rows = sql.execute_sql(POSTGRES, dataset)
        else:
            catalog, schema, _ = sql._get_information_schema_components()
            query, parameters = client._get_info_schema_columns_query(catalog, schema, [])
            rows = sql.execute_sql(query, *parameters)
    return {row[0] for row in rows or ()}


def _folded(sql: Any, names: Collection[str]) -> set[str]:
    """Names as the destination writes them."""
    return set(sql._get_information_schema_components(*names)[2])


def _count(sql: Any, name: str) -> int:
    rows = sql.execute_sql(f"select count(*) from {sql.make_qualified_table_name(name)}")
    return int(rows[0][0]) if rows else 0
