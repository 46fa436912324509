"""Maps database errors of models and checks to the errors of this package.

The loader quarantines rows that it cannot read exactly, and the models support every value that it accepts. Where a
query fails on data nevertheless, the error names the file, its source tables and what is kept. Knows models and
errors; opens no database.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from referral_warehouse.errors import DataRefused, LoadFileDamaged, ReferralsError
from referral_warehouse.warehouse.connection import first_line
from referral_warehouse.warehouse.models import CHECK_LAYER, Model, load_models
from referral_warehouse.workspace.disk_space import disk_full_error

FREE_SPACE_STEP = "Free memory (or disk space) and run the same command again."
ADVICE = (
    "Run the same command with --verbose and report what it prints: no record that was loaded may stop a build. What "
    "was built so far is kept in draft/ (warehouse.duckdb and scratch.duckdb)."
)
BOOKKEEPING = frozenset({
    "runs", "run_streams", "reconciliation", "observations", "quarantine", "reward_units", "unit_settings", "units",
    "unit_terms", "term_settings",
})  # fmt: skip
"""Tables of schema raw that no stream of the API fills."""


def explain(error: Exception, what: str, cause: str = "", next_step: str | None = None) -> ReferralsError:
    """Turn a database error into one of ours.

    Args:
        error: What was raised.
        what: What could not be done, the beginning of the sentence.
        cause: A sentence that says where to look, for errors that data causes.
        next_step: What to do about an error that data causes.

    Returns:
        An error that is one of ours already, as it is; DiskFull, LoadFileDamaged, ReferralsError (memory, files);
        else DataRefused.
    """
    import duckdb

    if isinstance(error, ReferralsError):
        return error
    full = disk_full_error(error, what)
    if full is not None:
        return full
    if isinstance(error, duckdb.IOException) and re.search("corrupt|could not read", str(error), re.IGNORECASE):
        return LoadFileDamaged(f"{what}: {first_line(error)}")
    if isinstance(error, (duckdb.IOException, duckdb.OutOfMemoryException, OSError)):
        return ReferralsError(f"{what}: {first_line(error)}", FREE_SPACE_STEP)
    return DataRefused(f"{what}: {first_line(error).rstrip('.!')}. {cause}".rstrip(), next_step)


def query_failed(error: Exception, model: Model) -> ReferralsError:
    """The error of a model that could not be built, or of a check that could not run.

    Args:
        error: What the database raised.
        model: The file whose query failed.
    """
    file = f"sql/{model.layer}/{model.name}.sql"
    what = f"The model {model.qualified_name} could not be built"
    if model.layer == CHECK_LAYER:
        what = f"The check {model.name} could not run"
    streams = streams_behind(model, {known.qualified_name: known for known in load_models()})
    cause = f"The likely cause is a value in {_listed(streams)} that {file} does not support." if streams else ""
    return explain(error, what, cause, ADVICE)


def streams_behind(model: Model, models: Mapping[str, Model]) -> list[str]:
    """The streams whose records reach a model, directly or through other models, in alphabetical order."""
    found: set[str] = set()
    seen: set[str] = set()
    waiting = list(model.reads)
    while waiting:
        name = waiting.pop()
        layer, _, table = name.partition(".")
        if layer == "raw":
            found.add(table)
        elif name in models and name not in seen:
            seen.add(name)
            waiting.extend(models[name].reads)
    return sorted(found - BOOKKEEPING)


def _listed(streams: list[str]) -> str:
    return f"raw.{streams[0]}" if len(streams) == 1 else f"raw.{', raw.'.join(streams[:-1])} or raw.{streams[-1]}"
