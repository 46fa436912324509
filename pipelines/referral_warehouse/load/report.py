"""The report of a run of the loader."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from referral_warehouse.api.query import Purpose
from referral_warehouse.load.reconcile.repair import Reconciliation


@dataclass(slots=True)
class ListTotals:
    """Sums of the rows of a reward list, as the API returned them: rows, rewards, and their value in any units."""

    rows: int = 0
    rewards: int = 0
    value: Decimal = Decimal(0)


@dataclass(slots=True)
class StreamReport:
    """The report of one stream. Counts are rows; times are naive UTC.

    ``is_complete`` is whether every row was read. ``calls`` are requests, ``calls_for`` the same by what they were for.
    """

    stream: str
    observed_at: datetime | None = None
    is_complete: bool = False
    api_count: int | None = None
    our_count: int | None = None
    rows_seen: int = 0
    rows_written: int = 0
    rows_quarantined: int = 0  # distinct rows, however often they were read
    calls: int = 0
    calls_for: Counter[Purpose] = field(default_factory=Counter)
    reconciliation: Reconciliation = field(default_factory=Reconciliation)
    zero_dates: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    totals: ListTotals | None = None  # of a reward list; None where rows could not be read

    def note(self, text: str) -> None:
        """Add a note, once."""
        if text not in self.notes:
            self.notes.append(text)

    def count_zero_dates(self, found: dict[str, int], table: str) -> None:
        """Report in a note how many zero dates were read as no date; a later count replaces the note."""
        for name, count in found.items():
            where = f"{table}.{name}"
            before = self.zero_dates.get(where, 0)
            self.zero_dates[where] = before + count
            note = "{:,} values of {!r} are zero dates, read as no date"
            if before:
                self.notes.remove(note.format(before, where))
            self.notes.append(note.format(before + count, where))


@dataclass(slots=True)
class LoadReport:
    """The report of a run.

    Args:
        run_id: the name of the run.
        calls: requests sent.
        observed_at: the newest observation (naive UTC), by the server's clock where that is credible.
        drained: whether a package of an earlier run was loaded first.
        swept: whether every user was read.
        is_other_account: whether another account replaced the data of the directory.
        streams: one report a stream.
        differences: differing counts, in words.
        recovered: descriptions of what was recovered before the run.
        warnings: warnings about the clocks.
        times_corrected: whether stored times of a wrong clock were corrected.
        forgotten: how many people were forgotten after the load, and texts left out, by kind.
    """

    run_id: str
    calls: int = 0
    observed_at: datetime | None = None
    drained: bool = False
    swept: bool = False
    is_other_account: bool = False
    streams: dict[str, StreamReport] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    recovered: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    times_corrected: bool = False
    forgotten: dict[str, int] = field(default_factory=dict)

    def stream(self, name: str) -> StreamReport:
        """The report of a stream, made on first use."""
        return self.streams.setdefault(name, StreamReport(name))

    @property
    def rows_written(self) -> int:
        return sum(report.rows_written for report in self.streams.values())
