"""The times of observation in the load file: their columns, which of them are wrong, and the last credible one.

Reads only. A time of observation is wrong when it is in the future, or before this software existed. Dates of the
account itself (a user's ``date``, an issue) are data and are not checked here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from referral_warehouse.load.clock.observation_clock import EARLIEST, ObservationClock
from referral_warehouse.load.storage.load_file import LoadFile
from referral_warehouse.load.storage.stored_rows import DATASET

HISTORIES = ("campaigns", "rewards", "rewards_due", "rewards_issued")
FETCHED = (*HISTORIES, "users", "coupons", "coupon_batches", "campaign_reach")
VALIDITY = ("_dlt_valid_from", "_dlt_valid_to")
OBSERVED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(FETCHED, ("_fetched_at",)),
    "observations": ("observed_at",),
    "quarantine": ("quarantined_at", "resolved_at"),
}
"""Columns dated by an observation, in tables whose rows name the package (``_dlt_load_id``) that wrote them."""
LOGGED = ("runs", "run_streams", "reconciliation")
"""Tables of the run log: ``observed_at`` dated by an observation, in rows that name their run."""
RUN_TIMES = ("started_at", "finished_at")
PACKAGE_TIMES = {"_dlt_loads": "inserted_at", "_dlt_version": "inserted_at", "_dlt_pipeline_state": "created_at"}
"""dlt's own times, by this machine's clock: it restores the newest."""


@dataclass(frozen=True, slots=True)
class Plausible:
    """The range of plausible times of observation, both ends included; naive UTC."""

    until: datetime
    since: datetime = EARLIEST

    def excludes(self, at: datetime | None) -> bool:
        """Whether a stored time is wrong."""
        return at is not None and not self.since <= at <= self.until


def columns(load_file: LoadFile) -> set[tuple[str, str]]:
    """Every column of the raw tables, as (table, column)."""
    found = load_file.connection.execute(
        "select table_name, column_name from information_schema.columns where table_schema = ?", [DATASET]
    ).fetchall()
    return set(found)


def utc(column: str) -> str:
    """SQL that reads a time column as naive UTC, whatever type dlt gave it."""
    return f"timezone('UTC', cast({column} as timestamptz))"


def has_wrong_times(load_file: LoadFile, plausible: Plausible) -> bool:
    """Whether any stored time of observation, of a run or of a package is wrong."""
    present = columns(load_file)
    ends = [
        f"select min({column}), max({column}) from {DATASET}.{table}"
        for table, column in _observed_columns()
        if (table, column) in present
    ]
    ends += [
        f"select min({utc(column)}), max({utc(column)}) from {DATASET}.{table}"
        for table, column in _zoned_columns()
        if (table, column) in present
    ]
    if not ends:
        return False
    found = load_file.connection.execute(" union all ".join(ends)).fetchall()
    return any(plausible.excludes(at) for row in found for at in row)


def last_observation(load_file: LoadFile, *, simulated: bool) -> datetime | None:
    """The newest observation of a finished run, naive UTC; None before the first.

    Where a run observed a time more than 15 minutes after its own end, the end counts (not with simulated time).
    """
    if not {("runs", "observed_at"), ("runs", "finished_at")} <= columns(load_file):
        return None
    at = "observed_at" if simulated else (
        "case when observed_at > finished_at + interval 15 minutes then finished_at else observed_at end"
    )  # fmt: skip
    found: list[Any] = load_file.rows.column(f"select max({at}) from {DATASET}.runs")
    return found[0] if found else None


def open_clock(load_file: LoadFile, *, simulated: bool, local: Callable[[], datetime]) -> ObservationClock:
    """The clock of a run that continues after the stored observations."""
    last = last_observation(load_file, simulated=simulated)
    return ObservationClock(last, simulated=simulated, local=local)


def wrong_state_times(state: dict[str, Any], plausible: Plausible) -> Iterator[str]:
    """The texts in a stream's saved state that are times in the future."""
    for value in state.values():
        if isinstance(value, dict):
            yield from wrong_state_times(value, plausible)
        elif isinstance(value, str) and (at := read_time(value)) is not None and at > plausible.until:
            yield value


def read_time(text: str) -> datetime | None:
    """An ISO time of a saved state; None for any other text."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return None


def _observed_columns() -> Iterator[tuple[str, str]]:
    for table, names in OBSERVED.items():
        yield from ((table, name) for name in names)
    yield from ((table, "observed_at") for table in LOGGED)
    yield from (("runs", name) for name in RUN_TIMES)


def _zoned_columns() -> Iterator[tuple[str, str]]:
    for table in HISTORIES:
        yield from ((table, name) for name in VALIDITY)
    yield from PACKAGE_TIMES.items()
