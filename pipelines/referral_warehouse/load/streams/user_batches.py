"""Turns pages of users into batches: new or changed users and their coupons; records which users were seen.

Knows no dlt and no cursor; ``user_reader`` decides which pages are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from referral_warehouse.api.responses import Page
from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.context import LoadContext
from referral_warehouse.load.page_parser import GROUP_ROWS, Parsed
from referral_warehouse.load.records.observations import reappeared
from referral_warehouse.load.records.row_version import last_of_each_id
from referral_warehouse.load.records.schema import OBSERVATIONS
from referral_warehouse.load.streams.coupon_reader import CouponReader
from referral_warehouse.load.streams.user_changes import UserChanges
from referral_warehouse.load.streams.user_schema import USER_CURSORS, USERS


@dataclass(slots=True)
class SeenUsers:
    """Which users a read has seen.

    Args:
        ids: their ids, also of rows that did not fit.
        has_unreadable_ids: whether some row had no readable id; then it may be any user.
    """

    ids: list[pa.Array] = field(default_factory=list)
    has_unreadable_ids: bool = False

    def found(self) -> set[int]:
        """The ids as a set."""
        return set(pa.chunked_array(self.ids, pa.int64()).to_pylist())


@dataclass(frozen=True, slots=True)
class UserBatch:
    """A batch, the last page in it, and whether it is the last one of the read."""

    batch: LoadBatch
    page: Page
    is_last: bool


class UserBatches:
    """Parses pages of users.

    Attributes:
        gone: the ids with a tombstone.
        coupons: reads the coupons inside; None where the run does not load them.
        began_at: when the read under way began (naive UTC).
        largest_page: how many rows the largest page had.
        largest: for each cursor field the largest values of the batches since it was cleared.
    """

    def __init__(self, ctx: LoadContext) -> None:
        self._parser = ctx.parser
        self._rows = ctx.rows
        self._changes = UserChanges(ctx)
        self._batch_rows = ctx.settings.slice_rows
        self.coupons = ctx.shared(CouponReader) if "coupons" in ctx.request.streams else None
        self.gone = ctx.rows.vanished_ids(USERS.name)
        self.began_at = datetime.min  # noqa: DTZ901 - before the first page
        self.largest_page = 0
        self.largest: dict[str, list[datetime | None]] = {name: [] for name in USER_CURSORS}

    def read(self, pages: Iterator[Page], seen: SeenUsers | None = None) -> Iterator[UserBatch]:
        """Collect pages until they fill a batch.

        Args:
            pages: the pages, in order.
            seen: records which users were seen; None to record nothing.
        """
        users: list[pa.Table] = []
        full: tuple[list[pa.Table], Page] | None = None
        count = 0
        last: Page | None = None
        for parsed in self._parser.read(USERS, pages, "users", min(GROUP_ROWS, self._batch_rows)):
            if last is None:
                self.began_at = parsed.pages[0].at
            if full is not None:
                yield UserBatch(self._finish(full[0]), full[1], is_last=False)
                full = None
            self._note(parsed, seen)
            users.append(parsed.table)
            count += parsed.table.num_rows
            last = parsed.pages[-1].page
            if count >= self._batch_rows:
                full, users, count = (users, last), [], 0
        if full is not None:
            users = full[0]
        if last is not None:
            yield UserBatch(self._finish(users), last, is_last=True)

    def _note(self, parsed: Parsed, seen: SeenUsers | None) -> None:
        """Record which users were seen, and take the coupons inside their rows."""
        if parsed.pages[0].page.restart:
            if seen is not None:
                seen.ids.clear()
            if self.coupons is not None:
                self.coupons.clear_seen()
        self.largest_page = max(self.largest_page, *(len(one.page.rows) for one in parsed.pages))
        if seen is not None:
            seen.ids.append(parsed.table.column("id").combine_chunks())
            with_id = [reject.known_id for reject in parsed.rejects if reject.known_id is not None]
            seen.ids.append(pa.array(with_id, pa.int64()))
            seen.has_unreadable_ids = seen.has_unreadable_ids or len(with_id) < len(parsed.rejects)
        if self.coupons is not None:
            for one in parsed.pages:
                self.coupons.take(one.page, one.at)

    def _finish(self, users: list[pa.Table]) -> LoadBatch:
        batch = LoadBatch()
        rows = last_of_each_id(pa.concat_tables(users).combine_chunks())
        users.clear()  # while the batch is committed, its rows are in memory once
        for name, values in self.largest.items():
            values.append(pc.max(rows.column(name)).as_py())
        batch.add(OBSERVATIONS, reappeared(USERS.name, rows, self.gone))
        written = self._rows.without_unchanged(USERS.name, rows)
        batch.add(OBSERVATIONS, self._changes.observe(written))
        batch.add(USERS, written)
        if self.coupons is not None:
            self.coupons.finish(batch)
        self._parser.add_quarantine(batch)
        return batch
