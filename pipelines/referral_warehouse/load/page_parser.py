"""Turns the pages of a run into typed tables, quarantines rows that do not fit, and counts both.

Knows no dlt. There is one ``PageParser`` per run.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pyarrow as pa

from referral_warehouse.api.responses import Page
from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.clock.observation_clock import ObservationClock
from referral_warehouse.load.privacy.policy import KEEP_ALL, Policy
from referral_warehouse.load.quarantine import Quarantine, without_contradictions
from referral_warehouse.load.records.coercion import Coerced, Reject, coerce
from referral_warehouse.load.records.schema import QUARANTINE, TableSchema
from referral_warehouse.load.report import LoadReport


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

    def server_time(self, page: Page) -> datetime:
        """When a page was observed (naive UTC): by the server's clock where that is credible.

        Raises: DataRefused at the first page of a run when no clock is.
        """
        return self.clock.observe(page.server_time)

    def read(self, schema: TableSchema, page: Page, where: str) -> tuple[pa.Table, list[Reject]]:
        """Parse a page of a list.

        Args:
            schema: the raw table of the list.
            page: the page.
            where: names the page in error messages.

        Returns:
            The rows that fit, and those that do not, which are quarantined already.

        Raises:
            BadEnvelope: when a required field is in none of several rows.
            DataRefused: at the first page of a run, when no clock is credible.
        """
        observed_at = self.server_time(page)
        report = self.report.stream(schema.reported_as)
        if report.observed_at is None:
            report.observed_at = observed_at
        report.rows_seen += len(page.rows)
        coerced = coerce(schema, page.rows, observed_at, f"{where} ({page.label})")
        coerced = self._policy.coerced(schema, without_contradictions(coerced, page.rows))
        self._record(schema, coerced, observed_at)
        for name in coerced.absent:
            if page.rows:
                report.note(f"the documented field {name!r} is not in the responses")
        return coerced.table, coerced.rejects

    def read_rows(
        self, schema: TableSchema, rows: list[Any], observed_at: datetime, where: str
    ) -> tuple[pa.Table, list[Reject]]:
        """Parse single objects (those inside other rows, or fetched by name), as ``read`` does."""
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
