"""Counts there against counts here: what leaves no date (deletions, un-qualifications) shows as a difference.

Knows no dlt and repairs nothing: it says what differs. Room ``settling`` decides what a difference means.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from pipelines.api.paging import Walker
from pipelines.api.query import Filter, Query
from pipelines.errors import RequestRefused
from pipelines.load.loadfile import DATASET, LoadFile
from pipelines.load.streams import STREAMS


@dataclass(frozen=True, slots=True)
class Difference:
    """A count that is not the same there and here. ``what`` is ``total`` or the name of a boolean field."""

    stream: str
    what: str
    api_count: int
    our_count: int

    def __str__(self) -> str:
        return f"{self.stream}: {self.what} is {self.api_count} there and {self.our_count} here"


@dataclass(frozen=True, slots=True)
class Counts:
    """One look at a stream: the API's total (None where it tells none), ours, and every count that differs."""

    total: int | None
    ours: int
    found: list[Difference] = field(default_factory=list)

    @property
    def there(self) -> list[int]:
        """What the API counted, as far as it differs."""
        return [difference.api_count for difference in self.found]


def count_differences(
    walker: Walker, load_file: LoadFile, stream: str, since: datetime, upto: int | None = None
) -> Counts:
    """Compare the total and the flags (one call a count; more only where one differs).

    ``since`` is when the last complete walk began: only what was quarantined from then on counts as known.
    ``upto`` leaves out the rows above an id, so that what arrives meanwhile is no difference; None counts them all.

    A boolean filter is believed only if the rows that have the flag and those that have it not add up to the total.
    """
    query = Query(STREAMS[stream].path)
    within = "true"
    if upto is not None:
        query, within = query.where(Filter("id", "lte", upto)), f"id <= {upto}"
    total = walker.count(query)
    unread, held = _quarantined(load_file, stream, since)
    ours = load_file.live_count(stream, within) + unread
    counts = Counts(total, ours)
    if total is None:
        return counts
    if total != ours:
        counts.found.append(Difference(stream, "total", total, ours))
    for flag in STREAMS[stream].counted:
        try:
            flagged = walker.count(query.where(Filter(flag, "equal", 1)))
        except RequestRefused:
            continue
        here = load_file.live_count(stream, f"{flag} and {within}")
        if flagged is None or abs(flagged - here) <= held:
            continue
        rest = walker.count(query.where(Filter(flag, "equal", 0)))
        if rest is not None and flagged + rest == total:
            counts.found.append(Difference(stream, flag, flagged, here))
    return counts


def largest_known_id(load_file: LoadFile, stream: str) -> int | None:
    """The largest id that ever came, be its row stored or set aside."""
    row = load_file.connection.execute(
        f"select greatest((select max(id) from {DATASET}.{stream}), (select max(try_cast(record_id as bigint)) "
        f"from {DATASET}.quarantine where stream = ?))",
        [stream],
    ).fetchone()
    return row[0] if row else None


def _quarantined(load_file: LoadFile, stream: str, since: datetime) -> tuple[int, int]:
    """Rows of the API that wait in quarantine: those that we hold nowhere else, and all of them.

    The first count as known in the total; the flags of all are not known. What was set aside before the last complete
    walk and not again since then is not there any more.
    """
    row = load_file.connection.execute(
        f"with refused as (select try_cast(record_id as bigint) as id, key from {DATASET}.quarantine "
        "where stream = ? and quarantined_at >= ?) "
        "select count(distinct coalesce(id::varchar, key)) "
        f"filter (id is null or id not in (select id from {DATASET}.{stream})), "
        "count(distinct coalesce(id::varchar, key)) from refused",
        [stream, since],
    ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)
