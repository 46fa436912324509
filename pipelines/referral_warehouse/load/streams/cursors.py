"""Cursors and day windows: where an incremental query starts again, so that no row's day falls between two runs.

Pure. A window is half-open: it begins at the day of the cursor minus the overlap, and has no end. The overlap is in
whole days (the API's documented filter value is a plain day); it covers accounts whose days are shifted by a time zone
and rows that are committed late. A cursor never moves backwards and never beyond the server's clock at the start of the
run, so that one row dated in the future cannot hide the rows between.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

EARLIEST = date(1970, 1, 2)


def query_start(cursor: datetime, overlap_days: int) -> date:
    """The first day of an incremental query. Units: ``cursor`` naive UTC, ``overlap_days`` whole days ≥ 1."""
    if overlap_days < 1:
        raise ValueError("the overlap is at least one day: accounts east or west of UTC shift a day")
    return day_before(cursor.date(), overlap_days)


def day_before(day: date, days: int) -> date:
    """The day so many days earlier, not before ``EARLIEST``."""
    return day - timedelta(days=days) if day > EARLIEST + timedelta(days=days) else EARLIEST


def is_since(value: object, earliest: str) -> bool:
    """Whether a filter on a day may have returned this value; a value that is not a text is decided when its record is
    parsed."""
    return value is not None and (not isinstance(value, str) or value[:10] >= earliest)


def advance(cursor: datetime, seen: Iterable[datetime | None], run_started_at: datetime) -> datetime:
    """The cursor after a query: the largest value read, at most the run's start, never before ``cursor``."""
    largest = max((value for value in seen if value is not None), default=cursor)
    return max(cursor, min(largest, run_started_at))
