"""A server of PostgreSQL for all tests here, with an empty database for each, and snapshots to deliver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from referral_warehouse.settings import Settings
from referral_warehouse.settings.destinations import DestinationValues
from tests.destinations.databases import NAME, values_of
from tests.dlt_source.postgres_server import PostgresServer, running_server
from tests.lake.conftest import publications as publications
from tests.lake.conftest import published as published

NUMBERS = count(1)
Deliver = Callable[..., object]


@pytest.fixture(scope="package")
def postgres() -> Iterator[PostgresServer]:
    with running_server() as server:
        yield server


@pytest.fixture
def address(postgres: PostgresServer) -> str:
    """The address of an empty database."""
    return postgres.new_database(f"delivered_{next(NUMBERS)}")


@pytest.fixture
def values(address: str) -> DestinationValues:
    """A destination in that database."""
    return values_of(
        {f"DESTINATION__{NAME}__CREDENTIALS": address, f"DESTINATION__{NAME}__DESTINATION_TYPE": "postgres"}
    )


@pytest.fixture
def settings(published: Settings) -> Settings:
    """A warehouse with the snapshots 1 to 3, of which the first is the published one."""
    return published
