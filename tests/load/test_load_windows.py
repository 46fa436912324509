"""Windows and cursors: whatever the order of runs and failures, no row's day falls between two runs."""

# ruff: noqa: DTZ001 - times are naive UTC in the load file

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.load.records.converters import read
from referral_warehouse.load.streams.cursors import EARLIEST, advance, query_start
from referral_warehouse.load.streams.user_reader import _is_dated

ANY_TIME = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1))
FIRST = datetime(2026, 1, 5, 8)


def test_an_incremental_query_begins_whole_days_before_its_cursor() -> None:
    assert query_start(datetime(2026, 3, 1, 0, 0), 1) == date(2026, 2, 28)
    assert query_start(datetime(2026, 3, 1, 23, 59, 59), 3) == date(2026, 2, 26)
    assert query_start(datetime(1970, 1, 1), 366) == EARLIEST


@pytest.mark.parametrize("days", [0, -1])
def test_an_overlap_below_one_day_is_refused(days: int) -> None:
    with pytest.raises(ValueError, match="at least one day"):
        query_start(FIRST, days)


def test_a_row_dated_in_the_future_moves_the_cursor_to_the_present_only() -> None:
    future = FIRST + timedelta(days=400)
    assert advance(FIRST - timedelta(days=2), [None, future], FIRST) == FIRST
    assert advance(FIRST, [], FIRST + timedelta(days=1)) == FIRST


@given(ANY_TIME, st.lists(st.none() | ANY_TIME, max_size=5), ANY_TIME)
def test_a_cursor_moves_neither_back_nor_past_the_start_of_the_run(
    cursor: datetime, seen: list[datetime | None], started_at: datetime
) -> None:
    moved = advance(cursor, seen, started_at)
    assert moved >= cursor
    assert moved <= max(cursor, started_at)
    assert moved == cursor or moved in (*seen, started_at)


@given(ANY_TIME, st.integers(1, 366))
def test_the_start_lies_a_whole_day_before_the_cursor_or_at_the_beginning(cursor: datetime, overlap: int) -> None:
    start = query_start(cursor, overlap)
    assert start >= EARLIEST
    assert start == EARLIEST or cursor - datetime.combine(start, datetime.min.time()) >= timedelta(days=overlap)


class Account:
    """Rows that carry one date, each visible from some time on, at most the overlap later than its date."""

    def __init__(self, overlap_days: int, shift_hours: int) -> None:
        self.overlap_days = overlap_days
        self.shift = timedelta(hours=shift_hours)
        self.rows: list[tuple[datetime, datetime]] = []
        self.loaded: set[int] = set()
        self.cursor = FIRST

    def run(self, now: datetime, succeeds: bool) -> None:
        """One incremental query: rows with a shifted date, filtered by plain days; a failed run commits nothing."""
        since = query_start(self.cursor, self.overlap_days)
        found = [n for n, (dated, visible) in enumerate(self.rows) if visible <= now and dated.date() >= since]
        if succeeds:
            self.loaded.update(found)
            self.cursor = advance(self.cursor, [self.rows[n][0] - self.shift for n in found], now)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["row", "late row", "future row", "run", "failed run"]),
        st.integers(1, 60 * 60 * 40),
    ),
    max_size=40,
)


@given(STEPS, st.integers(1, 4), st.integers(0, 14))
def test_every_row_is_loaded_whatever_the_order_of_runs_and_failures(
    steps: list[tuple[str, int]], overlap: int, shift_hours: int
) -> None:
    """Dates shown earlier than stored only make the window wider; rows may be committed up to the overlap late."""
    account, now = Account(overlap, shift_hours), FIRST
    for what, seconds in steps:
        now += timedelta(seconds=seconds)
        if what == "row":
            account.rows.append((now, now))
        elif what == "late row":
            account.rows.append((now - timedelta(days=overlap), now))
        elif what == "future row":
            account.rows.append((now + timedelta(days=400), now))
        else:
            account.run(now, succeeds=what == "run")
    account.run(now, succeeds=True)
    visible = {n for n, (dated, _) in enumerate(account.rows) if dated >= FIRST - timedelta(days=overlap)}
    assert account.loaded >= visible


# -- accounts in their own time zones ---------------------------------------------------------------------------------

ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/Los_Angeles", "America/St_Johns", "Pacific/Kiritimati", "Etc/GMT+12",
     "Australia/Lord_Howe", "Asia/Kolkata"]
).map(ZoneInfo)  # fmt: skip
FORMATS: dict[str, Callable[[datetime, ZoneInfo], str]] = {
    "Z and microseconds": lambda at, _zone: at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    "space": lambda at, _zone: at.strftime("%Y-%m-%d %H:%M:%S"),
    "local, with a space": lambda at, zone: at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S"),
    "day": lambda at, zone: at.astimezone(zone).strftime("%Y-%m-%d"),
    "offset": lambda at, zone: at.astimezone(zone).isoformat(),
}
# The hours around both changes of the clock in 2026, north and south, and days without one.
TIMES = st.sampled_from(
    ["2026-03-08", "2026-03-29", "2026-04-05", "2026-10-04", "2026-10-25", "2026-11-01", "2026-07-15"]
)
EVENTS = st.lists(
    st.tuples(st.sampled_from(["row", "late row", "no date", "future row", "run", "failed run"]),
              st.integers(60, 60 * 60 * 30)), max_size=30,
)  # fmt: skip


class ZonedAccount:
    """A server that keeps and filters its rows by local days, and shows them in one of the formats."""

    def __init__(self, zone: ZoneInfo, style: str, overlap_days: int, now: datetime) -> None:
        self.zone, self.style, self.overlap_days = zone, FORMATS[style], overlap_days
        self.rows: list[datetime | None] = []
        self.loaded: set[int] = set()
        self.cursor = now.replace(tzinfo=None)

    def run(self, now: datetime, succeeds: bool) -> None:
        """One incremental query. A row that the server may return must not count as an ignored filter."""
        since = query_start(self.cursor, self.overlap_days)
        honours = partial(_is_dated, "qualified_at", (since - timedelta(days=1)).isoformat())
        found = {
            n: self.style(dated, self.zone)
            for n, dated in enumerate(self.rows)
            if dated is not None and dated.astimezone(self.zone).date() >= since
        }
        assert all(honours({"qualified_at": shown}) for shown in found.values())
        if succeeds:
            self.loaded.update(found)
            seen = [read("time", shown) for shown in found.values()]
            self.cursor = advance(self.cursor, seen, now.replace(tzinfo=None))


@given(EVENTS, ZONES, st.sampled_from(sorted(FORMATS)), st.integers(1, 4), TIMES)
def test_no_day_is_lost_in_any_time_zone_nor_where_clocks_change(
    events: list[tuple[str, int]], zone: ZoneInfo, style: str, overlap: int, day: str
) -> None:
    """The time zone takes up to one day of the overlap; what is committed late may use the days that are left."""
    now = datetime.fromisoformat(day).replace(tzinfo=UTC)
    account = ZonedAccount(zone, style, overlap, now)
    for what, seconds in events:
        now += timedelta(seconds=seconds)
        if what == "row":
            account.rows.append(now)
        elif what == "late row":
            account.rows.append(now - timedelta(days=overlap - 1))
        elif what == "no date":
            account.rows.append(None)  # not qualified: in no incremental query, and it must stop none
        elif what == "future row":
            account.rows.append(now + timedelta(days=400))
        else:
            account.run(now, succeeds=what == "run")
    account.run(now, succeeds=True)
    assert account.loaded == {n for n, dated in enumerate(account.rows) if dated is not None}
