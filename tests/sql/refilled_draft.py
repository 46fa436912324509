"""A draft whose raw tables are filled anew for each case: opening its files takes longer than many a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb

from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import prepare_draft_dir, run_models
from referral_warehouse.warehouse.connection import connect_draft, substitute_missing_tables
from referral_warehouse.warehouse.models import Model
from tests.warehouse.planting import plant

BUILT = ("draft.core", "draft.marts", "draft.ops", "scratch.staging", "scratch.intermediate")
FILLED = "select table_name from duckdb_tables() where database_name = 'scratch' and estimated_size > 0"


class RefilledDraft:
    """A draft that has its own raw tables in place of those of the load file, which stays empty."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
        self.connection, self.settings = connection, settings
        self._loaded = self._names("select table_name from duckdb_tables() where database_name = 'load'")
        self._empty(self._loaded)

    def clear(self) -> None:
        """Drop what was built, and empty the raw tables."""
        for schema in BUILT:
            self.connection.execute(f"drop schema if exists {schema} cascade")
        self._empty(self._names(FILLED) & self._loaded)

    def build(self, models: Iterable[Model]) -> None:
        """Build some models; values are not compressed as their headers say, for which each is planned twice."""
        run_models(self.connection, [replace(model, header=_uncompressed(model)) for model in models])

    def _names(self, sql: str) -> set[str]:
        return {name for (name,) in self.connection.execute(sql).fetchall()}

    def _empty(self, tables: Iterable[str]) -> None:
        for table in tables:
            self.connection.execute(f"create or replace table scratch.raw.{table} as from load.raw.{table} limit 0")


def _uncompressed(model: Model) -> dict[str, str]:
    return {key: text for key, text in model.header.items() if key != "compression"}


@contextmanager
def refilled_draft(folder: Path) -> Iterator[RefilledDraft]:
    """Open the draft of a new warehouse directory."""
    settings = plant(folder)
    prepare_draft_dir(settings)
    with connect_draft(settings) as connection:
        substitute_missing_tables(connection)
        yield RefilledDraft(connection, settings)
