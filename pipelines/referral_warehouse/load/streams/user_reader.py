"""Reads users, and the coupons inside: the backfill, what is new by date, ranges of ids, and everything (a sweep).

Knows no dlt: yields batches, each with the cursors that belong to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import pyarrow as pa

from referral_warehouse.api.query import Filter, Query
from referral_warehouse.api.responses import Page, row_id
from referral_warehouse.errors import FilterIgnored, IncompleteList
from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.context import LoadContext
from referral_warehouse.load.reconcile.repair import Repair
from referral_warehouse.load.records.observations import VANISHED, observations
from referral_warehouse.load.records.schema import OBSERVATIONS
from referral_warehouse.load.streams.cursors import advance, is_since, query_start
from referral_warehouse.load.streams.user_batches import SeenUsers, UserBatch, UserBatches
from referral_warehouse.load.streams.user_schema import USER_CURSORS, USER_PATH, USER_RELATIONS, USERS

COUPONS_BEHIND = "coupons_behind"
"""Key of the saved state: users were read without the coupons that are wanted now."""

PENDING_REFERRERS, UNEXPLAINED_REFERRERS = "pending_referrers", "unexplained_referrers"
"""Keys of the saved state: see the properties of the same names."""


@dataclass(frozen=True, slots=True)
class RangeRead:
    """The result of reading users again: the batch, what it repairs, and the ids that were seen."""

    batch: LoadBatch
    repair: Repair
    seen: set[int]


class UserReader:
    """Reads users in one of four ways. One reader is shared by extraction and reconciliation of a run.

    Attributes:
        query: the list, with the relations that are requested.
        is_first_run: whether the backfill began in this run.
        swept: what the sweeps of this run changed.
    """

    def __init__(self, ctx: LoadContext) -> None:
        self._paginator = ctx.paginator
        self._begin_ahead_near_end = ctx.begin_ahead_near_end
        self._begin_ahead = ctx.begin_ahead
        self._parser = ctx.parser
        self._rows = ctx.rows
        self._overlap_days = ctx.settings.overlap_days
        self._state = ctx.store.state(USERS.name)
        self._batches = UserBatches(ctx)
        self._coupons = self._batches.coupons
        self._gone = self._batches.gone
        self.query = Query(USER_PATH, relations=() if self._coupons is None else USER_RELATIONS)
        self.is_first_run = not self.is_backfilled and "backfill" not in self._state
        self.swept = Repair()

    @property
    def gone(self) -> frozenset[int]:
        """The ids with a tombstone."""
        return frozenset(self._gone)

    @property
    def swept_at(self) -> datetime | None:
        """When the last complete read began (naive UTC); None before the first."""
        return datetime.fromisoformat(self._state["swept_at"]) if "swept_at" in self._state else None

    @property
    def is_backfilled(self) -> bool:
        """Whether every user was read once."""
        return "cursors" in self._state

    @property
    def lacks_coupons(self) -> bool:
        """Whether users were read before without the coupons that are wanted now: only a sweep adds them."""
        return self._coupons is not None and COUPONS_BEHIND in self._state

    @property
    def has_keyset(self) -> bool:
        """Whether the server has filtered users by their ids so far."""
        return self.query.path not in self._paginator.paths_without_keyset

    @property
    def has_coupons(self) -> bool:
        """Whether the run loads coupons, and a user that it read had the field ``coupon``."""
        return self._coupons is not None and self._coupons.are_sent_with_users

    @property
    def largest_page(self) -> int:
        """How many rows the largest page had that this run read."""
        return self._batches.largest_page

    @property
    def pending_referrers(self) -> list[int]:
        """The referrers whose referrals an earlier run had no calls left to read."""
        return list(self._state.get(PENDING_REFERRERS, []))

    @property
    def unexplained_referrers(self) -> int:
        """How many more people with referrals the API counts than the rows show, although all that differed was
        read."""
        return int(self._state.get(UNEXPLAINED_REFERRERS, 0))

    def save_referrers(self, pending: list[int], unexplained: int) -> LoadBatch:
        """A batch that saves both, empty where they are saved already."""
        batch = LoadBatch()
        if (pending, unexplained) != (self.pending_referrers, self.unexplained_referrers):
            self._save(batch, **{PENDING_REFERRERS: pending, UNEXPLAINED_REFERRERS: unexplained})
        return batch

    def backfill(self) -> Iterator[LoadBatch]:
        """Read every user, by id; continues after the last committed batch, and sets the cursors at the end."""
        progress = dict(self._state.get("backfill") or {})
        after = progress.get("after") if self.has_keyset else None
        started_at = progress.get("started_at")
        for part in self._read(self._begin_ahead_near_end(self._paginator.iter_all(self.query, after))):
            started_at = started_at or self._batches.began_at.isoformat()
            ids = part.page.ids()
            if not self.has_keyset:
                after = None
            elif ids:
                after = max(ids)
            if part.is_last:
                self._save(part.batch, cursors=dict.fromkeys(USER_CURSORS, started_at), swept_at=started_at)
                self._state.pop("backfill", None)
            else:
                self._save(part.batch, backfill={"after": after, "started_at": started_at})
            yield part.batch
        self._parser.report.stream(USERS.name).is_complete = True

    def incremental(self) -> Iterator[LoadBatch]:
        """Read the users whose dates are new since the cursors. Raises: FilterIgnored."""
        self._begin_ahead()  # few calls follow, one after the other
        cursors = {name: datetime.fromisoformat(text) for name, text in self._state["cursors"].items()}
        started_at: datetime | None = None
        known_since: Callable[[date], int] | None = None
        arrived: list[pa.Table] = []
        newest = self._rows.largest_id(USERS.name)
        if newest is not None:
            try:
                for part in self._read(
                    self._paginator.iter_matching(self.query, Filter("id", "gt", newest), partial(_is_above, newest))
                ):
                    started_at = started_at or self._batches.began_at
                    arrived.extend(part.batch.tables.get(USERS.name, []))
                    yield part.batch
                known_since = partial(self._known_since, arrived)
            except FilterIgnored:
                known_since = None
        for name in USER_CURSORS:
            since = query_start(cursors[name], self._overlap_days)
            enough = None
            if name == "date" and known_since is not None:
                # who joins gets a new id, which was requested above: the overlap is read only if a count differs
                enough = partial(_has_total, known_since(since))
            if name != "date":
                self._batches.largest[name].clear()
            for part in self._read(self._since(name, since, enough)):
                started_at = started_at or self._batches.began_at
                cursor = advance(cursors[name], self._batches.largest[name], started_at)
                if part.is_last and cursor != cursors[name]:
                    cursors[name] = cursor
                    self._save(part.batch, cursors={k: v.isoformat() for k, v in cursors.items()})
                yield part.batch

    def sweep(self) -> Iterator[LoadBatch]:
        """Read every user: refreshes what leaves no date, and finds who is gone (if the read was complete).

        Raises:
            IncompleteList: when the list is empty and the server reports no total.
        """
        seen = SeenUsers()
        if self._coupons is not None:
            self._coupons.clear_seen()
        for part in self._read(self._begin_ahead_near_end(self._paginator.iter_all(self.query)), seen):
            if part.is_last:
                self._finish_sweep(part, seen)
            yield part.batch
        self._parser.report.stream(USERS.name).is_complete = True

    def read_again(self, pages: Iterator[Page], expected: Callable[[], Set[int]] = frozenset) -> RangeRead:
        """Read pages again, and find out who is gone.

        Args:
            pages: the pages, in order.
            expected: is called when all pages were read; returns the ids that should be on them. Those that are on none
                of them are deleted, unless a row has no readable id.
        """
        seen = SeenUsers()
        before = frozenset(self._gone)
        batch = LoadBatch()
        for part in self._read(pages, seen):
            batch.merge(part.batch)
        found, known = seen.found(), expected()
        missing = [] if seen.has_unreadable_ids else sorted(known - found - self._gone)
        batch.add(OBSERVATIONS, observations(USERS.name, missing, VANISHED, self._batches.began_at))
        self._gone.update(missing)
        if self._coupons is not None:
            self._coupons.find_released(missing, self._batches.began_at, batch)
        changed = {i for rows in batch.tables.get(USERS.name, []) for i in rows.column("id").to_pylist()}
        new = changed - known - before - self._rows.stored_among(USERS.name, changed)
        return RangeRead(
            batch, Repair(len(new), len(changed - new - before), len(missing), len(before - self._gone)), found
        )

    def _since(self, name: str, since: date, enough: Callable[[Page], bool] | None) -> Iterator[Page]:
        earliest = (since - timedelta(days=1)).isoformat()  # an account's time zone may shift a day
        condition = Filter(name, "gte", since.isoformat())
        return self._paginator.iter_matching(self.query, condition, partial(_is_dated, name, earliest), enough)

    def _known_since(self, arrived: list[pa.Table], since: date) -> int:
        """How many users are known that joined on or after a day, including those that have just arrived."""
        stored = self._rows.live_count(USERS.name, f"date >= '{since.isoformat()}'")
        new = sum(
            sum(joined is not None and joined.date() >= since for joined in rows.column("date").to_pylist())
            for rows in arrived
        )
        return stored + new

    def _finish_sweep(self, part: UserBatch, seen: SeenUsers) -> None:
        """Add the tombstones that a complete read shows, and the time of the sweep."""
        observed_at = self._batches.began_at
        missing = self._rows.live_ids_missing_from(USERS.name, seen.ids, self._gone)
        missing = [] if seen.has_unreadable_ids else missing  # a row without a readable id may be any of them
        if missing and part.page.total is None and not any(map(len, seen.ids)):
            raise IncompleteList("users: the list is empty, but the server does not report a total of 0.")
        part.batch.add(OBSERVATIONS, observations(USERS.name, missing, VANISHED, observed_at))
        self._gone.update(missing)
        if self._coupons is not None:
            self._coupons.find_vanished(observed_at, part.batch)
        self._save(part.batch, swept_at=observed_at.isoformat())
        if self._coupons is not None:
            self._state.pop(COUPONS_BEHIND, None)

    def _read(self, pages: Iterator[Page], seen: SeenUsers | None = None) -> Iterator[UserBatch]:
        for part in self._batches.read(pages, seen):
            lacks_coupons = self._coupons is None and USERS.name in part.batch.tables
            if lacks_coupons and self.is_backfilled and COUPONS_BEHIND not in self._state:
                self._save(part.batch)
            yield part

    def _save(self, batch: LoadBatch, **changed: Any) -> None:
        """Change the state and add it to the batch, with a mark where users are read without their coupons."""
        behind = {COUPONS_BEHIND: True} if self._coupons is None else {}
        self._state = {**self._state, **behind, **changed}
        batch.states[USERS.name] = self._state


def _is_above(newest: int, row: Any) -> bool:
    return (found := row_id(row)) is None or found > newest


def _has_total(known: int, page: Page) -> bool:
    return page.total == known


def _is_dated(field: str, earliest: str, row: Any) -> bool:
    return not isinstance(row, dict) or is_since(row.get(field), earliest)
