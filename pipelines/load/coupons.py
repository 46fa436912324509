"""Coupons: they arrive inside the users they belong to; what rides along too briefly is asked for by name.

The documentation promises a coupon by name only, and shows ``with[]=coupon`` on users in an example. So each coupon
that has an owner comes with its owner; the batch's name and campaign come from one request per batch that is not
known yet. Where the account's API does not send coupons with users, the report says so.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.api.envelopes import Page, row_id
from pipelines.api.paging import Walker
from pipelines.api.query import Query, quote_segment
from pipelines.errors import RequestRefused
from pipelines.load.history import last_of_each_id
from pipelines.load.intake import Intake, observations, reappeared
from pipelines.load.loadfile import DATASET, LoadFile
from pipelines.load.schemas import FETCHED_AT
from pipelines.load.source import Slice

NEEDED = frozenset({"id", "name", "referral_id", "batch_id", "issued_at", "used_at"})
NAMES_TRIED_A_BATCH = 3


class CouponIntake:
    """Gathers coupons page by page, completes them, and hands them over with each slice."""

    def __init__(self, walker: Walker, load_file: LoadFile, intake: Intake) -> None:
        self._walker = walker
        self._load_file = load_file
        self._intake = intake
        self._waiting: list[dict[str, Any]] = []
        self._moment: datetime | None = None
        self._seen: list[pa.Array] = []
        self._gone = load_file.vanished_ids("coupons")
        self._batches: set[Any] = set(load_file.column(f"select id from {DATASET}.coupon_batches"))
        self._rides = False
        self._nameless = False

    def take(self, page: Page, moment: datetime) -> None:
        """The coupons of a page of users."""
        self._moment = moment
        self._rides = self._rides or any(isinstance(user, dict) and "coupon" in user for user in page.rows)
        for user in [user for user in page.rows if isinstance(user, dict) and user.get("coupon")]:
            held = user["coupon"]
            coupons = held if isinstance(held, list) else [held]
            self._waiting.extend(self._complete(coupon, user) for coupon in coupons if isinstance(coupon, dict))

    def forget_seen(self) -> None:
        """A walk began afresh: what was seen before does not count as complete."""
        self._seen.clear()
        self._nameless = False

    def finish(self, part: Slice) -> None:
        """Put the new and changed coupons, and the batches they name, into a slice."""
        if not self._rides and self._intake.report("users").rows_seen:
            note = "this account's API does not send coupons with users: only coupons already known are kept"
            if note not in self._intake.report("coupons").notes:
                self._intake.report("coupons").notes.append(note)
        report = self._intake.report("coupons")
        report.observed_at = report.observed_at or self._moment
        report.rows_seen += len(self._waiting)
        if not self._waiting or self._moment is None:
            return
        table, rejects = self._intake.read_rows("coupons", self._waiting, self._moment, "users, their coupons")
        rows = last_of_each_id(table.combine_chunks())
        self._waiting = []
        self._seen.append(pa.array([found.known_id for found in rejects if found.known_id is not None], pa.int64()))
        self._nameless = self._nameless or any(found.known_id is None for found in rejects)
        if not rows.num_rows:
            return
        self._seen.append(rows.column("id").combine_chunks())
        part.add("observations", reappeared("coupons", rows, self._gone))
        changed = self._load_file.without_unchanged("coupons", rows)
        part.add("coupons", changed)
        self._fetch_batches(rows, part)

    def vanished(self, moment: datetime) -> pa.Table:
        """Tombstones of the coupons that no user holds any more (call after a complete walk of users only)."""
        if not self._rides or self._nameless:  # a coupon without a readable id may be any of them
            return observations("coupons", [], "vanished", moment)
        missing = self._load_file.live_ids_missing_from("coupons", self._seen, self._gone)
        self._gone.update(missing)
        self._intake.report("coupons").is_complete = True
        return observations("coupons", missing, "vanished", moment)

    def _complete(self, coupon: dict[str, Any], user: dict[str, Any]) -> dict[str, Any]:
        name = coupon.get("name")
        if not coupon.keys() >= NEEDED and isinstance(name, str):
            details = self._by_name(name)
            if details is not None:
                coupon = {**details, **coupon}
        if coupon.get("referral_id") is None and "referral_id" not in coupon:
            coupon = {**coupon, "referral_id": row_id(user)}
        return coupon

    def _fetch_batches(self, rows: pa.Table, part: Slice) -> None:
        names: dict[int, list[str]] = {}
        for batch_id, name in zip(rows.column("batch_id").to_pylist(), rows.column("name").to_pylist(), strict=True):
            if batch_id is not None and batch_id not in self._batches:
                names.setdefault(batch_id, []).append(name)
        for batch_id, candidates in names.items():
            asked = map(self._by_name, candidates[:NAMES_TRIED_A_BATCH])
            batches = (details.get("batch") for details in asked if details is not None)
            batch = next((batch for batch in batches if isinstance(batch, dict) and row_id(batch) == batch_id), None)
            if batch is not None:
                moment = pc.max(rows.column(FETCHED_AT)).as_py()
                part.add(
                    "coupon_batches", self._intake.read_rows("coupon_batches", [batch], moment, f"batch {batch_id}")[0]
                )
                self._batches.add(batch_id)
            else:
                note = f"the name of coupon batch {batch_id} could not be asked for"
                self._intake.report("coupons").notes.append(note)

    def _by_name(self, name: str) -> dict[str, Any] | None:
        """A coupon with its batch, or None when it is not there (any more). Source: Coupons > Coupon Relations.

        Web servers refuse some encoded names in their own ways (400, 404, 405, a redirect): that is one coupon's lot.
        """
        try:
            return self._walker.single(Query(f"coupons/{quote_segment(name)}", relations=("batch",), per_page=None))
        except RequestRefused:
            return None
