"""Imports everything that commands need, before a process forks them: imports take half of the time of a command."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

from tests.lake import everywhere

WHEN_NEEDED = (
    "dlt.common.libs.pyarrow", "dlt.destinations.impl.duckdb.factory",
    "dlt.load.load", "dlt.normalize.worker", "encodings.idna", "filelock", "http.server", "pendulum.locales.en.locale",
    "prometheus_client", "pyarrow.dataset", "pytz", "referral_warehouse.cli.console", "referral_warehouse.cli.pace",
    "referral_warehouse.cli.run_logging", "referral_warehouse.cli.table_layout",
    "referral_warehouse.consume.description.schema_json", "referral_warehouse.load.privacy.aging",
    "referral_warehouse.load.privacy.due_people", "referral_warehouse.load.runner",
    "referral_warehouse.load.storage.memory", "referral_warehouse.operate.announcements",
    "referral_warehouse.settings.destinations", "referral_warehouse.warehouse.accounts.union",
    "referral_warehouse.warehouse.build", "referral_warehouse.warehouse.checks",
    "referral_warehouse.warehouse.deletion_guard", "referral_warehouse.warehouse.freshness",
    "referral_warehouse.warehouse.history_guard", "referral_warehouse.warehouse.publish",
    "referral_warehouse.warehouse.published_people", "referral_warehouse.warehouse.recovery",
    "referral_warehouse.warehouse.sql_parser",
)  # fmt: skip
"""Modules that a sync imports late, and modules that these import."""


def import_all(models: Path | None) -> None:
    """Import the commands and all that a sync needs; ``models`` is another folder of models than the product's."""
    everywhere.install()  # before others import by name what it changes
    if models is not None:  # before others import the function by its name
        import referral_warehouse.warehouse.models

        referral_warehouse.warehouse.models.sql_dir = lambda: models
    import referral_warehouse.cli.commands

    # This module comes before dlt, which reads variables of the environment while it is imported.
    importlib.import_module("referral_warehouse.load.storage.dlt_pipeline")
    for name in WHEN_NEEDED:
        importlib.import_module(name)
    for module in pkgutil.iter_modules(referral_warehouse.cli.commands.__path__):
        importlib.import_module(f"referral_warehouse.cli.commands.{module.name}")
