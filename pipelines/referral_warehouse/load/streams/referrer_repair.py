"""Finds people whose referrals were moved to another referrer, which leaves no date, and reads those referrals again.

Knows no dlt. There are three signs: the API counts more or fewer people with referrals than the local rows have, a
referrer vanished, or the counter in a row that was just read (``referrals_count``) is not explained by the local rows.
Every run spends a limited number of calls on it; what is left is done by the next run.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

from referral_warehouse.api.query import Filter, Query
from referral_warehouse.errors import FilterIgnored, IncompleteList, RequestRefused
from referral_warehouse.load.context import LoadContext
from referral_warehouse.load.reconcile.bisect import Budget, Span, TooManyDifferences, Width, locate
from referral_warehouse.load.reconcile.counts import ALL_IDS
from referral_warehouse.load.reconcile.repair import Repair
from referral_warehouse.load.storage.stored_rows import DATASET, IS_GONE, StoredRows
from referral_warehouse.load.streams.user_reader import RangeRead, UserReader
from referral_warehouse.load.streams.user_rereader import UserRereader
from referral_warehouse.load.streams.user_rows import UserRows
from referral_warehouse.load.streams.user_schema import USERS

LIVE_USERS = (
    f"gone as (select id from {DATASET}.observations where stream = '{USERS.name}' group by id having {IS_GONE}), "
    f"live as (from {DATASET}.{USERS.name} where id not in (from gone))"
)
COUNTS_A_DIFFERENCE = 8
"""About so many counts find the page of one difference."""
WITH_REFERRALS = Filter("referrals_count", "gt", 0)


class ReferrerRepair:
    """Repairs the referrers of users. Create it before the counts are reconciled: it records which users exist then.

    Args:
        ctx: the run.
        reader: reads users.
    """

    def __init__(self, ctx: LoadContext, reader: UserReader) -> None:
        self._ctx = ctx
        self._reader = reader
        self._rereader = ctx.shared(UserRereader)
        self._rows = ctx.rows
        self._gone_before = reader.gone
        self._calls_before = 0
        self._pending = deque(reader.pending_referrers)
        self._unexplained = reader.unexplained_referrers
        self._checked: set[int] = set()
        self._unfinished: list[int] = []
        self._repair = Repair()

    def repair(self, query: Query, upto: int | None, total: int | None) -> Repair:
        """Find referrers whose referrals changed, and read these again, within ``refresh_calls`` and one for a count.

        Args:
            query: the list of users.
            upto: the largest id that is counted.
            total: how many users the API counts up to it; None where it does not count.

        Returns:
            What was repaired. Referrers for whom no call was left are kept in the state of the stream.
        """
        self._calls_before = self._ctx.paginator.calls
        self._ctx.store.flush()
        self._queue(self._vanished())
        self._check_pending()
        if total is not None and query.path not in self._ctx.paginator.paths_without_keyset:
            self._count(query, Span(ALL_IDS.above, ALL_IDS.upto if upto is None else upto), total)
        self.check_counters(self._ctx.report.stream(USERS.name).observed_at)
        return self._repair

    def check_counters(self, since: datetime | None) -> Repair:
        """Read the referrals of those whose row was stored since a time with a counter that the rows do not explain.

        Returns:
            What was repaired in all. Referrers for whom no call was left are saved.
        """
        self._queue(unexplained_counters(self._rows, since))
        self._check_pending()
        self._ctx.store.add(self._reader.save_referrers([*self._unfinished, *self._pending], self._unexplained))
        self._ctx.store.flush()
        return self._repair

    @property
    def calls_left(self) -> int:
        """How many of the run's ``refresh_calls`` were not spent since ``repair`` began."""
        return self._ctx.settings.refresh_calls - (self._ctx.paginator.calls - self._calls_before)

    def _has_calls(self) -> bool:
        return self.calls_left > 0

    def _check_pending(self) -> None:
        while self._pending and self._has_calls():
            # a list each, and as many calls for those whom the lists lack
            most = max(1, self.calls_left // 2)
            self._read_referrals([self._pending.popleft() for _ in range(min(most, len(self._pending)))])

    def _queue(self, referrers: Iterable[int]) -> None:
        self._pending.extend(i for i in referrers if i not in self._pending and i not in self._checked)

    def _vanished(self) -> list[int]:
        """Users who vanished in this run and still have local referrals, which may have another referrer now."""
        vanished = sorted(self._reader.gone - self._gone_before)
        return [identifier for identifier in vanished if self._referrals_of(identifier)]

    def _count(self, query: Query, span: Span, total: int) -> None:
        """Compare the number of people with referrals, and read again the pages where it differs."""
        local = ReferrerCounts(self._rows)
        counted = query.where(Filter("id", "lte", span.upto)) if span.upto != ALL_IDS.upto else query
        try:
            calls_before = self._ctx.paginator.calls
            api_count = self._ctx.paginator.count(counted.where(WITH_REFERRALS))
            self._calls_before += self._ctx.paginator.calls - calls_before  # every sync counts: it repairs nothing yet
            if api_count is None or local.agrees(span, None, api_count):
                self._unexplained = 0
                return
            difference = api_count - local.referrers(span)
            if difference == self._unexplained:  # an earlier run searched for it without result
                return
            if api_count >= total:  # the server does not filter by the counter, or everybody has referrals
                return
            width = Width(self._ctx.paginator.together, max(1, self.calls_left // COUNTS_A_DIFFERENCE))
            count, budget = CountRange(self._ctx, query), Budget(local.rows(span))
            for part in locate(local, count, span, None, api_count, budget, width):
                above = None if part.above == ALL_IDS.above else part.above
                self._take(self._rereader.read_range(above, part.upto, UserRows(self._rows).ids(str(part))))
                if not self._has_calls():  # what is left differs in the next run, too
                    return
        except (FilterIgnored, IncompleteList, RequestRefused, TooManyDifferences):
            return
        self._unexplained = difference

    def _read_referrals(self, referrers: list[int]) -> None:
        """Read the referrals of referrers: those that the API lists, and those known here that it does not."""
        self._checked.update(referrers)
        known = {one: self._referrals_of(one) for one in referrers}
        listed = self._read_lists(referrers)
        missing = {one: referrals - listed.get(one, set()) for one, referrals in known.items()}
        rest = set().union(*missing.values())
        with suppress(FilterIgnored, IncompleteList):
            for page in self._rereader.read_known(sorted(rest), max(1, self.calls_left)):
                self._take(page)
                rest -= page.seen
                self._read_new_referrers(set().union(*missing.values()) & page.seen)
            if not self._has_calls():
                self._unfinished.extend(one for one in referrers if missing[one] & rest & self._referrals_of(one))

    def _read_new_referrers(self, users: set[int]) -> None:
        """Read the current referrers of users: their referrals, and their own rows with the counters."""
        others = sorted(self._referrers_of(users) - self._checked)
        self._checked.update(others)
        self._read_lists(others)
        for own in self._rereader.read_known(others):
            self._take(own)

    def _read_lists(self, referrers: list[int]) -> dict[int, set[int]]:
        """Read the referrals of referrers; returns who is on the list of each that could be read."""
        if not referrers:
            return {}
        read, listed = self._rereader.read_referrals(referrers)
        self._take(read)
        counted = Counter(identifier for found in listed.values() for identifier in found)
        # who is on two lists was moved between the two requests: only a later response has the current referrer
        for page in self._rereader.read_known(sorted(identifier for identifier, times in counted.items() if times > 1)):
            self._take(page)
        return listed

    def _take(self, found: RangeRead) -> None:
        self._ctx.store.add(found.batch)
        self._ctx.store.flush()
        self._repair.add(found.repair)

    def _referrals_of(self, referrer: int) -> set[int]:
        sql = f"with {LIVE_USERS} select id from live where referrer_id = ?"
        return {identifier for (identifier,) in self._rows.connection.execute(sql, [referrer]).fetchall()}

    def _referrers_of(self, users: set[int]) -> set[int]:
        listed = ", ".join(map(str, sorted(users))) or "null"
        among = f"id in ({listed}) and referrer_id is not null"
        sql = f"with {LIVE_USERS} select distinct referrer_id from live where {among}"
        return {identifier for (identifier,) in self._rows.connection.execute(sql).fetchall()}


class CountRange:
    """Counts the people with referrals in a range of ids at the API."""

    def __init__(self, ctx: LoadContext, query: Query) -> None:
        self._paginator = ctx.paginator
        self._query = query.where(WITH_REFERRALS)

    def __call__(self, span: Span, _flag: str | None) -> int:
        """One request. Raises: FilterIgnored where the server does not count a range of ids."""
        query = self._query.where(Filter("id", "lte", span.upto))
        if span.above != ALL_IDS.above:
            query = query.where(Filter("id", "gt", span.above))
        count = self._paginator.count(query)
        if count is None:
            raise FilterIgnored(f"{query.path}: the server does not count a range of ids.")
        return count


class ReferrerCounts:
    """The people who have referrals by the local rows, in ranges of ids."""

    def __init__(self, stored: StoredRows) -> None:
        sql = f"with {LIVE_USERS} select distinct id from live semi join (select referrer_id from live) as r "
        self._ids = [
            i for (i,) in stored.connection.execute(f"{sql} on live.id = r.referrer_id order by id").fetchall()
        ]
        self._users = UserRows(stored)

    def referrers(self, span: Span) -> int:
        """How many people of a range have referrals."""
        return bisect_right(self._ids, span.upto) - bisect_right(self._ids, span.above)

    def agrees(self, span: Span, _flag: str | None, api_count: int) -> bool:
        """Whether the API counts as many."""
        return self.referrers(span) == api_count

    def rows(self, span: Span) -> int:
        """The number of users in a range."""
        return self._users.count(str(span))

    def middle(self, span: Span, rows: int) -> int:
        """The largest id of the lower half of the users in a range."""
        return self._users.ids(f"{span} order by id limit 1 offset {(rows - 1) // 2}")[0]


def unexplained_counters(stored: StoredRows, since: datetime | None) -> list[int]:
    """The referrers whose row was stored since a time with a counter that the local rows do not explain.

    A counter is explained by at least the referrals that joined more than a day before the row was read, and at most
    all that are or were known. Shape: ids, ascending.
    """
    if since is None:
        return []
    sql = f"""
        with {LIVE_USERS}, read as (
            select id, referrals_count, _fetched_at as read_at from live
            where _fetched_at >= ? and referrals_count is not null
        ), known as (
            select read.id,
                referral.date < read.read_at - interval 1 day and referral.id not in (from gone) as is_counted
            from {DATASET}.{USERS.name} as referral inner join read on referral.referrer_id = read.id
        ), counts as (
            select id, count(*) as most, count(*) filter (where is_counted) as least from known group by id
        )
        select read.id from read left join counts on read.id = counts.id
        where read.referrals_count > coalesce(counts.most, 0) or read.referrals_count < coalesce(counts.least, 0)
        order by read.id
    """
    return [identifier for (identifier,) in stored.connection.execute(sql, [since]).fetchall()]
