"""Corrects stored times of observation that a wrong clock wrote: in the future, or before this software existed.

Each is replaced by the time of the run that wrote it: rows name their package, the run log knows when each run began
and ended by this machine's clock. Validity times keep their order. The replaced times are kept in
``raw.clock_corrections``. Knows the load file and the saved cursors; it uses no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from referral_warehouse.errors import ConfigurationError, DataRefused
from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.clock.observation_clock import EARLIEST, TOLERANCE, in_words, utc_now
from referral_warehouse.load.clock.package_times import PackageTimes
from referral_warehouse.load.clock.run_times import LoggedRun, correct_runs
from referral_warehouse.load.clock.stored_times import (
    LOGGED,
    OBSERVED,
    PACKAGE_TIMES,
    Plausible,
    columns,
    has_wrong_times,
    last_observation,
    read_time,
    utc,
    wrong_state_times,
)
from referral_warehouse.load.clock.validity_times import correct_validity
from referral_warehouse.load.records.converters import TIME
from referral_warehouse.load.registry import TABLES
from referral_warehouse.load.storage.load_file import LoadFile
from referral_warehouse.load.storage.load_pipeline import LoadPipeline
from referral_warehouse.load.storage.stored_rows import DATASET
from referral_warehouse.settings import Settings

STATES = ("users", "rewards_issued")
STEP = timedelta(seconds=1)
_CORRECTIONS = f"""
create table if not exists {DATASET}.clock_corrections (
    corrected_at timestamp, table_name varchar, column_name varchar, package varchar, was_at timestamp, is_at timestamp
)
"""
Change = tuple[str | None, datetime, datetime]
"""The package (or run) of the rows, the wrong time, the right one."""


@dataclass(frozen=True, slots=True)
class Correction:
    """The corrections of a run. ``count`` is of distinct times; ``first`` and ``last`` are wrong ones, naive UTC."""

    count: int
    first: datetime
    last: datetime

    def __str__(self) -> str:
        times = "1 time" if self.count == 1 else f"{self.count:,} times"
        return (
            f"{times} that a wrong clock had written (from {in_words(self.first)} to {in_words(self.last)}) were set "
            "to when their runs took place; raw.clock_corrections in the load file lists them"
        )


def is_repair_needed(load_file: LoadFile, pipeline: LoadPipeline, local: datetime) -> bool:
    """Whether a stored time is in the future of this machine's clock, or before this software existed."""
    plausible = Plausible(local + TOLERANCE)
    return has_wrong_times(load_file, plausible) or any(
        True for stream in STATES for _ in wrong_state_times(pipeline.state(stream), plausible)
    )


def repair_times(
    load_file: LoadFile, pipeline: LoadPipeline, now: datetime, run_id: str | None = None
) -> Correction | None:
    """Correct every stored time of observation that lies after ``now`` or before this software existed.

    Args:
        load_file: The open load file; its packages are all loaded.
        pipeline: dlt's pipeline on it, for the saved cursors.
        now: The correct time, naive UTC.
        run_id: The current run, whose own times are right.

    Returns:
        What was corrected; None where nothing had to be.
    """
    plausible = Plausible(now + TOLERANCE)
    repair = _Repair(load_file, plausible, now - STEP, run_id)
    changed = list(repair.changes())
    is_renamed = repair.apply(changed, now)
    if is_renamed:
        pipeline.reopen()
    for stream in STATES:
        state = pipeline.state(stream)
        wrong = {text: repair.begin.isoformat() for text in wrong_state_times(state, plausible)}
        if wrong:
            pipeline.commit(LoadBatch(states={stream: _with_times(state, wrong)}))
            was_at = filter(None, map(read_time, wrong))
            changed.extend((stream, "state", (None, at, repair.begin)) for at in was_at)
    times = [was for _table, _column, (_package, was, _is) in changed]
    return Correction(len(set(times)), min(times), max(times)) if times else None


def repair_without_server(settings: Settings, local: Callable[[], datetime] = utc_now) -> Correction | None:
    """Correct stored times by this machine's clock alone, if it is plausible.

    Returns:
        What was corrected; None where nothing had to be.

    Raises:
        ConfigurationError: When there is no load file, or the settings say that its times are simulated.
        DataRefused: When this machine's clock is behind what finished runs observed, or before this software existed.
    """
    if settings.simulated_time:
        raise ConfigurationError(
            "Simulated times are not corrected: they need not agree with any clock.",
            "Set SOURCES__REFERRAL_FACTORY__SIMULATED_TIME=false if this is a real account.",
        )
    if not settings.load_path.is_file():
        raise ConfigurationError(
            f"There is nothing to correct: {settings.load_path} does not exist.",
            "Set WAREHOUSE__DIR to the directory of the warehouse, or run `referrals sync` to begin one.",
        )
    with LoadFile(settings.load_path) as load_file:
        pipeline = LoadPipeline(load_file, settings.state_dir, TABLES)
        pipeline.drain()
        now, last = local(), last_observation(load_file, simulated=False)
        if now < EARLIEST or (last is not None and now < last - TOLERANCE):
            raise DataRefused(
                f"This machine's clock shows {in_words(now)}, but the last observation was at {in_words(last)}. "
                "Nothing was corrected.",
                "Set this machine's clock. If it is right, run `referrals sync`: it compares the server's time.",
            )
        return repair_times(load_file, pipeline, now)


class _Repair:
    def __init__(self, load_file: LoadFile, plausible: Plausible, before: datetime, run_id: str | None) -> None:
        self._load_file = load_file
        self._plausible = plausible
        self._before = before
        self._columns = columns(load_file)
        self._runs = self._read_runs(run_id)
        correct_runs(self._runs, plausible, before)
        self._packages = PackageTimes(self._package_names(), self._runs, plausible, before)
        began = [run.began_at for run in self._runs if run.is_wrong and run.began_at is not None]
        self.begin = min(began, default=before)
        """The start of the first run with a wrong time: the cursors may have missed rows after it."""

    def changes(self) -> Iterator[tuple[str, str, Change]]:
        """(table, column, change) for each wrong time."""
        validity = correct_validity(
            self._load_file, self._plausible, self._runs, self._packages.seen_at, self._before, self._columns
        )
        for table, column, was, at in validity:
            yield table, column, (None, was, at)
        known = {was: at for _table, _column, was, at in validity}
        for table, names in OBSERVED.items():
            for column in names:
                if (table, column) in self._columns:
                    yield from ((table, column, change) for change in self._rows(table, column, known))
        for run in self._runs:
            yield from self._logged(run)
        for table, column in PACKAGE_TIMES.items():
            if (table, column) in self._columns:
                yield from ((table, column, (None, was, self._before)) for was in self._wrong(table, utc(column)))

    def apply(self, changed: Iterable[tuple[str, str, Change]], now: datetime) -> bool:
        """Write the changes, all or none. Returns: whether packages were renamed."""
        by_column: dict[tuple[str, str], list[Change]] = {}
        for table, column, change in changed:
            by_column.setdefault((table, column), []).append(change)
        renamed = self._packages.renamed
        if not by_column and not renamed:
            return False
        connection = self._load_file.connection
        connection.execute("begin")
        try:
            connection.execute(_CORRECTIONS)
            for (table, column), changes in by_column.items():
                self._update(table, column, changes, now)
            for name, other in renamed.items():
                for table in sorted({table for table, column in self._columns if column == "_dlt_load_id"}):
                    connection.execute(
                        f"update {DATASET}.{table} set _dlt_load_id = ? where _dlt_load_id = ?", [other, name]
                    )
                connection.execute(f"update {DATASET}._dlt_loads set load_id = ? where load_id = ?", [other, name])
            connection.execute("commit")
        except BaseException:
            connection.execute("rollback")
            raise
        return bool(renamed)

    def _update(self, table: str, column: str, changes: list[Change], now: datetime) -> None:
        connection = self._load_file.connection
        packages, was, times = zip(*changes, strict=True)
        changed = pa.table(
            [pa.array(packages, pa.string()), pa.array(was, TIME), pa.array(times, TIME)],
            names=["package", "was_at", "is_at"],
        )
        is_zoned = column.startswith("_dlt_valid") or table in PACKAGE_TIMES
        stored, value = (utc(column), "timezone('UTC', is_at)") if is_zoned else (column, "is_at")
        named = "run_id" if table in LOGGED or column == "quarantined_at" else "_dlt_load_id"
        by_package = f"and (package is null or package is not distinct from {table}.{named})"
        if (table, named) not in self._columns:
            by_package = ""
        connection.register("changed", changed)
        try:
            connection.execute(
                f"update {DATASET}.{table} set {column} = {value} from changed where {stored} = was_at {by_package}"
            )
            connection.execute(
                f"insert into {DATASET}.clock_corrections select ?, ?, ?, package, was_at, is_at from changed",
                [now, table, column],
            )
        finally:
            connection.unregister("changed")

    def _rows(self, table: str, column: str, known: dict[datetime, datetime]) -> Iterator[Change]:
        """The wrong times of a column, by the package that wrote them; of the quarantine by the run."""
        by_run = column == "quarantined_at"
        named = "run_id" if by_run else "_dlt_load_id"
        found = self._load_file.connection.execute(
            f"select distinct {named}, {column} from {DATASET}.{table} where {column} > ? or {column} < ? order by all",
            [self._plausible.until, self._plausible.since],
        ).fetchall()
        rank: dict[str | None, int] = {}
        runs = {run.run_id: run for run in self._runs}
        for name, was in found:
            rank[name] = rank.get(name, -1) + 1
            if was in known:  # a tombstone with the time of a version
                at = known[was]
            elif by_run:
                run = runs.get(name)
                at = (run.seen_from if run else None) or self._before
            else:
                at = self._packages.seen_at(name)
            yield name, was, at + timedelta(microseconds=rank[name] if was not in known else 0)

    def _logged(self, run: LoggedRun) -> Iterator[tuple[str, str, Change]]:
        for column, was, at in (
            ("started_at", run.started_at, run.began_at),
            ("finished_at", run.finished_at, run.ended_at),
            ("observed_at", run.observed_at, run.seen_until),
        ):
            if was is not None and at is not None and self._plausible.excludes(was):
                yield "runs", column, (run.run_id, was, at)
        for table in ("run_streams", "reconciliation"):
            for was in run.streams_at if (table, "observed_at") in self._columns else ():
                if run.seen_from is not None and self._plausible.excludes(was):
                    yield table, "observed_at", (run.run_id, was, run.seen_from)

    def _read_runs(self, run_id: str | None) -> list[LoggedRun]:
        if ("runs", "run_id") not in self._columns:
            return []
        connection = self._load_file.connection
        streams: dict[str, list[datetime]] = {}
        for table in ("run_streams", "reconciliation"):
            if (table, "run_id") in self._columns:
                for name, at in connection.execute(
                    f"select distinct run_id, observed_at from {DATASET}.{table} where observed_at is not null"
                ).fetchall():
                    streams.setdefault(name, []).append(at)
        rows = connection.execute(
            f"select run_id, started_at, finished_at, observed_at from {DATASET}.runs order by rowid"
        ).fetchall()
        return [
            LoggedRun(name, started, finished, observed, sorted(set(streams.get(name, []))))
            for name, started, finished, observed in rows
            if name != run_id
        ]

    def _package_names(self) -> list[str]:
        if ("_dlt_loads", "load_id") not in self._columns:
            return []
        return list(map(str, self._load_file.rows.column(f"select load_id from {DATASET}._dlt_loads order by rowid")))

    def _wrong(self, table: str, column: str) -> list[Any]:
        return [
            at
            for (at,) in self._load_file.connection.execute(
                f"select distinct {column} as was_at from {DATASET}.{table} where was_at > ? or was_at < ?",
                [self._plausible.until, self._plausible.since],
            ).fetchall()
        ]


def _with_times(state: dict[str, Any], wrong: dict[str, str]) -> dict[str, Any]:
    return {
        name: _with_times(value, wrong) if isinstance(value, dict)
        else wrong.get(value, value) if isinstance(value, str)
        else value
        for name, value in state.items()
    }  # fmt: skip
