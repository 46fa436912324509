"""Opens a destination of dlt with the settings of this destination, and with no other setting of the environment.

dlt also reads settings under general names, which may belong to other programs; here it gets only those below
``destination`` and the fixed values that loads use too. Knows no table.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from referral_warehouse.load.storage.dlt_configuration import (  # first: dlt must not be imported before it
    ClosedConfiguration,
    ClosedValues,
    dlt,
)

# isort: split
from dlt.common.destination import Destination
from dlt.common.schema import Schema

from referral_warehouse.settings.destinations import SECTION
from referral_warehouse.settings.sources import working_folder

if TYPE_CHECKING:
    from referral_warehouse.settings.destinations import DestinationValues

PIPELINE = "referrals_delivery"
SCHEMA = "referrals"
OWN_VALUES: dict[tuple[str, ...], Any] = {
    # without it, the same rows would differ in each delivery by a column of dlt
    ("normalize", "parquet_normalizer", "add_dlt_load_id"): False,
    ("load", "raise_on_max_retries"): 3,
}


@contextmanager
def opened_pipeline(values: DestinationValues, folder: Path, dataset: str) -> Iterator[dlt.Pipeline]:
    """A pipeline that loads into a dataset of a destination, for the length of a ``with``.

    Args:
        values: the settings of the destination.
        folder: for dlt's working files.
        dataset: the name of the dataset; it is created by the first load.

    Raises: ConfigurationError; dlt's errors when there is no such destination or a package for it is missing.
    """

    def find(path: tuple[str, ...]) -> Any | None:
        return values.find(*path) if path[:1] == (SECTION,) and len(path) > 1 else OWN_VALUES.get(path)

    source = ClosedValues("the environment and the files of referral-warehouse", find)
    with ClosedConfiguration(folder, [source], working_folder()).applied():
        destination = Destination.from_reference(values.kind, destination_name=values.name)
        pipeline = dlt.pipeline(PIPELINE, destination=destination, dataset_name=dataset, pipelines_dir=str(folder))
        yield pipeline


def new_schema() -> Schema:
    """An empty schema for the tables of a delivery."""
    return Schema(SCHEMA)
