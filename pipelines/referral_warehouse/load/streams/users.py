"""Users and the coupons that ride on them: the first walk in slices, the date lanes, and the sweep of everything.

Knows no dlt: yields slices that the runner commits one by one, each with the cursor that stands for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from referral_warehouse.api.pagination.paginator import Paginator
from referral_warehouse.api.query import Filter, Query
from referral_warehouse.api.responses import Page, row_id
from referral_warehouse.errors import FilterIgnored, IncompleteWalk
from referral_warehouse.load.page_parser import PageParser, Repair, observations, reappeared
from referral_warehouse.load.records.row_version import last_of_each_id
from referral_warehouse.load.registry import STREAMS
from referral_warehouse.load.storage.dlt_resources import LoadBatch
from referral_warehouse.load.storage.load_db import DATASET, LoadFile
from referral_warehouse.load.streams.coupons import CouponIntake
from referral_warehouse.load.streams.cursors import advance, is_since, lane_start

STREAM = STREAMS["users"]
COUPONS_BEHIND = "coupons_behind"


class UserIntake:
    """Reads users in one of three ways; ``state`` is what dlt saved for them (changed with each slice)."""

    def __init__(
        self, paginator: Paginator, load_file: LoadFile, parser: PageParser, state: dict[str, Any], *, slice_rows: int,
        with_coupons: bool, coupon_names: Collection[str] = (),
    ) -> None:  # fmt: skip
        self._paginator = paginator
        self._load_file = load_file
        self._parser = parser
        self.state = state
        self._slice_rows = slice_rows
        self.coupons = CouponIntake(paginator, load_file, parser, coupon_names) if with_coupons else None
        self._gone = load_file.vanished_ids("users")
        self._query = Query(STREAM.path, relations=STREAM.relations if with_coupons else ())
        self._nameless = False
        self._began_at = datetime.min  # noqa: DTZ901 - when the walk under way began, naive UTC
        self._largest: dict[str, list[datetime | None]] = {name: [] for name in STREAM.cursors}

    @property
    def gone(self) -> frozenset[int]:
        """The ids that carry a tombstone."""
        return frozenset(self._gone)

    @property
    def is_backfilled(self) -> bool:
        return "cursors" in self.state

    @property
    def coupons_are_behind(self) -> bool:
        """Whether users were read before without the coupons that are wanted now: only a sweep makes up for that."""
        return self.coupons is not None and COUPONS_BEHIND in self.state

    def backfill(self) -> Iterator[LoadBatch]:
        """Every user, by id, in slices; goes on after the last committed one. Sets the cursors when it is through."""
        progress = dict(self.state.get("backfill") or {})
        after = None if self._query.path in self._paginator.paths_without_keyset else progress.get("after")
        started_at = progress.get("started_at")
        for part, page, is_last in self._slices(self._paginator.iter_all(self._query, after)):
            started_at = started_at or self._began_at.isoformat()
            ids = page.ids()
            if self._query.path in self._paginator.paths_without_keyset:
                after = None
            elif ids:
                after = max(ids)
            if is_last:
                cursors = dict.fromkeys(STREAM.cursors, started_at)
                self.state = self._saved(cursors=cursors, swept_at=started_at)
                self.state.pop("backfill", None)
            else:
                self.state = self._saved(backfill={"after": after, "started_at": started_at})
            part.states["users"] = self.state
            yield part
        self._parser.report("users").is_complete = True

    def lanes(self, overlap_days: int) -> Iterator[LoadBatch]:
        """The users whose dates are new since the cursors. Raises: FilterIgnored when the server does not filter."""
        cursors = {name: datetime.fromisoformat(text) for name, text in self.state["cursors"].items()}
        started_at: datetime | None = None
        known_since: Callable[[date], int] | None = None
        arrived: list[pa.Table] = []
        newest = self._load_file.column(f"select max(id) from {DATASET}.users")[0]
        if isinstance(newest, int):
            above = Filter("id", "gt", newest)
            try:
                for part, _page, _ in self._slices(self._paginator.iter_matching(self._query, above, _above(newest))):
                    started_at = started_at or self._began_at
                    arrived.extend(part.tables.get("users", []))
                    yield part
                known_since = partial(self._known_since, arrived)
            except FilterIgnored:
                known_since = None
        for name in STREAM.cursors:
            since = lane_start(cursors[name], overlap_days)
            earliest = (since - timedelta(days=1)).isoformat()  # an account's time zone may shift a day
            enough = None
            if name == "date" and known_since is not None:
                # who joins gets a new id, which was asked for above: the overlap is read only if a count differs
                enough = _same_total(known_since(since))
            condition = Filter(name, "gte", since.isoformat())
            if name != "date":
                self._largest[name].clear()
            for part, _page, is_last in self._slices(
                self._paginator.iter_matching(self._query, condition, _dated(name, earliest), enough)
            ):
                started_at = started_at or self._began_at
                if is_last:
                    cursor = advance(cursors[name], self._largest[name], started_at)
                    if cursor != cursors[name]:
                        cursors[name] = cursor
                        self.state = self._saved(cursors={k: v.isoformat() for k, v in cursors.items()})
                        part.states["users"] = self.state
                yield part

    def _known_since(self, arrived: list[pa.Table], since: date) -> int:
        """How many users we hold that joined on or after a day, those that have just arrived included."""
        stored = self._load_file.live_count("users", f"date >= '{since.isoformat()}'")
        new = sum(
            sum(joined is not None and joined.date() >= since for joined in rows.column("date").to_pylist())
            for rows in arrived
        )
        return stored + new

    def sweep(self) -> Iterator[LoadBatch]:
        """Every user again: refreshes what leaves no date, and finds who is gone (only when the walk was complete)."""
        seen: list[pa.Array] = []
        self._nameless = False
        if self.coupons is not None:
            self.coupons.forget_seen()
        for part, page, is_last in self._slices(self._paginator.iter_all(self._query), seen):
            moment = self._began_at
            if is_last:
                missing = self._load_file.live_ids_missing_from("users", seen, self._gone)
                missing = [] if self._nameless else missing  # a row without a readable id may be any of them
                if missing and page.total is None and not any(map(len, seen)):
                    raise IncompleteWalk(
                        "users: the list came back empty, but the server does not say that it holds nobody."
                    )
                part.add("observations", observations("users", missing, "vanished", moment))
                self._gone.update(missing)
                if self.coupons is not None:
                    self.coupons.vanished(moment, part)
                self.state = self._saved(swept_at=moment.isoformat())
                if self.coupons is not None:
                    self.state.pop(COUPONS_BEHIND, None)
                part.states["users"] = self.state
            yield part
        self._parser.report("users").is_complete = True

    def span(self, above: int | None, upto: int, expected: Iterable[int]) -> tuple[LoadBatch, Repair]:
        """A range of ids, read again: what is missing here, what changed and who of ``expected`` is gone.

        Raises: FilterIgnored, IncompleteWalk (nothing of the range counts then).
        """
        seen: list[pa.Array] = []
        self._nameless = False
        before = frozenset(self._gone)
        whole = LoadBatch()
        # an id more on either side: a server that takes "up to" for "below" must not seem to have lost a row
        for part, _page, _ in self._slices(
            self._paginator.iter_id_range(self._query, None if above is None else above - 1, upto + 1), seen
        ):
            whole.merge(part)
        found = set(pa.chunked_array(seen, pa.int64()).to_pylist())
        expected = set(expected)
        missing = [] if self._nameless else sorted(expected - found - self._gone)
        whole.add("observations", observations("users", missing, "vanished", self._began_at))
        self._gone.update(missing)
        if self.coupons is not None:
            self.coupons.released(missing, self._began_at, whole)
        came = {i for rows in whole.tables.get("users", []) for i in rows.column("id").to_pylist()}
        return whole, Repair(
            len(came - expected - before), len(came & expected), len(missing), len(before - self._gone)
        )

    def _saved(self, **changed: Any) -> dict[str, Any]:
        """The state with something changed, marked when it moved on without the coupons."""
        behind = {COUPONS_BEHIND: True} if self.coupons is None else {}
        return {**self.state, **behind, **changed}

    def _slices(
        self, pages: Iterator[Page], seen: list[pa.Array] | None = None
    ) -> Iterator[tuple[LoadBatch, Page, bool]]:
        """Pages gathered into slices: the slice, its last page, and whether it is the last slice."""
        users: list[pa.Table] = []
        held: tuple[list[pa.Table], Page] | None = None
        count = 0
        last: Page | None = None
        for number, page in enumerate(pages):
            if number == 0:
                self._began_at = self._parser.server_time(page)
            if held is not None:
                yield self._finish(held[0]), held[1], False
                held = None
            if page.restart and seen is not None:
                seen.clear()
            if page.restart and self.coupons is not None:
                self.coupons.forget_seen()
            table, rejects = self._parser.read("users", page, f"users, page with {len(page.rows)} rows")
            if seen is not None:
                seen.append(table.column("id").combine_chunks())
                seen.append(pa.array([found.known_id for found in rejects if found.known_id is not None], pa.int64()))
                self._nameless = self._nameless or any(found.known_id is None for found in rejects)
            if self.coupons is not None:
                self.coupons.take(page, self._parser.server_time(page))
            users.append(table)
            count += table.num_rows
            last = page
            if count >= self._slice_rows:
                held, users, count = (users, page), [], 0
        if held is not None:
            users = held[0]
        if last is not None:
            yield self._finish(users), last, True

    def _finish(self, users: list[pa.Table]) -> LoadBatch:
        part = LoadBatch()
        rows = last_of_each_id(pa.concat_tables(users).combine_chunks())
        users.clear()  # while the slice is committed, its rows are held once
        for name, values in self._largest.items():
            values.append(pc.max(rows.column(name)).as_py())
        part.add("observations", reappeared("users", rows, self._gone))
        changed = self._load_file.without_unchanged("users", rows)
        part.add("users", changed)
        if self.coupons is not None:
            self.coupons.finish(part)
        elif changed.num_rows and self.is_backfilled and COUPONS_BEHIND not in self.state:
            self.state = self._saved()
            part.states["users"] = self.state
        part.add("quarantine", self._parser.take_quarantine())
        return part


def _above(newest: int) -> Callable[[Any], bool]:
    return lambda row: (found := row_id(row)) is None or found > newest


def _same_total(known: int) -> Callable[[Page], bool]:
    return lambda page: page.total == known


def _dated(field: str, earliest: str) -> Callable[[Any], bool]:
    return lambda row: not isinstance(row, dict) or is_since(row.get(field), earliest)
