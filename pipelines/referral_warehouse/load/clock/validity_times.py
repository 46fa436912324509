"""Corrects validity times of history tables: finds the wrong ones and their replacements, in the order of writing.

Reads only. Each commit of histories has one validity time, later than the one before. After a wrong one in the future
every later one was one microsecond after the one before: such chains are found by that distance and corrected too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from referral_warehouse.load.clock.observation_clock import TICK
from referral_warehouse.load.clock.run_times import LoggedRun
from referral_warehouse.load.clock.stored_times import HISTORIES, VALIDITY, Plausible, utc
from referral_warehouse.load.storage.load_file import LoadFile
from referral_warehouse.load.storage.stored_rows import DATASET


@dataclass(slots=True)
class _Commit:
    """One validity time: its columns, and the package that wrote it, where a row has it."""

    was_at: datetime
    places: set[tuple[str, str]] = field(default_factory=set)
    package: str | None = None


def correct_validity(
    load_file: LoadFile,
    plausible: Plausible,
    runs: Sequence[LoggedRun],
    seen_at: Callable[[str | None], datetime],
    before: datetime,
    columns: set[tuple[str, str]],
) -> list[tuple[str, str, datetime, datetime]]:
    """Every wrong validity time as (table, column, wrong, right); nothing where none is wrong."""
    commits = _read_commits(load_file, columns)
    times = [commit.was_at for commit in commits]
    wrong = {at for at in times if plausible.excludes(at)}
    if not wrong and not any(run.is_wrong for run in runs):
        return []
    wrong.update(later for earlier, later in pairwise(times) if later - earlier == TICK)
    found: list[tuple[str, str, datetime, datetime]] = []
    last: dict[str, datetime] = {}
    written = _writing_runs(load_file, runs, columns)
    position = next((number for number, run in enumerate(runs) if run.is_wrong), 0) - 1
    previous: datetime | None = None
    for commit in commits:
        tables = {table for table, _column in commit.places}
        at = commit.was_at
        if commit.was_at in wrong:
            if commit.package is not None:
                at = seen_at(commit.package)
                position = max(position, _position(runs, at))
            else:  # it only ends versions, which name no package: the next run that wrote to one of its tables
                following = (n for n in written if n > position and written[n] & tables)
                position = next(following, position)
                at = (runs[position].seen_until if 0 <= position < len(runs) else None) or before
            floors = [last[table] for table in tables if table in last]
            at = max([at, *(floor + TICK for floor in [*floors, *([previous] if previous else [])])])
            previous = at
            found.extend((table, column, commit.was_at, at) for table, column in sorted(commit.places))
        for table in tables:
            last[table] = max(at, last.get(table, at))
    return found


def _position(runs: Sequence[LoggedRun], at: datetime) -> int:
    return max((n for n, run in enumerate(runs) if run.seen_from is not None and run.seen_from <= at), default=-1)


def _writing_runs(load_file: LoadFile, runs: Sequence[LoggedRun], columns: set[tuple[str, str]]) -> dict[int, set[str]]:
    """Position of a run → the history tables it wrote to."""
    if ("run_streams", "rows_written") not in columns:
        return {}
    positions = {run.run_id: number for number, run in enumerate(runs)}
    found: dict[int, set[str]] = {}
    for run_id, stream in load_file.connection.execute(
        f"select run_id, stream from {DATASET}.run_streams where rows_written > 0"
    ).fetchall():
        if run_id in positions and stream in HISTORIES:
            found.setdefault(positions[run_id], set()).add(stream)
    return dict(sorted(found.items()))


def _read_commits(load_file: LoadFile, columns: set[tuple[str, str]]) -> list[_Commit]:
    commits: dict[datetime, _Commit] = {}
    for table in HISTORIES:
        for column in VALIDITY:
            if (table, column) not in columns:
                continue
            package = "min(_dlt_load_id)" if column == VALIDITY[0] and (table, "_dlt_load_id") in columns else "null"
            rows = load_file.connection.execute(
                f"select {utc(column)} as was_at, {package} from {DATASET}.{table} "
                f"where {column} is not null group by 1"
            ).fetchall()
            for at, name in rows:
                commit = commits.setdefault(at, _Commit(at))
                commit.places.add((table, column))
                commit.package = commit.package or name
    return [commits[at] for at in sorted(commits)]
