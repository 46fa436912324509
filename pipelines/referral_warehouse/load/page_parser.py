"""What comes in during one run: pages become typed tables, and everything is counted on the way.

Knows no dlt. One ``PageParser`` lives as long as a run; what does not fit goes to room ``quarantine``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from referral_warehouse.api.responses import Page
from referral_warehouse.load.clock.observation_clock import ObservationClock
from referral_warehouse.load.quarantine import Quarantine, without_contradictions
from referral_warehouse.load.records.schema import FETCHED_AT, OBSERVATIONS, Coerced, Reject, coerce


@dataclass(slots=True)
class Repair:
    """Rows that were missing here, had changed, had vanished there, or were there again."""

    missing: int = 0
    changed: int = 0
    vanished: int = 0
    reappeared: int = 0

    @property
    def total(self) -> int:
        return self.missing + self.changed + self.vanished + self.reappeared

    def add(self, other: Repair) -> None:
        self.missing += other.missing
        self.changed += other.changed
        self.vanished += other.vanished
        self.reappeared += other.reappeared


@dataclass(slots=True)
class Reconciliation:
    """What comparing counts came to for a stream: what differed, how it was repaired, what is left to the next run.

    ``repaired_by`` is ``ids``, ``sweep``, both with ``and`` between, or None; ``calls`` are those of counting and
    repairing alone; ``upto_id`` bounds what was counted (None: nothing was left out). ``is_contradiction``: what was
    found stays although nothing moves, so that the run fails.
    """

    found: str | None = None
    in_flight: str | None = None
    repaired_by: str | None = None
    repair: Repair = field(default_factory=Repair)
    upto_id: int | None = None
    calls: int = 0
    is_contradiction: bool = False

    def add_sweep(self, repair: Repair) -> None:
        """A sweep that was due anyhow, and what it repaired."""
        if repair.total:
            self.repair.add(repair)
            ways = [*(self.repaired_by or "").split(" and "), "sweep"]
            self.repaired_by = " and ".join(dict.fromkeys(filter(None, ways)))


@dataclass(slots=True)
class StreamReport:
    """What a run did for one stream. Counts are rows; ``calls`` are requests."""

    stream: str
    observed_at: datetime | None = None
    is_complete: bool = False
    api_count: int | None = None
    our_count: int | None = None
    rows_seen: int = 0
    rows_written: int = 0
    rows_quarantined: int = 0  # different ones, however often they came
    calls: int = 0
    reconciliation: Reconciliation = field(default_factory=Reconciliation)
    zero_dates: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def count_zero_dates(self, found: dict[str, int], table: str) -> None:
        """Say in a note how many zero dates were read as no date; a later count replaces the note."""
        for name, count in found.items():
            where = f"{table}.{name}"
            before = self.zero_dates.get(where, 0)
            self.zero_dates[where] = before + count
            note = "{:,} values of {!r} are zero dates, read as no date"
            if before:
                self.notes.remove(note.format(before, where))
            self.notes.append(note.format(before + count, where))


class PageParser:
    """Counts, coerces and sets aside. ``run_id`` marks what this run quarantined; ``clock`` dates what comes in."""

    def __init__(self, run_id: str, clock: ObservationClock | None = None) -> None:
        self.run_id = run_id
        self.reports: dict[str, StreamReport] = {}
        self.clock = ObservationClock() if clock is None else clock
        self._quarantine = Quarantine(run_id)
        self.take_quarantine = self._quarantine.take
        self.know_quarantine = self._quarantine.know

    def report(self, stream: str) -> StreamReport:
        """The report of a stream, made on first use."""
        return self.reports.setdefault(stream, StreamReport(stream))

    @property
    def latest(self) -> datetime | None:
        """The newest observation of the run (naive UTC); None before the first."""
        return self.clock.now

    def server_time(self, page: Page) -> datetime:
        """When a page was observed (naive UTC): by the server's clock where that is credible.

        Raises: DataRefused at the first page of a run when no clock is.
        """
        return self.clock.observe(page.server_time)

    def read(self, stream: str, page: Page, where: str) -> tuple[pa.Table, list[Reject]]:
        """A page as a typed table, and its rows that do not fit (they are already set aside)."""
        moment = self.server_time(page)
        report = self.report(stream)
        if report.observed_at is None:
            report.observed_at = moment
        report.rows_seen += len(page.rows)
        coerced = without_contradictions(coerce(stream, page.rows, moment, f"{where} ({page.asked})"), page.rows)
        self._settle(stream, coerced, moment)
        for name in coerced.absent:
            note = f"the documented field {name!r} is not in the answers"
            if page.rows and note not in report.notes:
                report.notes.append(note)
        return coerced.table, coerced.rejects

    def read_rows(self, table: str, rows: list[Any], moment: datetime, where: str) -> tuple[pa.Table, list[Reject]]:
        """Single objects (those inside other rows, or fetched by name) as a typed table."""
        coerced = coerce(table, rows, moment, where)
        self._settle(table, coerced, moment)
        return coerced.table, coerced.rejects

    def _settle(self, stream: str, coerced: Coerced, moment: datetime) -> None:
        new = self._quarantine.settle(stream, coerced, moment)
        if new or coerced.zero_dates:
            report = self.report("coupons" if stream == "coupon_batches" else stream)
            report.rows_quarantined += new
            report.count_zero_dates(coerced.zero_dates, stream)


def observations(stream: str, ids: Iterable[int], what: str, moment: datetime) -> pa.Table:
    """Rows of ``raw.observations``: what was found out about ids without a date of its own."""
    rows = [
        {"stream": stream, "id": identifier, "what": what, "observed_at": moment, "before": None, "after": None}
        for identifier in ids
    ]
    return pa.Table.from_pylist(rows, schema=OBSERVATIONS)


def reappeared(stream: str, rows: pa.Table, gone: set[int]) -> pa.Table:
    """Observations of the rows that carried a tombstone and are there again; they leave ``gone``."""
    back = sorted(gone.intersection(rows.column("id").to_pylist())) if gone else []
    gone.difference_update(back)
    return observations(stream, back, "reappeared", pc.max(rows.column(FETCHED_AT)).as_py())
