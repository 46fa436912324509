"""Turns the pages of a run into typed tables, quarantines rows that do not fit, and counts both.

Knows no dlt. There is one ``PageParser`` per run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from referral_warehouse.api.responses import Page
from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.clock.observation_clock import ObservationClock
from referral_warehouse.load.privacy.policy import KEEP_ALL, Policy
from referral_warehouse.load.quarantine import Quarantine, without_contradictions
from referral_warehouse.load.records.coercion import Coerced, Reject, coerce, coerce_as_documented, joined
from referral_warehouse.load.records.schema import QUARANTINE, TableSchema
from referral_warehouse.load.report import LoadReport

GROUP_ROWS = 1_000
"""Pages are collected until they have so many rows, and are then parsed together."""


@dataclass(frozen=True, slots=True)
class Observed:
    """A page and when it was observed (naive UTC)."""

    page: Page
    at: datetime


@dataclass(frozen=True, slots=True)
class Parsed:
    """Pages that were parsed together, their rows that fit, and those that do not, which are quarantined already."""

    pages: list[Observed]
    table: pa.Table
    rejects: list[Reject]


class PageParser:
    """Parses the responses of one run.

    Args:
        report: where rows are counted; its run id marks the quarantined rows.
        clock: dates the responses.
        quarantine: keeps the rows that do not fit.
        policy: what becomes of personal fields; nothing that leaves the parser has more of them.
    """

    def __init__(
        self,
        report: LoadReport,
        clock: ObservationClock | None = None,
        quarantine: Quarantine | None = None,
        policy: Policy = KEEP_ALL,
    ) -> None:
        self.report = report
        self.clock = ObservationClock() if clock is None else clock
        self._quarantine = Quarantine(report.run_id) if quarantine is None else quarantine
        self._policy = policy

    @property
    def latest(self) -> datetime | None:
        """The newest observation of the run (naive UTC); None before the first."""
        return self.clock.now

    def observe(self, page: Page) -> datetime:
        """Date a page: when it was observed (naive UTC), by the server's clock where that is credible.

        Raises: DataRefused at the first page of a run when no clock is.
        """
        return self.clock.observe(page.server_time)

    def read(self, schema: TableSchema, pages: Iterable[Page], where: str, most: int = GROUP_ROWS) -> Iterator[Parsed]:
        """Parse the pages of a list, several at once: a column of a thousand values takes hardly longer than one of 25.

        Args:
            schema: the raw table of the list.
            pages: the pages, in order; each is observed as soon as it is there.
            where: names the list in error messages.
            most: pages are collected until they have so many rows.

        Yields:
            Some pages and their rows. A page that begins a new pass is the first of its group.

        Raises:
            BadEnvelope: when a required field is in none of several rows of a page.
            DataRefused: at the first page of a run, when no clock is credible.
        """
        group: list[Observed] = []
        for page in pages:
            if group and page.restart:
                yield self._parsed(schema, group, where)
                group = []
            group.append(Observed(page, self.observe(page)))
            if sum(len(one.page.rows) for one in group) >= most:
                yield self._parsed(schema, group, where)
                group = []
        if group:
            yield self._parsed(schema, group, where)

    def _parsed(self, schema: TableSchema, group: list[Observed], where: str) -> Parsed:
        report = self.report.stream(schema.reported_as)
        if report.observed_at is None:
            report.observed_at = group[0].at
        report.rows_seen += sum(len(one.page.rows) for one in group)
        coerced = self._parse_together(schema, group)
        if coerced is None:
            coerced = joined([self._parse_page(schema, one, where) for one in group])
        return Parsed(group, coerced.table, coerced.rejects)

    def _parse_together(self, schema: TableSchema, group: list[Observed]) -> Coerced | None:
        """All pages together; None where a row is not as documented, or one may enter or leave the quarantine."""
        if self._quarantine.has_open(schema.name):
            return None
        coerced = coerce_as_documented(schema, [(one.page.rows, one.at) for one in group])
        if coerced is None or pc.count_distinct(coerced.table.column("id")).as_py() != coerced.table.num_rows:
            return None
        return self._policy.coerced(schema, coerced)

    def _parse_page(self, schema: TableSchema, one: Observed, where: str) -> Coerced:
        coerced = coerce(
            schema, one.page.rows, one.at, f"{where}, page with {len(one.page.rows)} rows ({one.page.label})"
        )
        coerced = self._policy.coerced(schema, without_contradictions(coerced, one.page.rows))
        self._record(schema, coerced, one.at)
        for absent in coerced.absent:
            if one.page.rows:
                self.report.stream(schema.reported_as).note(f"the documented field {absent!r} is not in the responses")
        return coerced

    def read_rows(
        self, schema: TableSchema, rows: list[Any], observed_at: datetime, where: str
    ) -> tuple[pa.Table, list[Reject]]:
        """Parse single objects (those inside other rows, or fetched by name).

        Returns:
            The rows that fit, and those that do not, which are quarantined already.
        """
        coerced = self._policy.coerced(schema, coerce(schema, rows, observed_at, where))
        self._record(schema, coerced, observed_at)
        return coerced.table, coerced.rejects

    def add_quarantine(self, batch: LoadBatch) -> None:
        """Add to a batch what entered or left the quarantine since the last call."""
        batch.add(QUARANTINE, self._quarantine.take())

    def _record(self, schema: TableSchema, coerced: Coerced, observed_at: datetime) -> None:
        new = self._quarantine.record(schema.name, coerced, observed_at)
        if new or coerced.zero_dates:
            report = self.report.stream(schema.reported_as)
            report.rows_quarantined += new
            report.count_zero_dates(coerced.zero_dates, schema.name)
