"""Reads rewards issued: what is new, what was dated lately, every undated row, ranges of ids, or everything.

Knows no dlt. A reward in process has no date, so a date filter alone would miss it. Its amount, status or recipient may
change without changing any count, so every undated row is read again by every run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc

from referral_warehouse.api.query import MAX_PER_PAGE, Filter, Query
from referral_warehouse.api.responses import Page
from referral_warehouse.errors import FilterIgnored, IncompleteList
from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.context import LoadContext
from referral_warehouse.load.reconcile.counts import ExpectedRange, LocalRows
from referral_warehouse.load.reconcile.repair import Repair
from referral_warehouse.load.records.observations import VANISHED, observations, reappeared
from referral_warehouse.load.records.row_version import last_of_each_id, with_row_versions
from referral_warehouse.load.records.schema import OBSERVATIONS, ROW_VERSION
from referral_warehouse.load.report import ListTotals
from referral_warehouse.load.streams.cursors import advance, day_before, is_since, query_start
from referral_warehouse.load.streams.issued_rows import IssuedRows
from referral_warehouse.load.streams.list_totals import UndatedRows
from referral_warehouse.load.streams.reward_schema import REWARDS_ISSUED

MAX_ROWS_PER_UNDATED = 4
"""How many rows with a status are read for each undated row; where more have it, undated rows are read by their ids."""
MAX_STATUS_BYTES = 1_000
"""Of a status as a percent-encoded value in a URL: many servers end at 8,000 bytes."""


def _has_status(status: object, row: Any) -> bool:
    return not isinstance(row, dict) or row.get("status") == status


def _fits_a_url(status: str) -> bool:
    """Whether servers take a status as part of a URL; many refuse control characters."""
    return status.isprintable() and len(quote(status)) <= MAX_STATUS_BYTES


class IssuedReader:
    """Reads rewards issued into ``batch``, which is not committed while the reader is used.

    Args:
        ctx: the run.
        query: the list.

    Attributes:
        largest_read: the largest id of the last complete read.
    """

    def __init__(self, ctx: LoadContext, query: Query) -> None:
        self._parser = ctx.parser
        self._paginator = ctx.paginator
        self._read_list = ctx.read_list
        self._query = query
        self._overlap_days = ctx.settings.overlap_days
        self._lookback_days = ctx.settings.issued_lookback_days
        self._state = ctx.store.state(REWARDS_ISSUED.name)
        self._has_unreadable_ids = False
        self._has_rejects = False
        self._undated = UndatedRows()
        self._total: int | None = None
        self.largest_read = 0
        self.batch = LoadBatch(is_list=True, schemas={REWARDS_ISSUED.name: REWARDS_ISSUED})
        self._rows = IssuedRows(ctx.rows, self.batch)

    @property
    def has_cursor(self) -> bool:
        """Whether the list was read before."""
        return "cursor" in self._state

    def is_sweep_due(self, every_days: int) -> bool:
        """Whether the last complete read is so many days ago. Users may be swept without this list.

        Calls: 1 where this is the first list of the run, because the server's time is not known yet.
        """
        walked_at = self._state.get("walked_at")
        if walked_at is None:
            return True
        now = self._parser.latest or self._parser.observe(self._paginator.fetch_page(replace(self._query, per_page=1)))
        return (now - datetime.fromisoformat(walked_at)).days >= every_days

    def read_all(self) -> Repair:
        """Read every reward issued (the first run, a sweep, a server that does not filter); finds those that are gone.

        Returns:
            How many rows changed.

        Raises:
            IncompleteList: when the list is empty and the server does not report a total of 0.
        """
        self._has_unreadable_ids = False
        before = self._rows.snapshot()
        seen = self._take(self._read_list(self._query), "", is_complete=True)
        self.largest_read = max(seen, default=0)
        missing = before.versions.keys() - seen - self._rows.gone  # also what was read earlier in this run
        if missing and not seen and self._total != 0:
            raise IncompleteList("rewards_issued: the list is empty, but the server does not report a total of 0.")
        if not self._has_unreadable_ids:  # a row without a readable id may be any of them
            self._mark_gone(sorted(missing))
        self._parser.report.stream(REWARDS_ISSUED.name).is_complete = True
        return self._rows.repaired_since(before)

    def read_ranges(self, ranges: Sequence[ExpectedRange]) -> Iterator[Repair]:
        """Read ranges of ids again, several at once; yields what that repaired for each range that could be read.

        Nothing counts of a range whose rows were deleted while it was read. Raises: FilterIgnored.
        """
        found = self._paginator.read_id_ranges(self._query, [(part.above, part.upto) for part in ranges])
        for part, pages in zip(ranges, found, strict=True):
            if isinstance(pages, IncompleteList):
                continue
            self._has_unreadable_ids = False
            before = self._rows.snapshot()
            seen = self._take(iter(pages), "by id")
            if not self._has_unreadable_ids:
                self._mark_gone(sorted(set(part.expected) - seen - self._rows.gone))
            yield self._rows.repaired_since(before)

    def flush(self) -> None:
        """What was read counts as local at once: ``local`` includes the batch."""

    def local(self) -> LocalRows:
        """The local rows, with those of the batch."""
        complete_since = self._state.get("walked_at")
        since = datetime.fromisoformat(complete_since) if complete_since else datetime.min  # noqa: DTZ901
        return self._rows.local(since)

    def totals(self) -> ListTotals | None:
        """What the rows without a date add up to, as this run read them; None where a row could not be read."""
        return None if self._has_rejects else self._undated.totals()

    def largest_known_id(self) -> int | None:
        """The largest id that was ever read."""
        return self._rows.largest_known_id()

    def read_new(self) -> None:
        """Read what is new, what was dated lately, and every row without a date.

        Raises: FilterIgnored where the server filters neither by date nor by id, IncompleteList.
        """
        cursor = datetime.fromisoformat(self._state["cursor"])
        self._take(self._paginator.iter_all(self._query, self._rows.largest_stored_id()), "new")
        self._read_dated(cursor)
        self._read_undated()

    def _read_dated(self, cursor: datetime) -> None:
        """Read the rows dated since the cursor, and those of the days in which a date, status or amount may change."""
        since = query_start(cursor, self._overlap_days)
        if self._parser.latest is not None:
            since = min(since, day_before(self._parser.latest.date(), self._lookback_days))
        earliest = day_before(since, 1).isoformat()  # an account's time zone may shift a day
        expected = set(self._rows.ids(f"issued_at >= '{(since + timedelta(days=1)).isoformat()}'"))
        pages = self._paginator.iter_matching(
            self._query,
            Filter("issued_at", "gte", since.isoformat()),
            lambda row: not isinstance(row, dict) or is_since(row.get("issued_at"), earliest),
        )
        self._read_ids(expected - self._take(pages, "by date"))

    def _read_undated(self) -> None:
        """Read every known row without a date: by its status where the server filters by it, else by its id."""
        rest: set[int] = set()
        fetched: set[int] = set()
        is_filtered = True
        for status, ids in self._rows.undated().items():
            rest |= ids
            if status is not None and is_filtered and _fits_a_url(status):
                try:
                    fetched |= self._read_status(status, len(ids))
                except FilterIgnored as ignored:
                    self._parser.report.stream(REWARDS_ISSUED.name).note(f"{ignored.message} Undated rows: read by id.")
                    is_filtered = False
        self._read_ids(rest - fetched)

    def _read_status(self, status: str, undated: int) -> set[int]:
        """Read the rows that have a status, unless most of them are dated. Raises: FilterIgnored."""
        most = MAX_PER_PAGE + MAX_ROWS_PER_UNDATED * undated
        pages = self._paginator.iter_matching(
            self._query,
            Filter("status", "equal", status),
            partial(_has_status, status),
            lambda page: page.total is not None and page.total > most,
        )
        return self._take(pages, "in process")

    def _read_ids(self, ids: set[int]) -> None:
        """Read rows that are known, with their neighbours; those that are not there any more get a tombstone."""
        ids = ids - self._rows.gone
        if ids:
            self._has_unreadable_ids = False
            pages = self._paginator.iter_ids(self._query, sorted(ids), sorted(self._rows.ids("true")))
            seen = self._take((page for _, page in pages), "by id")
            if not self._has_unreadable_ids:
                self._mark_gone(sorted(ids - seen))

    def _mark_gone(self, ids: list[int]) -> None:
        """Add a tombstone for rewards that left the list; their last row stays."""
        observed_at = self._parser.latest
        if ids and observed_at is not None:
            self.batch.add(OBSERVATIONS, observations(REWARDS_ISSUED.name, ids, VANISHED, observed_at))
            self._rows.gone.update(ids)
            self._undated.forget(ids)

    def _take(self, pages: Iterator[Page], found_by: str, *, is_complete: bool = False) -> set[int]:
        """Add what changed to the batch; returns the ids that were read."""
        tables = [REWARDS_ISSUED.arrow.empty_table()]
        started_at: datetime | None = None
        rejected: set[int] = set()
        for parsed in self._parser.read(REWARDS_ISSUED, pages, f"rewards issued {found_by}".strip()):
            started_at = started_at or parsed.pages[0].at
            tables.append(parsed.table)
            rejected.update(reject.known_id for reject in parsed.rejects if reject.known_id is not None)
            self._has_unreadable_ids = self._has_unreadable_ids or any(r.known_id is None for r in parsed.rejects)
            self._has_rejects = self._has_rejects or bool(parsed.rejects)
            self._total = parsed.pages[-1].page.total
        rows = with_row_versions(REWARDS_ISSUED, pa.concat_tables(tables).combine_chunks())
        self._parser.add_quarantine(self.batch)
        if rows.num_rows:
            self.batch.add(OBSERVATIONS, reappeared(REWARDS_ISSUED.name, rows, self._rows.gone))
        self._undated.take(rows)
        self._add_changed(rows)
        if started_at is not None:
            self._advance(started_at, pc.max(rows.column("issued_at")).as_py(), is_complete=is_complete)
        return rejected.union(rows.column("id").to_pylist())

    def _add_changed(self, rows: pa.Table) -> None:
        active = self._rows.stored_versions()
        ids, versions = rows.column("id").to_pylist(), rows.column(ROW_VERSION).to_pylist()
        changed = rows.filter(pa.array([active.get(i) != v for i, v in zip(ids, versions, strict=True)], pa.bool_()))
        earlier = self.batch.take(REWARDS_ISSUED)
        if earlier or changed.num_rows:
            self.batch.add(REWARDS_ISSUED, last_of_each_id(pa.concat_tables([*earlier, changed]).combine_chunks()))

    def _advance(self, started_at: datetime, largest: datetime | None, *, is_complete: bool) -> None:
        old = datetime.fromisoformat(self._state["cursor"]) if self.has_cursor else None
        cursor = advance(old or min([started_at, *filter(None, [largest])]), [largest], started_at)
        walked_at = {"walked_at": started_at.isoformat()} if is_complete else {}
        if cursor != old or is_complete:
            self._state = {**self._state, "cursor": cursor.isoformat(), **walked_at}
            self.batch.states[REWARDS_ISSUED.name] = self._state
