"""Which rows were read when, and what reads them again: ``raw.refresh_rounds`` and ``raw.refresh_ranges``.

Both are written directly, and not through dlt: an idle run costs no package for them. They are written after the rows
are committed, so that a run that is killed in between reads the same rows again.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from datetime import datetime

import duckdb

from referral_warehouse.load.reconcile.bisect import Span
from referral_warehouse.load.reconcile.counts import ALL_IDS
from referral_warehouse.load.reconcile.seen_ranges import SeenRange, SeenRanges
from referral_warehouse.load.records.run_tables import REFRESH_RANGES, REFRESH_ROUNDS
from referral_warehouse.load.storage.stored_rows import DATASET, insert_rows

_ROUNDS, _RANGES = f"{DATASET}.{REFRESH_ROUNDS.name}", f"{DATASET}.{REFRESH_RANGES.name}"


@dataclass(frozen=True, slots=True)
class RefreshRound:
    """What keeps the rows of a stream fresh.

    Args:
        complete_at: when the last read of all rows began (naive UTC); None where it is not known.
        sweep_every_days: the most days between two reads of all rows.
        lookback_days: rows dated in so many days are read by every sync; None where there is no such rule.
        syncs_per_round: how many syncs read every row again, a few pages each; None where they do not.
        page_rows: how many rows such a page has; None where none was read.
    """

    complete_at: datetime | None
    sweep_every_days: int
    lookback_days: int | None = None
    syncs_per_round: int | None = None
    page_rows: int | None = None


class RefreshLog:
    """Reads and writes both tables.

    Args:
        connection: the load file.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def round(self, stream: str) -> RefreshRound | None:
        """What was saved for a stream; None before its first run."""
        found = self._connection.execute(
            "select complete_at, sweep_every_days, lookback_days, syncs_per_round, page_rows "
            f"from {_ROUNDS} where stream = ?",
            [stream],
        ).fetchone()
        return None if found is None else RefreshRound(*found)

    def save_round(self, stream: str, new: RefreshRound) -> None:
        """Save what keeps a stream fresh, and delete the ranges that were read before its last complete read.

        Where this run has not read everything (``complete_at`` is None), the earlier time stays.
        """
        old = self.round(stream)
        if new.complete_at is None and old is not None:
            new = replace(new, complete_at=old.complete_at)
        if new == old:
            return
        self._connection.execute("begin")
        self._connection.execute(f"delete from {_ROUNDS} where stream = ?", [stream])
        insert_rows(self._connection, REFRESH_ROUNDS.name, [[stream, *astuple(new)]])
        self._connection.execute(f"delete from {_RANGES} where stream = ? and seen_at <= ?", [stream, new.complete_at])
        self._connection.execute("commit")

    def ranges(self, stream: str, complete_at: datetime, now: datetime) -> SeenRanges:
        """When the ranges of a stream were read; times after ``now`` are those of a wrong clock and do not count."""
        found = self._connection.execute(
            f"select above_id, upto_id, seen_at from {_RANGES} where stream = ? and seen_at <= ?", [stream, now]
        ).fetchall()
        return SeenRanges(
            min(complete_at, now),
            (
                SeenRange(
                    Span(ALL_IDS.above if above is None else above, ALL_IDS.upto if upto is None else upto), seen_at
                )
                for above, upto, seen_at in found
            ),
        )

    def save_ranges(self, stream: str, ranges: SeenRanges) -> None:
        """Save when the ranges of a stream were read, all or nothing."""
        rows = [
            [
                stream,
                None if found.span.above == ALL_IDS.above else found.span.above,
                None if found.span.upto == ALL_IDS.upto else found.span.upto,
                found.seen_at,
            ]
            for found in ranges.read_since_complete()
        ]
        self._connection.execute("begin")
        self._connection.execute(f"delete from {_RANGES} where stream = ?", [stream])
        insert_rows(self._connection, REFRESH_RANGES.name, rows)
        self._connection.execute("commit")
