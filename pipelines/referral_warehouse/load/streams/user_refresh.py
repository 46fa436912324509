"""Reads the users again that were read longest ago, a few pages a sync, so that changes without a date are found.

Knows no dlt. A complete round takes as many syncs as the pages of all users divided by the calls of a sync. A row that
was read lately is left out, so that frequent syncs of a small account do not read the same rows each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from referral_warehouse.api.query import MAX_PER_PAGE
from referral_warehouse.api.responses import Page
from referral_warehouse.errors import FilterIgnored
from referral_warehouse.load.context import LoadContext
from referral_warehouse.load.reconcile.bisect import Span
from referral_warehouse.load.reconcile.counts import ALL_IDS
from referral_warehouse.load.reconcile.repair import Repair
from referral_warehouse.load.refresh_log import RefreshLog, RefreshRound
from referral_warehouse.load.storage.stored_rows import DATASET
from referral_warehouse.load.streams.coupon_schema import COUPONS
from referral_warehouse.load.streams.user_reader import UserReader
from referral_warehouse.load.streams.user_schema import USERS

SEEN_LATELY = timedelta(hours=20)
"""Rows that were read in this time before a sync are not read again; less than a day, so a daily sync skips none."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What one call reads: a range of ids with live users.

    Args:
        above: the ids begin above this one.
        ids: the live users in the range, ascending, at least one.
        end: up to which id no other live user follows.
    """

    above: int
    ids: list[int]
    end: int


class UserRefresh:
    """The rolling re-read of users. There is one in a run, made after what is new was read."""

    def __init__(self, ctx: LoadContext) -> None:
        self._ctx = ctx
        self._reader = ctx.shared(UserReader)
        self._log = RefreshLog(ctx.rows.connection)
        self._page_rows = self._rows_of_a_page()
        self._covered: list[Span] = []
        self._known: set[int] = set()

    def refresh(self, calls: int) -> Repair:
        """Read again what was seen longest ago, commit what changed, and note when it was seen.

        Args:
            calls: how many calls may be spent.

        Returns:
            What that repaired.
        """
        now, complete_at = self._ctx.parser.latest, self._reader.swept_at
        if calls <= 0 or now is None or complete_at is None or not self._reader.has_keyset:
            return Repair()
        parts = self._due(complete_at, now, calls)
        if not parts:
            return Repair()
        found = self._reader.read_again(self._pages(parts), lambda: self._known)
        self._ctx.store.add(found.batch)
        self._ctx.store.flush()
        for stream in (USERS.name, *((COUPONS.name,) if self._reader.has_coupons else ())):
            ranges = self._log.ranges(stream, complete_at, now)
            for span in self._covered:
                ranges.mark(span, now)
            self._log.save_ranges(stream, ranges)
        self._ctx.report_progress(USERS.name)
        return found.repair

    def round(self) -> RefreshRound:
        """What keeps users fresh, as it is saved at the end of the run."""
        settings = self._ctx.settings
        syncs: int | None = None
        if settings.refresh_calls and self._reader.has_keyset:
            rows = self._ctx.rows.live_count(USERS.name)
            syncs = max(1, -(-rows // (self._page_rows * settings.refresh_calls)))
        return RefreshRound(
            self._reader.swept_at, settings.sweep_every_days, syncs_per_round=syncs, page_rows=self._page_rows
        )

    def _rows_of_a_page(self) -> int:
        """How many rows a page had at last, or more where this run read larger pages."""
        saved = self._log.round(USERS.name)
        last = MAX_PER_PAGE if saved is None or saved.page_rows is None else saved.page_rows
        return min(MAX_PER_PAGE, max(last, self._reader.largest_page))

    def _due(self, complete_at: datetime, now: datetime, calls: int) -> list[_Part]:
        """The ranges to read, at most so many, each of at most a page."""
        latest = now - SEEN_LATELY
        parts: list[_Part] = []
        for span in self._log.ranges(USERS.name, complete_at, now).due(latest):
            most = (calls - len(parts)) * self._page_rows
            live = self._ctx.rows.live_ids(USERS.name, f"{_within(span)} order by id limit {most + 1}")
            last = self._last_unread(span, latest)
            ids = [identifier for identifier in live[:most] if identifier <= last]
            above = span.above
            for start in range(0, len(ids), self._page_rows):
                page = ids[start : start + self._page_rows]
                is_rest = len(page) == len(live) - start
                parts.append(_Part(above, page, span.upto if is_rest else page[-1]))
                above = page[-1]
            if len(parts) == calls:
                break
        return parts

    def _last_unread(self, span: Span, latest: datetime) -> int:
        """The last user of a range who was not read after ``latest`` for another reason, such as having joined
        since."""
        sql = f"select max(id) from {DATASET}.{USERS.name} where {_within(span)} and _fetched_at <= ?"
        (found,) = self._ctx.rows.column(sql, [latest])
        return found if isinstance(found, int) else ALL_IDS.above

    def _pages(self, parts: Sequence[_Part]) -> Iterator[Page]:
        """The pages of the ranges. Where the server turns out not to filter, those before that count."""
        ranges = [(None if part.above == ALL_IDS.above else part.above, part.ids[-1]) for part in parts]
        pages = self._ctx.paginator.fetch_ranges(self._reader.query, ranges)
        try:
            for part, page in zip(parts, pages, strict=True):
                self._cover(part, page)
                yield page
        except FilterIgnored as ignored:
            self._ctx.report.stream(USERS.name).note(f"{ignored.message} Users: not read again before the next sweep.")

    def _cover(self, part: _Part, page: Page) -> None:
        """Note how far a page reaches, and which users must be on it. An empty page proves nothing."""
        found = page.ids()
        if not found:
            return
        if page.is_all or max(found) >= part.ids[-1]:
            self._covered.append(Span(part.above, part.end))
            self._known.update(part.ids)
            return
        self._page_rows = max(1, len(page.rows))
        self._covered.append(Span(part.above, max(found)))
        self._known.update(identifier for identifier in part.ids if identifier <= max(found))


def _within(span: Span) -> str:
    above = "" if span.above == ALL_IDS.above else f"id > {span.above} and "
    return f"{above}id <= {span.upto}"
