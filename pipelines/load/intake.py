"""What comes in during one run: pages become typed tables, and everything is counted on the way.

Knows no dlt. One ``Intake`` lives as long as a run; rows that do not fit wait here for ``raw.quarantine``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.api.envelopes import Page
from pipelines.load.schemas import FETCHED_AT, OBSERVATIONS, QUARANTINE, Reject, coerce


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
    rows_quarantined: int = 0
    calls: int = 0
    notes: list[str] = field(default_factory=list)


class Intake:
    """Counts, coerces and sets aside. ``run_id`` marks what this run quarantined."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.reports: dict[str, StreamReport] = {}
        self.latest: datetime | None = None
        self._rejects: list[tuple[str, Reject, datetime]] = []

    def report(self, stream: str) -> StreamReport:
        """The report of a stream, made on first use."""
        return self.reports.setdefault(stream, StreamReport(stream))

    def server_time(self, page: Page) -> datetime:
        """The server's clock when it gave a page (naive UTC); the local clock where it does not tell."""
        moment = (page.server_time or datetime.now(UTC)).astimezone(UTC).replace(tzinfo=None)
        self.latest = moment if self.latest is None else max(self.latest, moment)
        return moment

    def read(self, stream: str, page: Page, where: str) -> tuple[pa.Table, list[Reject]]:
        """A page as a typed table, and its rows that do not fit (they are already set aside)."""
        moment = self.server_time(page)
        report = self.report(stream)
        if report.observed_at is None:
            report.observed_at = moment
        report.rows_seen += len(page.rows)
        coerced = coerce(stream, page.rows, moment, where)
        self._set_aside(stream, coerced.rejects, moment)
        for name in coerced.absent:
            note = f"the documented field {name!r} is not in the answers"
            if page.rows and note not in report.notes:
                report.notes.append(note)
        return coerced.table, coerced.rejects

    def read_rows(
        self, table: str, rows: list[dict[str, object]], moment: datetime, where: str
    ) -> tuple[pa.Table, list[Reject]]:
        """Single objects (those inside other rows, or fetched by name) as a typed table."""
        coerced = coerce(table, rows, moment, where)
        self._set_aside(table, coerced.rejects, moment)
        return coerced.table, coerced.rejects

    def _set_aside(self, stream: str, rejects: Iterable[Reject], moment: datetime) -> None:
        for reject in rejects:
            self._rejects.append((stream, reject, moment))
            self.report("coupons" if stream == "coupon_batches" else stream).rows_quarantined += 1

    def take_quarantine(self) -> pa.Table:
        """The rows set aside since the last call, as a table of ``raw.quarantine``."""
        rows = [
            {
                "key": hashlib.blake2b(f"{stream}\0{reject.raw}".encode(), digest_size=16).hexdigest(),
                "stream": stream,
                "record_id": reject.record_id,
                "reason": reject.reason,
                "raw": reject.raw,
                "run_id": self.run_id,
                "quarantined_at": moment,
            }
            for stream, reject, moment in self._rejects
        ]
        self._rejects.clear()
        return pa.Table.from_pylist(rows, schema=QUARANTINE)


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
