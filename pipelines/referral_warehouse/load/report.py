"""What a run of the loader did, for whoever asked for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from referral_warehouse.load.page_parser import StreamReport


@dataclass(slots=True)
class LoadReport:
    """What a run did. ``observed_at`` is the server's clock (naive UTC); ``calls`` are requests sent.

    ``is_other_account``: another account took the directory over, and what it held before is gone. ``warnings`` are
    about the clocks; ``times_corrected``: times that a wrong clock had stored were corrected.
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

    @property
    def rows_written(self) -> int:
        return sum(report.rows_written for report in self.streams.values())
