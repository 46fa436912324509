"""Builds a draft: runs the models on the load file into a new DuckDB file that is not published yet.

Knows the load file only as the tables of ``sql/raw.sql``; knows nothing of checks, snapshots or links. Published
layers are written into the draft, staging and intermediate into a separate scratch file, so that nothing has to be
dropped or copied before the draft is published.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from referral_warehouse.errors import ConfigurationError, DataRefused
from referral_warehouse.sql_quoting import identifier
from referral_warehouse.utc_times import iso_utc
from referral_warehouse.warehouse.connection import (
    connect_draft,
    draft_dir,
    draft_path,
    load_version,
    substitute_missing_tables,
)
from referral_warehouse.warehouse.database_errors import explain, query_failed
from referral_warehouse.warehouse.personal import (
    PUBLISHED,
    copy_without_personal,
    personal_state,
    search_scratch_file_too,
)
from referral_warehouse.warehouse.reward_units import declare_terms, declare_units, with_digits
from referral_warehouse.warehouse.table_comments import comment_statements
from referral_warehouse.workspace.file_kinds import refuse_other_kinds
from referral_warehouse.workspace.removal import free_name, remove

if TYPE_CHECKING:
    import duckdb

    from referral_warehouse.settings import Settings
    from referral_warehouse.warehouse.models import Model


@dataclass(frozen=True, slots=True)
class BuildReport:
    """The result of a build. ``as_of`` is the server's time of the data; ``tables`` counts rows by name.

    ``problems`` lists leftovers of an earlier run that could not be removed or completed.
    Units: ``seconds`` of wall time; times are UTC.
    """

    draft_path: Path
    as_of: datetime | None
    built_at: datetime
    tables: dict[str, int]
    seconds: float
    load_version: str | None = None
    models_version: str | None = None
    waiting_changes: int = 0
    reward_units: tuple[tuple[str, str], ...] = ()
    unit_terms: dict[str, list[str | int | None]] = field(default_factory=dict)
    personal_columns: str = PUBLISHED
    streams: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    """What could not be removed from the directory."""
    recovered: tuple[str, ...] = ()
    """Damage that was found in the directory before the build, and its repair."""

    @property
    def origin(self) -> dict[str, Any]:
        """The origin of the draft, for the manifest."""
        return {
            "synced_at": None if self.as_of is None else iso_utc(self.as_of),
            "built_at": iso_utc(self.built_at),
            "load_version": self.load_version,
            "models_version": self.models_version,
            "waiting_changes": self.waiting_changes,
            "reward_units": dict(self.reward_units),
            "unit_terms": self.unit_terms,
            "personal_columns": self.personal_columns,
            "streams": list(self.streams) or None,
        }


def build(settings: Settings, now: datetime | None = None) -> BuildReport:
    """Build every model into a new draft. The same load file results in the same draft.

    Raises: ConfigurationError when there is no load file or a model file is wrong; AnotherSyncRunning when another
    process holds the load file; DataRefused when no load has been completed, or a model fails on the loaded data.
    """
    from referral_warehouse.warehouse.models import load_models, models_version
    from referral_warehouse.warehouse.recovery import recover

    started = time.monotonic()
    built_at = datetime.now(UTC) if now is None else now.astimezone(UTC)
    models = load_models()
    refuse_other_kinds(settings.load_path, "the load file")
    if not settings.load_path.exists():
        raise ConfigurationError(
            f"There is nothing to build from: {settings.load_path} does not exist.",
            "Run `referrals sync` (or `referrals load`) first.",
        )
    try:
        recovery = recover(settings)
        problems = [*recovery.problems, *prepare_draft_dir(settings)]
    except OSError as error:
        raise explain(error, f"{draft_dir(settings)} could not be prepared") from error
    connection = connect_draft(settings)
    try:
        substitute_missing_tables(connection)
        _refuse_unfinished_load(connection, settings.load_path)
        units = declare_units(connection, settings.reward_units)
        terms = declare_terms(connection, settings)
        tables = run_models(connection, models, has_personal=settings.publish_personal)
        at = _single(connection, "select as_of_at from intermediate.int_build_clock")
        waiting = _single(connection, "select count(*) from intermediate.int_reward_changes where sync_no is null")
        version = load_version(connection)
        connection.execute("checkpoint draft")
    except Exception as error:
        raise explain(error, "The draft could not be written") from error
    finally:
        connection.close()
    return BuildReport(
        draft_path=draft_path(settings),
        as_of=at.replace(tzinfo=UTC) if at is not None else None,
        built_at=built_at,
        tables=tables,
        seconds=round(time.monotonic() - started, 3),
        load_version=version,
        models_version=models_version(),
        waiting_changes=waiting,
        reward_units=units,
        unit_terms=terms,
        personal_columns=personal_state(settings),
        streams=settings.streams,
        problems=tuple(problems),
        recovered=tuple(recovery.done),
    )


def _refuse_unfinished_load(connection: duckdb.DuckDBPyConnection, load_path: Path) -> None:
    """Refuse to build from what an interrupted first load has committed: lists that were not read look empty.

    Raises: DataRefused.
    """
    if _single(connection, "select count(*) > 0 and bool_and(status <> 'done') from raw.runs"):
        raise DataRefused(
            f"No load has been completed yet, so {load_path} has a part of the account at most.",
            "Run `referrals sync` (or `referrals load`) first; it continues from the committed data.",
        )


def prepare_draft_dir(settings: Settings) -> list[str]:
    """Create an empty draft folder for its owner alone; an earlier draft, or another file of its name, is removed.

    One that cannot be removed is moved aside; later runs try again. Returns: a description of that.
    Raises: ConfigurationError when neither can be done.
    """
    folder = draft_dir(settings)
    problem = remove(folder)
    if problem is not None:
        try:
            folder.rename(free_name(folder.with_name(f"{folder.name}-0")))
        except OSError as error:
            raise ConfigurationError(
                f"{folder} can neither be removed nor moved aside: {error.strerror or error}.",
                f"Remove {folder} and run the same command again; it contains an unfinished build only.",
            ) from error
    folder.mkdir(mode=0o700, parents=True)
    (folder / "tmp").mkdir(mode=0o700)
    return [problem] if problem else []


def _single(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    row = connection.execute(sql).fetchone()
    return row[0] if row else None


def run_models(
    connection: duckdb.DuckDBPyConnection, models: Sequence[Model], *, has_personal: bool = True
) -> dict[str, int]:
    """Create every model in the order given, with its comments.

    Args:
        connection: the draft.
        models: what is created.
        has_personal: whether personal columns have their values in the draft. Models read them in any case: without,
            tables that have some are made in the scratch file, and copied with nulls in these columns at the end.

    Returns: rows of each published table, by qualified name in alphabetical order.
    Raises: DataRefused naming the model that failed.
    """
    tables: dict[str, int] = {}
    digits = _single(connection, "select getvariable('amount_digits')")
    emptied = [] if has_personal else [model for model in models if model.is_published and model.personal]
    if emptied:
        search_scratch_file_too(connection)
    schemas: set[str] = set()
    for model in models:
        catalog = "draft" if model.is_published and model not in emptied else "scratch"
        schema = f"{catalog}.{model.layer}"
        target = f"{schema}.{model.name}"
        if schema not in schemas:
            connection.execute(f"create schema if not exists {schema}")
            schemas.add(schema)
        try:
            _create(connection, model, target, digits)
        except Exception as error:
            raise query_failed(error, model) from error
        if model.is_published:
            tables[model.qualified_name] = _single(connection, f"select count(*) from {target}")
    for model in emptied:
        copy_without_personal(connection, model)
    write_comments(connection, [model for model in models if model.is_published])
    return dict(sorted(tables.items()))


def _create(connection: duckdb.DuckDBPyConnection, model: Model, target: str, digits: int) -> None:
    """Create the table or view of a model; published amounts have as many digits as the units and values need.

    A model whose header names a compression has its 128-bit columns compressed so: by default DuckDB packs their bits,
    which takes 650 ns per value to read (run lengths: 20 ns) and twice as long to write.
    """
    sql = with_digits(model, digits) if model.is_published else model.sql
    if "compression" not in model.header:
        connection.execute(f"create {'table' if model.is_stored else 'view'} {target} as {sql}")
        return
    chosen = f" using compression {model.header['compression']}"
    columns = connection.execute(f"describe {sql}").fetchall()
    declared = ", ".join(f"{identifier(name)} {kind}{chosen if _is_wide(kind) else ''}" for name, kind, *_ in columns)
    connection.execute(f"create table {target} ({declared})")
    connection.execute(f"insert into {target} {sql}")


def _is_wide(kind: str) -> bool:
    """Whether the values of a DuckDB type take 128 bits: HUGEINT, and decimals of more than 18 digits."""
    found = re.match(r"DECIMAL\((\d+),", kind)
    return kind == "HUGEINT" or (found is not None and int(found[1]) > 18)


def write_comments(connection: duckdb.DuckDBPyConnection, models: Iterable[Model]) -> None:
    """Write the comments of the files to every published table and column; one transaction, since commits are slow.

    Without the optimizer, which takes half of the time of a statement that it cannot improve.
    """
    statements = ["pragma disable_optimizer", "begin"]
    for model in models:
        statements += comment_statements(f"draft.{model.layer}.{model.name}", model.comment, model.columns)
    connection.execute(";\n".join([*statements, "commit", "pragma enable_optimizer"]))
