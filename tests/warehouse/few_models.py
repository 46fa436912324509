"""A folder of models without most of the marts, for tests of what is done with a build, whatever its tables say.

A publication of all models takes three CPU seconds, however few rows there are; one of these takes one, and one of the
fewest a third of one.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from referral_warehouse.sql_folder import sql_dir
from referral_warehouse.warehouse.models import Model, load_checks, load_models

KEPT = (
    "core.", "ops.", "marts.reward_ledger", "marts.reward_liability", "marts.referral_funnel",
    "intermediate.int_build_clock", "intermediate.int_reward_changes", "staging.stg_list_totals",
)  # fmt: skip
"""Beginnings of the names of the models that are kept, with all that they read: what builds and commands ask for."""

FEWEST = (
    "core.campaigns", "core.users", "marts.referral_cohorts", "ops.history", "ops.quarantine", "ops.run",
    "intermediate.int_build_clock", "intermediate.int_reward_changes",
)  # fmt: skip
"""The same for tests that publish alone: two tables that grow with what is planted, and what a publication asks for."""


def needed_models(names: Iterable[str]) -> list[Model]:
    """The models of some qualified names and all that they read, in building order; names of raw tables are ignored."""
    models = {model.qualified_name: model for model in load_models(sql_dir())}
    waiting, needed = list(names), set[str]()
    while waiting:
        name = waiting.pop()
        if name in models and name not in needed:
            needed.add(name)
            waiting.extend(models[name].reads)
    return [model for name, model in models.items() if name in needed]


def copy_few_models(target: Path, beginnings: tuple[str, ...] = KEPT) -> Path:
    """Copy the SQL files that are kept, and the checks that read nothing else; returns the new folder."""
    models = load_models(sql_dir())  # the product's, also where this process builds others meanwhile
    kept = needed_models(model.qualified_name for model in models if model.qualified_name.startswith(beginnings))
    left_out = {model.qualified_name for model in models} - {model.qualified_name for model in kept}
    checks = [check for check in load_checks(sql_dir()) if not check.reads & left_out]
    for model in [*kept, *checks]:
        (target / model.layer).mkdir(parents=True, exist_ok=True)
        shutil.copy(model.path, target / model.layer)
    shutil.copy(sql_dir() / "raw.sql", target)
    return target
