"""Reads coupons inside users, completes them, and finds deleted ones.

``with[]=coupon`` on users is in an example of the documentation. So each assigned coupon is returned with its user; the
name and campaign of a batch are requested once per unknown batch. Where the account's API does not return coupons with
users, the report has a note. Knows no dlt.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from referral_warehouse.api.responses import Page, row_id
from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.context import LoadContext
from referral_warehouse.load.records.observations import VANISHED, observations, reappeared
from referral_warehouse.load.records.row_version import last_of_each_id
from referral_warehouse.load.records.schema import FETCHED_AT, OBSERVATIONS
from referral_warehouse.load.storage.stored_rows import DATASET
from referral_warehouse.load.streams.coupon_requests import CouponRequests, lacks_fields
from referral_warehouse.load.streams.coupon_schema import COUPON_BATCHES, COUPONS

VERIFIED_AT_ONCE = 200
"""So many coupons are requested by name at a time; where none of the first exists, the others are not requested."""


class CouponReader:
    """Collects the coupons of users page by page. One reader is shared by the streams of a run.

    Attributes:
        gone: the ids with a tombstone.
        is_listed: whether the account has a list of all coupons.
        are_sent_with_users: whether a user that this run read had the field ``coupon``.
        seen_names: the names that were read in this run, where names are requested.
    """

    def __init__(self, ctx: LoadContext) -> None:
        self._rows = ctx.rows
        self._parser = ctx.parser
        self._report = ctx.report
        self._names = frozenset(ctx.request.coupon_names)
        self._requests = CouponRequests(ctx.paginator)
        self._uncollected: list[tuple[Any, int | None]] = []
        self._observed_at: datetime | None = None
        self._seen: list[pa.Array] = []
        self._batches: set[Any] = set(ctx.rows.column(f"select id from {DATASET}.{COUPON_BATCHES.name}"))
        self.are_sent_with_users = False
        self._has_unreadable_ids = False
        self.gone = ctx.rows.vanished_ids(COUPONS.name)
        self.is_listed = False
        self.seen_names: set[str] = set()

    def take(self, page: Page, observed_at: datetime) -> None:
        """Collect the coupons of a page of users."""
        self._observed_at = observed_at
        self.are_sent_with_users = self.are_sent_with_users or any(
            isinstance(user, dict) and "coupon" in user for user in page.rows
        )
        for user in [user for user in page.rows if isinstance(user, dict) and user.get("coupon")]:
            held = user["coupon"]
            coupons = held if isinstance(held, list) else [held]
            # Anything but an object is quarantined: it is a coupon that cannot be read.
            self._uncollected.extend((coupon, row_id(user)) for coupon in coupons)

    def clear_seen(self) -> None:
        """Begin a complete read: coupons seen before do not count for it."""
        self._seen.clear()
        self._has_unreadable_ids = False

    def finish(self, batch: LoadBatch) -> None:
        """Add the collected coupons that are new or changed, and the batches they belong to."""
        if not self.are_sent_with_users and self._report.stream("users").rows_seen:
            self._report.stream(COUPONS.name).note(
                "this account's API does not send coupons with users: only coupons already known are kept"
            )
        collected, self._uncollected = self._uncollected, []
        if self._observed_at is not None:
            coupons = self._with_stored_values(self._requests.complete(collected))
            self.put(coupons, self._observed_at, "users, their coupons", batch)

    def put(self, coupons: list[Any], observed_at: datetime, where: str, batch: LoadBatch) -> None:
        """Add what is new or changed among some coupons, and the batches they belong to."""
        report = self._report.stream(COUPONS.name)
        report.observed_at = report.observed_at or observed_at
        report.rows_seen += len(coupons)
        if not coupons:
            return
        table, rejects = self._parser.read_rows(COUPONS, coupons, observed_at, where)
        rows = last_of_each_id(table.combine_chunks())
        self._seen.append(pa.array([reject.known_id for reject in rejects if reject.known_id is not None], pa.int64()))
        self._has_unreadable_ids = self._has_unreadable_ids or any(reject.known_id is None for reject in rejects)
        self._parser.add_quarantine(batch)
        if not rows.num_rows:
            return
        self._seen.append(rows.column("id").combine_chunks())
        if self._names:
            self.seen_names.update(rows.column("name").to_pylist())
        batch.add(OBSERVATIONS, reappeared(COUPONS.name, rows, self.gone))
        batch.add(COUPONS, self._rows.without_unchanged(COUPONS.name, rows))
        self._take_batches(coupons, observed_at, batch)
        self._request_batches(rows, batch)

    def _with_stored_values(self, coupons: list[Any]) -> list[Any]:
        """The coupons, with what was read earlier of the fields that some lack although they were requested by name."""
        lacking = {identifier for coupon in coupons if lacks_fields(coupon) and (identifier := row_id(coupon))}
        if not lacking:
            return coupons
        self._report.stream(COUPONS.name).note(
            "some coupons lack fields and are not found by their names: what was read earlier of them is kept"
        )
        names = [field.name for field in COUPONS.fields]
        stored = {
            identifier: {name: _as_sent(value) for name, value in zip(names, values, strict=True)}
            for identifier, values in self._rows.values_of(COUPONS.name, sorted(lacking), names).items()
        }
        return [stored.get(row_id(coupon) or 0, {}) | coupon if lacks_fields(coupon) else coupon for coupon in coupons]

    def find_vanished(self, observed_at: datetime, batch: LoadBatch) -> None:
        """Find the coupons that no user has any more; call it after every user was read.

        Each is requested by its name: it may only be unassigned now. Where the account lists coupons, the list is
        used instead.
        """
        if not self.are_sent_with_users or self._has_unreadable_ids or self.is_listed:
            return  # a coupon without a readable id may be any of them
        stored = self._rows.connection.execute(
            f"select id, name, referral_id is not null from {DATASET}.{COUPONS.name}"
        ).fetchall()
        unseen = set(self.missing())
        names = {identifier: name for identifier, name, _ in stored if identifier in unseen}
        missing = [identifier for identifier, _, is_held in stored if is_held and identifier in unseen]
        # an unassigned coupon is in no user: only a request by its name shows whether it still exists
        unassigned = [identifier for identifier in names.keys() - missing if names[identifier] not in self._names]
        self._report.stream(COUPONS.name).is_complete = True
        gone: list[int] = []
        requested_count, together, unassigned_gone = 0, sorted(unassigned), list[int]()
        while together or (missing and (not requested_count or requested_count > len(gone))):
            requested, missing = missing[:VERIFIED_AT_ONCE], missing[VERIFIED_AT_ONCE:]
            requested_count += len(requested)
            wanted = {identifier: names[identifier] for identifier in (*requested, *together)}
            lost = set(self.verify(wanted, observed_at, batch))
            gone.extend(identifier for identifier in requested if identifier in lost)
            unassigned_gone.extend(identifier for identifier in together if identifier in lost)
            together = []
        self.mark_gone([*gone, *unassigned_gone, *missing], observed_at, batch)

    def find_released(self, users: Sequence[int], observed_at: datetime, batch: LoadBatch) -> None:
        """Request the coupons of deleted users: they are unassigned, reassigned, or deleted too."""
        if not users or self.is_listed:
            return
        held = self._rows.connection.execute(
            f"select id, name from {DATASET}.{COUPONS.name} "
            f"where referral_id in ({','.join(map(str, users))}) order by id"
        ).fetchall()
        names = {identifier: name for identifier, name in held if identifier not in self.gone}
        self.mark_gone(self.verify(names, observed_at, batch), observed_at, batch)

    def verify(self, names: dict[int, str], observed_at: datetime, batch: LoadBatch) -> list[int]:
        """Request coupons by name (``names`` by id) and add those that exist; returns the ids of the others."""
        found = dict(zip(names, self.by_names(list(names.values())), strict=True))
        existing = {i: row for i, row in found.items() if row is not None and row_id(row) == i}
        self.put([*existing.values()], observed_at, "coupons by name", batch)
        return [identifier for identifier in names if identifier not in existing]

    def missing(self) -> list[int]:
        """The stored coupons that were not seen since the complete read began."""
        return self._rows.live_ids_missing_from(COUPONS.name, self._seen, self.gone)

    def mark_gone(self, ids: list[int], observed_at: datetime, batch: LoadBatch) -> None:
        """Add a tombstone for coupons that do not exist any more; their last row is kept."""
        batch.add(OBSERVATIONS, observations(COUPONS.name, ids, VANISHED, observed_at))
        self.gone.update(ids)

    def by_names(self, names: Sequence[str]) -> list[dict[str, Any] | None]:
        """Request coupons by name; None for those that do not exist (any more)."""
        return self._requests.by_names(names)

    def _take_batches(self, coupons: list[Any], observed_at: datetime, batch: LoadBatch) -> None:
        """Add the batches inside coupons."""
        came = {
            row_id(b): b
            for c in coupons
            if isinstance(c, dict) and isinstance(b := c.get("batch"), dict) and row_id(b) not in self._batches
        }
        if came:
            batch.add(
                COUPON_BATCHES, self._parser.read_rows(COUPON_BATCHES, [*came.values()], observed_at, "batches")[0]
            )
            self._batches.update(came)

    def _request_batches(self, rows: pa.Table, batch: LoadBatch) -> None:
        """Add the missing batches of coupons."""
        names: dict[int, list[str]] = {}
        for batch_id, name in zip(rows.column("batch_id").to_pylist(), rows.column("name").to_pylist(), strict=True):
            if batch_id is not None and batch_id not in self._batches:
                names.setdefault(batch_id, []).append(name)
        observed_at = pc.max(rows.column(FETCHED_AT)).as_py()
        report = self._report.stream(COUPONS.name)
        for batch_id, found in self._requests.batches(names):
            missed = f"the name of coupon batch {batch_id} could not be requested"
            if found is None:
                report.note(missed)
                continue
            if missed in report.notes:  # by the names of an earlier slice
                report.notes.remove(missed)
            where = f"batch {batch_id}"
            batch.add(COUPON_BATCHES, self._parser.read_rows(COUPON_BATCHES, [found], observed_at, where)[0])
            self._batches.add(batch_id)


def _as_sent(value: Any) -> Any:
    """A stored value as the API sends it."""
    return value.isoformat() if isinstance(value, datetime) else value
