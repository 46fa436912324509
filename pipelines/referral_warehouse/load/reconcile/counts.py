"""Counts there against counts here: what leaves no date (deletions, un-qualifications) shows as a difference.

Knows no dlt: it says what differs, and has the ids that differ read again. Room ``locating`` finds where they are,
``settling`` decides what a difference means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from referral_warehouse.api.pagination.paginator import Paginator
from referral_warehouse.api.query import Filter, Query
from referral_warehouse.errors import FilterIgnored, IncompleteWalk, RequestRefused
from referral_warehouse.load.page_parser import Repair
from referral_warehouse.load.reconcile.bisect import Budget, Span, TooMany, locate
from referral_warehouse.load.registry import STREAMS
from referral_warehouse.load.storage.load_db import DATASET, LoadFile

EVERYTHING = Span(-(2**63) - 1, 2**63 - 1)
"""Every id that the loader accepts."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A count that is not the same there and here. ``what`` is ``total`` or the name of a boolean field."""

    stream: str
    what: str
    api_count: int
    our_count: int

    @property
    def flag(self) -> str | None:
        return None if self.what == "total" else self.what

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


class Holdings:
    """What is known here of a stream, by ranges of ids: rows, rows with a flag, and rows that wait in quarantine.

    ``count`` counts the live rows that meet a condition, ``ids`` gives their ids. ``refused`` are the ids of rows that
    came and could not be read (None where even the id could not): they are there, but their flags are not known.
    """

    def __init__(
        self, count: Callable[[str], int], ids: Callable[[str], list[int]], refused: Iterable[int | None]
    ) -> None:
        self._count = count
        self._ids = ids
        refused = list(refused)
        held = {identifier for identifier in refused if identifier is not None}
        self._held = sorted(held)
        self.nameless = refused.count(None)
        listed = ",".join(map(str, self._held))
        self._unread = sorted(held.difference(ids(f"id in ({listed})"))) if held else []

    def rows(self, span: Span) -> int:
        return self._count(str(span))

    def present(self, span: Span) -> list[int]:
        """The ids of a range that are known to be there."""
        unread = [identifier for identifier in self._unread if span.above < identifier <= span.upto]
        return [*self._ids(str(span)), *unread]

    def total(self, span: Span) -> int:
        """All rows of a range that are known to be there."""
        nameless = self.nameless if span.above == EVERYTHING.above else 0
        return self.rows(span) + _within(self._unread, span) + nameless

    def flagged(self, span: Span, flag: str) -> int:
        """The rows of a range that have a flag, as far as they can be read."""
        return self._count(f"{flag} and {span}")

    def agrees(self, span: Span, flag: str | None, there: int) -> bool:
        if flag is None:
            return there == self.total(span)
        return abs(there - self.flagged(span, flag)) <= _within(self._held, span) + self.nameless

    def middle(self, span: Span, rows: int) -> int:
        return self._ids(f"{span} order by id limit 1 offset {(rows - 1) // 2}")[0]


def _within(ids: list[int], span: Span) -> int:
    return sum(span.above < identifier <= span.upto for identifier in ids)


class Auditor:
    """Counts one stream there. ``upto`` leaves out the rows above an id, so that what arrives is no difference.

    None counts all rows: for servers that do not filter by id.
    """

    def __init__(self, paginator: Paginator, stream: str, upto: int | None) -> None:
        self._paginator = paginator
        self._stream = stream
        self._query = Query(STREAMS[stream].path)
        self.upto = None if self._query.path in paginator.paths_without_keyset else upto

    @property
    def span(self) -> Span:
        """The ids that are counted."""
        return EVERYTHING if self.upto is None else Span(EVERYTHING.above, self.upto)

    def count(self, known: Holdings) -> Counts:
        """Compare the total and the flags (one call a count; more only where one differs).

        A boolean filter is believed only if the rows that have the flag and those that have it not add up to the total.
        """
        query = self._bounded()
        total = self._paginator.count(query)
        if total is None and self.upto is not None:
            self.upto = None
            return self.count(known)
        counts = Counts(total, known.total(self.span))
        if total is None:
            return counts
        if not known.agrees(self.span, None, total):
            if self._bound_is_ignored(known, total):
                self.upto = None
                return self.count(known)
            counts.found.append(Difference(self._stream, "total", total, counts.ours))
        for flag in STREAMS[self._stream].counted:
            try:
                flagged = self._paginator.count(query.where(Filter(flag, "equal", 1)))
            except RequestRefused:
                continue
            if flagged is None or known.agrees(self.span, flag, flagged):
                continue
            rest = self._paginator.count(query.where(Filter(flag, "equal", 0)))
            if rest is not None and flagged + rest == total:
                counts.found.append(Difference(self._stream, flag, flagged, known.flagged(self.span, flag)))
        return counts

    def ask(self, span: Span, flag: str | None) -> int:
        """The API's count of a range (of the rows with a flag). Raises: FilterIgnored when it will not tell."""
        query = self._query.where(Filter("id", "lte", span.upto))
        if span.above != EVERYTHING.above:
            query = query.where(Filter("id", "gt", span.above))
        count = self._paginator.count(query if flag is None else query.where(Filter(flag, "equal", 1)))
        if count is None:
            raise FilterIgnored(f"{self._query.path}: the server does not count a range of ids.")
        return count

    def mend(
        self,
        counts: Counts,
        holdings: Callable[[], Holdings],
        read: Callable[[int | None, int, list[int]], Repair],
        commit: Callable[[], None],
        repair: Repair,
    ) -> None:
        """Find the ids that differ and have them read again; ``repair`` grows with what that changed.

        ``read`` takes a range of ids, with those that should be in it; ``commit`` makes what it changed count here.
        Raises: TooMany where reading everything is the better way, FilterIgnored where ids cannot be asked for.
        """
        known = holdings()
        if self.upto is None or known.nameless:
            raise TooMany
        budget = Budget(known.rows(self.span))
        for difference in counts.found:
            known = holdings()
            try:
                for span in locate(known, self.ask, self.span, difference.flag, difference.api_count, budget):
                    above = None if span.above == EVERYTHING.above else span.above
                    with suppress(IncompleteWalk):  # rows left while they were read: the next round looks again
                        repair.add(read(above, span.upto, known.present(span)))
            finally:
                commit()

    def _bound_is_ignored(self, known: Holdings, total: int) -> bool:
        """Whether rows above the bound are counted too: we hold some, and without a bound there are no more."""
        return (
            self.upto is not None
            and known.total(EVERYTHING) > known.total(self.span)
            and self._paginator.count(self._query) == total
        )

    def _bounded(self) -> Query:
        return self._query if self.upto is None else self._query.where(Filter("id", "lte", self.upto))


def user_holdings(load_file: LoadFile, since: datetime) -> Holdings:
    """The users we hold. ``since`` is when the last complete walk began.

    What was set aside before it and not again since then is not there any more, nor is what was found gone later.
    """
    gone = (
        f"select id from {DATASET}.observations where stream = 'users' and what = 'vanished' "
        "and observed_at >= refused.quarantined_at and id = try_cast(refused.record_id as bigint)"
    )
    refused = load_file.connection.execute(
        f"select try_cast(record_id as bigint), count(distinct key) from {DATASET}.quarantine as refused "
        f"where stream = 'users' and quarantined_at >= ? and not exists ({gone}) group by 1",
        [since],
    ).fetchall()
    return Holdings(
        lambda condition: load_file.live_count("users", condition),
        lambda condition: load_file.live_ids("users", condition),
        [name for identifier, keys in refused for name in ([None] * keys if identifier is None else [identifier])],
    )


def largest_known_id(load_file: LoadFile, stream: str) -> int | None:
    """The largest id that ever came, be its row stored or set aside."""
    row = load_file.connection.execute(
        f"select greatest((select max(id) from {DATASET}.{stream}), (select max(try_cast(record_id as bigint)) "
        f"from {DATASET}.quarantine where stream = ?))",
        [stream],
    ).fetchone()
    return row[0] if row else None
