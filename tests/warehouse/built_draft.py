"""A draft that stays open for several tests of checks: copying and opening it takes longer than a check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.checks import run_checks
from referral_warehouse.warehouse.connection import connect_draft
from referral_warehouse.warehouse.models import load_checks
from tests.warehouse.planting import Rows, plant

CHECKS = load_checks()


class BuiltDraft:
    """Each test damages it in a transaction that is rolled back."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
        self.connection, self.settings = connection, settings

    def counts(self, damage: str = "", only: str = "") -> dict[str, int]:
        """Violations by check."""
        self.connection.execute("begin")
        try:
            for statement in filter(str.strip, damage.split(";")):
                self.connection.execute(statement)
            checks = [check for check in CHECKS if only in check.name]
            return {r.check: r.violations_count for r in run_checks(self.connection, checks)}
        finally:
            self.connection.execute("rollback")


@contextmanager
def built(folder: Path, tables: Mapping[str, Rows], syncs: Sequence[str]) -> Iterator[BuiltDraft]:
    """Build the draft of a new directory and open it."""
    settings = plant(folder, tables, syncs=syncs)
    build(settings)
    with connect_draft(settings) as connection:
        yield BuiltDraft(connection, settings)
