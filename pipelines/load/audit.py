"""Counts there against counts here: what leaves no date (deletions, un-qualifications) shows as a difference.

Knows no dlt and repairs nothing: it says what differs, and the runner walks everything again where it must.
"""

from __future__ import annotations

from dataclasses import dataclass
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


def count_differences(
    walker: Walker, load_file: LoadFile, stream: str, since: datetime
) -> tuple[int | None, int, list[Difference]]:
    """The API's total, ours, and every count that differs (one call a count; more only where one differs).

    ``since`` is when the last complete walk began: only what was quarantined from then on counts as known.

    A boolean filter is believed only if the rows that have the flag and those that have it not add up to the total.
    """
    path = STREAMS[stream].path
    total = walker.count(Query(path))
    unread, held = _quarantined(load_file, stream, since)
    ours = load_file.live_count(stream) + unread
    found: list[Difference] = []
    if total is None:
        return None, ours, found
    if total != ours:
        found.append(Difference(stream, "total", total, ours))
    for field in STREAMS[stream].counted:
        try:
            flagged = walker.count(Query(path, filters=(Filter(field, "equal", 1),)))
        except RequestRefused:
            continue
        here = load_file.live_count(stream, field)
        if flagged is None or abs(flagged - here) <= held:
            continue
        rest = walker.count(Query(path, filters=(Filter(field, "equal", 0),)))
        if rest is not None and flagged + rest == total:
            found.append(Difference(stream, field, flagged, here))
    return total, ours, found


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
