"""Ranges of ids and when they were read, compared with a time for every single id."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from referral_warehouse.load.reconcile.bisect import Span
from referral_warehouse.load.reconcile.counts import ALL_IDS
from referral_warehouse.load.reconcile.seen_ranges import SeenRange, SeenRanges

BEGIN = datetime(2026, 1, 1, 8)  # noqa: DTZ001 - naive UTC
IDS = range(0, 40)
spans = st.tuples(st.integers(0, 39), st.integers(1, 10)).map(lambda pair: Span(pair[0], pair[0] + pair[1]))


def at(hours: int) -> datetime:
    return BEGIN + timedelta(hours=hours)


@settings(deadline=None)
@given(st.lists(spans, max_size=12), st.integers(0, 12))
def test_each_id_has_the_time_of_its_last_reading(read: list[Span], latest: int) -> None:
    ranges, times = SeenRanges(at(0)), dict.fromkeys(IDS, at(0))
    for hour, span in enumerate(read, start=1):
        ranges.mark(span, at(hour))
        times |= {identifier: at(hour) for identifier in IDS if span.above < identifier <= span.upto}
    saved = SeenRanges(at(0), reversed(ranges.read_since_complete()))
    for found in (ranges, saved):
        due = found.due(at(latest))
        within = [i for span in due for i in IDS if span.above < i <= span.upto]
        assert sorted(within) == [identifier for identifier in IDS if times[identifier] <= at(latest)]
        assert len(within) == len(set(within))
        firsts = [times[next(i for i in IDS if s.above < i <= s.upto)] for s in due if s.above >= 0 and s.upto < 40]
        assert firsts == sorted(firsts), "the oldest first"


def test_a_reading_before_the_last_complete_one_does_not_count() -> None:
    ranges = SeenRanges(at(5), [SeenRange(Span(3, 9), at(4)), SeenRange(Span(9, 12), at(6))])
    assert ranges.read_since_complete() == [SeenRange(Span(9, 12), at(6))]
    assert ranges.due(at(5)) == [Span(ALL_IDS.above, 9), Span(12, ALL_IDS.upto)]


def test_neighbours_are_one_range() -> None:
    ranges = SeenRanges(at(0))
    for span in (Span(0, 5), Span(5, 9), Span(12, 20)):
        ranges.mark(span, at(1))
    assert ranges.read_since_complete() == [SeenRange(Span(0, 9), at(1)), SeenRange(Span(12, 20), at(1))]
    assert ranges.due(at(1)) == [Span(ALL_IDS.above, 0), Span(9, 12), Span(20, ALL_IDS.upto), Span(0, 9), Span(12, 20)]
