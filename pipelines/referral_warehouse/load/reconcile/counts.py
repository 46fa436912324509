"""Compares the API's counts of a stream with the local ones: what leaves no date (deletions) shows as a difference.

Knows no dlt. ``bisect`` finds the ids that differ, ``policy`` decides what a difference means.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from referral_warehouse.api.pagination.paginator import Paginator
from referral_warehouse.api.query import Filter, Query
from referral_warehouse.errors import FilterIgnored, RequestRefused
from referral_warehouse.load.reconcile.bisect import Budget, Span, TooManyDifferences, Width, locate
from referral_warehouse.load.reconcile.repair import Repair

ALL_IDS = Span(-(2**63) - 1, 2**63 - 1)
"""Every id that the loader accepts."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A count of the API that differs from the local one. ``what`` is ``total`` or the name of a boolean field."""

    stream: str
    what: str
    api_count: int
    our_count: int

    @property
    def flag(self) -> str | None:
        return None if self.what == "total" else self.what

    @property
    def counts(self) -> str:
        """The two counts, without the name of the stream."""
        return f"{self.what}: API reports {self.api_count}, local {self.our_count}"

    def __str__(self) -> str:
        return f"{self.stream}: {self.counts}"


@dataclass(frozen=True, slots=True)
class Counts:
    """One comparison of a stream: the API's total (None where it reports none), the local one, and what differs."""

    total: int | None
    ours: int
    found: list[Difference] = field(default_factory=list)

    @property
    def api_counts(self) -> list[int]:
        """The API's counts, as far as they differ."""
        return [difference.api_count for difference in self.found]


class RowSource(Protocol):
    """Where local rows are counted."""

    def count(self, condition: str) -> int:
        """The number of live rows that meet a condition in SQL."""
        ...

    def ids(self, condition: str) -> list[int]:
        """The ids of live rows that meet a condition, which may go on with an order and a limit."""
        ...


class LocalRows:
    """The local rows of a stream, by ranges of ids: stored rows, rows with a flag, and rows in quarantine.

    Args:
        rows: counts the stored rows.
        quarantined: the ids of rows that were read and do not fit (None where even the id cannot be read): the API
            has them, but their flags are not known.
    """

    def __init__(self, rows: RowSource, quarantined: Iterable[int | None]) -> None:
        self._rows = rows
        quarantined = list(quarantined)
        with_id = {identifier for identifier in quarantined if identifier is not None}
        self._quarantined = sorted(with_id)
        self.without_id = quarantined.count(None)
        listed = ",".join(map(str, self._quarantined))
        self._not_stored = sorted(with_id.difference(rows.ids(f"id in ({listed})"))) if with_id else []

    def rows(self, span: Span) -> int:
        """The number of stored rows in a range."""
        return self._rows.count(str(span))

    def present(self, span: Span) -> list[int]:
        """The ids of a range that are known to exist."""
        unread = [identifier for identifier in self._not_stored if span.above < identifier <= span.upto]
        return [*self._rows.ids(str(span)), *unread]

    def total(self, span: Span) -> int:
        """The number of rows of a range that are known to exist."""
        without_id = self.without_id if span.above == ALL_IDS.above else 0
        return self.rows(span) + _within(self._not_stored, span) + without_id

    def flagged(self, span: Span, flag: str) -> int:
        """The number of stored rows of a range that have a flag."""
        return self._rows.count(f"{flag} and {span}")

    def agrees(self, span: Span, flag: str | None, api_count: int) -> bool:
        """Whether what is known explains the API's count of a range (of the rows with a flag)."""
        if flag is None:
            return api_count == self.total(span)
        return abs(api_count - self.flagged(span, flag)) <= _within(self._quarantined, span) + self.without_id

    def middle(self, span: Span, rows: int) -> int:
        """The largest id of the lower half of the rows in a range."""
        return self._rows.ids(f"{span} order by id limit 1 offset {(rows - 1) // 2}")[0]


def _within(ids: Sequence[int], span: Span) -> int:
    return sum(span.above < identifier <= span.upto for identifier in ids)


@dataclass(frozen=True, slots=True)
class ExpectedRange:
    """A range of ids to be read again, and the ids that should be in it. ``above`` is None at the start of the list."""

    above: int | None
    upto: int
    expected: list[int]


class RangeReader(Protocol):
    """A stream whose rows can be read again by ranges of ids."""

    def local(self) -> LocalRows:
        """The local rows as they are now."""
        ...

    def read_ranges(self, ranges: Sequence[ExpectedRange]) -> Iterator[Repair]:
        """Read ranges of ids again, several at once; yields what that repaired for each range that could be read.

        Nothing counts of a range whose rows were deleted while it was read. Raises: FilterIgnored.
        """
        ...

    def flush(self) -> None:
        """Let what was read count as local."""
        ...


@dataclass(frozen=True, slots=True)
class RangeRepair:
    """What reading differing ranges again repaired. ``gave_up``: reading everything again is the better way."""

    repair: Repair
    gave_up: bool = False


class CountComparison:
    """Counts one stream at the API and compares.

    Args:
        paginator: sends the requests.
        stream: the name of the stream, for reports.
        query: the list, without filters.
        flags: boolean fields whose counts are compared beside the total.
        upto: the largest id that is counted, so that rows that arrive meanwhile are no difference. None counts all
            rows, for servers that do not filter by id.
    """

    def __init__(
        self, paginator: Paginator, stream: str, query: Query, flags: tuple[str, ...], upto: int | None
    ) -> None:
        self._paginator = paginator
        self._stream = stream
        self._query = query
        self._flags = flags
        self.upto = None if query.path in paginator.paths_without_keyset else upto

    @property
    def span(self) -> Span:
        """The ids that are counted."""
        return ALL_IDS if self.upto is None else Span(ALL_IDS.above, self.upto)

    def compare(self, local: LocalRows) -> Counts:
        """Compare the total and the flags (one call a count, all at once; a second one only where a flag differs).

        The count of a flag is used only if the rows with and without the flag add up to the total.
        """
        query = self._bounded()
        flag_counts = [partial(self._count_flag, query, flag, 1) for flag in self._flags]
        total, *flagged_counts = self._paginator.together([partial(self._paginator.count, query), *flag_counts])
        if total is None and self.upto is not None:
            self.upto = None
            return self.compare(local)
        counts = Counts(total, local.total(self.span))
        if total is None:
            return counts
        if not local.agrees(self.span, None, total):
            if self._bound_is_ignored(local, total):
                self.upto = None
                return self.compare(local)
            counts.found.append(Difference(self._stream, "total", total, counts.ours))
        differing = [
            (flag, flagged)
            for flag, flagged in zip(self._flags, flagged_counts, strict=True)
            if flagged is not None and not local.agrees(self.span, flag, flagged)
        ]
        rests = self._paginator.together([partial(self._count_flag, query, flag, 0) for flag, _ in differing])
        for (flag, flagged), rest in zip(differing, rests, strict=True):
            if rest is not None and flagged + rest == total:
                counts.found.append(Difference(self._stream, flag, flagged, local.flagged(self.span, flag)))
        return counts

    def _count_flag(self, query: Query, flag: str, value: int) -> int | None:
        """The API's count of the rows that have a flag, or do not; None where it does not count them."""
        try:
            return self._paginator.count(query.where(Filter(flag, "equal", value)))
        except RequestRefused:
            return None

    def count_range(self, span: Span, flag: str | None) -> int:
        """The API's count of a range (of the rows with a flag). Raises: FilterIgnored when it reports none."""
        query = self._query.where(Filter("id", "lte", span.upto))
        if span.above != ALL_IDS.above:
            query = query.where(Filter("id", "gt", span.above))
        count = self._paginator.count(query if flag is None else query.where(Filter(flag, "equal", 1)))
        if count is None:
            raise FilterIgnored(f"{self._query.path}: the server does not count a range of ids.")
        return count

    def repair_ranges(self, counts: Counts, rows: RangeReader) -> RangeRepair:
        """Find the ids that differ, and read them again.

        Args:
            counts: the comparison that found differences.
            rows: reads ranges of ids.

        Returns:
            What that repaired, also where it gave up on the way.
        """
        repair = Repair()
        local = rows.local()
        if self.upto is None or local.without_id:
            return RangeRepair(repair, gave_up=True)
        budget = Budget(local.rows(self.span))
        width = Width(self._paginator.together)
        try:
            for difference in counts.found:
                local = rows.local()
                found = locate(local, self.count_range, self.span, difference.flag, difference.api_count, budget, width)
                ranges = [
                    ExpectedRange(None if span.above == ALL_IDS.above else span.above, span.upto, local.present(span))
                    for span in sorted(found, key=lambda span: span.above)
                ]
                try:
                    for repaired in rows.read_ranges(ranges):
                        repair.add(repaired)
                finally:
                    rows.flush()
        except (TooManyDifferences, FilterIgnored):
            return RangeRepair(repair, gave_up=True)
        return RangeRepair(repair)

    def _bound_is_ignored(self, local: LocalRows, total: int) -> bool:
        """Whether rows above the bound are counted too: some are known, and without a bound the count is the same."""
        return (
            self.upto is not None
            and local.total(ALL_IDS) > local.total(self.span)
            and self._paginator.count(self._query) == total
        )

    def _bounded(self) -> Query:
        return self._query if self.upto is None else self._query.where(Filter("id", "lte", self.upto))
