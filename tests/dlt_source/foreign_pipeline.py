"""An ordinary dlt pipeline that loads the public source from a sandbox, and what it holds afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dlt

from referral_warehouse.dlt_source import referral_factory
from referral_warehouse.load.registry import STREAMS
from referral_warehouse.sandbox import Sandbox
from tests.truth import COLUMNS, canonical

DATASET = "referral_factory"
FIELDS = {
    stream: [name for name in columns if name in STREAMS[stream].schema.arrow.names and name != "id"]
    for stream, (_, _, columns) in COLUMNS.items()
}
"""Fields that are compared with the sandbox, by table: all that a table holds."""

Row = tuple[Any, ...]


class ForeignPipeline:
    """A pipeline that keeps the account of a sandbox in a destination."""

    def __init__(self, world: Sandbox, folder: Path, destination: Any = None) -> None:
        self.world = world
        file = dlt.destinations.duckdb(str(folder / "referrals.duckdb"))
        self.pipeline = dlt.pipeline(
            "referrals",
            destination=file if destination is None else destination,
            dataset_name=DATASET,
            pipelines_dir=str(folder / "pipelines"),
        )

    def source(self, **options: Any) -> Any:
        """The source for the sandbox."""
        arguments = {
            "api_token": self.world.token, "base_url": self.world.base_url, "calls_per_minute": 0,
            "simulated_time": True,
        }  # fmt: skip
        return referral_factory(**{**arguments, **options})

    def run(self, *streams: str, **options: Any) -> None:
        """Load the chosen streams, all without a choice; ``world.calls`` holds the calls of this run afterwards."""
        self.world.reset_calls()
        source = self.source(**options)
        self.pipeline.run(source.with_resources(*streams) if streams else source).raise_on_failed_jobs()

    def rows(self, table: str) -> dict[int, Row]:
        """The rows of a table by id, as the destination returns them."""
        found = self.select(table, "id", *FIELDS[table])
        rows = {row[0]: tuple(map(canonical, FIELDS[table], row[1:])) for row in found}
        assert len(rows) == len(found), f"{table}: an id is in two rows"
        return rows

    def select(self, table: str, *columns: str) -> list[Row]:
        """Some columns of a table, as the destination returns them."""
        names = ", ".join(f'"{column}"' for column in columns)
        with self.pipeline.sql_client() as client:
            return [tuple(row) for row in client.execute_sql(f'select {names} from "{table}"') or []]

    def expected(self, table: str) -> dict[int, Row]:
        """The rows that the sandbox serves; coupons come with the users who hold them."""
        rows = [row for row in self.world.rows(table) if table != "coupons" or row["referral_id"] is not None]
        return {row["id"]: tuple(canonical(name, row[name]) for name in FIELDS[table]) for row in rows}
