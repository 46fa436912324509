"""Collects batches into packages of a suitable size, and counts the written rows.

Knows neither HTTP nor how dlt makes packages. Complete lists are committed together at the end, so
that their new versions begin at the same time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.records.schema import LoadStrategy
from referral_warehouse.load.report import LoadReport
from referral_warehouse.load.storage.load_pipeline import LoadPipeline
from referral_warehouse.load.storage.stored_rows import StoredRows


class BatchWriter:
    """Writes batches to the load file.

    Args:
        pipeline: commits packages.
        rows: the stored rows.
        report: where written rows are counted.
        package_rows: the size of a package; dlt takes nearly a second for each.
    """

    keeps_rows = True

    def __init__(self, pipeline: LoadPipeline, rows: StoredRows, report: LoadReport, package_rows: int) -> None:
        self._pipeline = pipeline
        self._rows = rows
        self._report = report
        self._package_rows = package_rows
        self._pending = LoadBatch()
        self._lists = LoadBatch()

    @property
    def rows(self) -> StoredRows:
        """Queries on the stored rows, without those that are not committed."""
        return self._rows

    def state(self, stream: str) -> dict[str, Any]:
        """The saved cursors of a stream (a copy; empty before its first run)."""
        return self._pipeline.state(stream)

    def add(self, batch: LoadBatch) -> None:
        """Add a batch; it is committed once there are enough rows."""
        if not batch.is_empty:
            self._pipeline.prepare()
        if batch.is_list:
            self._lists.merge(batch)
            return
        self._pending.merge(batch)
        if self._pending.row_count >= self._package_rows:
            self.flush()

    def flush(self) -> None:
        """Commit all batches except complete lists, so that their rows are stored."""
        batch, self._pending = self._pending, LoadBatch()  # first: a batch that is refused is not committed again
        batch.deduplicate()
        for table, rows in batch.tables.items():
            schema = batch.schemas[table]
            if schema.is_stream and schema.strategy is not LoadStrategy.LIST_HISTORY:
                self._report.stream(table).rows_written += sum(part.num_rows for part in rows)
        self._pipeline.commit(batch)
        batch.tables.clear()  # dlt's trace may keep the batch: release its rows

    def close_lists(self, begin_versions: Callable[[datetime | None], datetime | None]) -> LoadBatch:
        """Merge the complete lists with the uncommitted batches.

        Args:
            begin_versions: returns when new versions begin, given when the last stored ones began; both naive UTC, or
                None where there are none.

        Returns:
            What the next ``flush`` commits.
        """
        self._pending.merge(self._lists)
        histories = [name for name in self._pending.tables if self._pending.schemas[name].is_history]
        last = [found for name in histories if (found := self._rows.last_boundary(name)) is not None]
        boundary = begin_versions(max(last, default=None)) if histories else None
        if boundary is not None:
            self._pending.begin_versions(boundary)
        return self._pending
