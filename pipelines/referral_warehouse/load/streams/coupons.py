"""Coupons: they arrive inside the users they belong to; what rides along too briefly is asked for by name.

The documentation promises a coupon by name only, and shows ``with[]=coupon`` on users in an example. So each coupon
that has an owner comes with its owner; the batch's name and campaign come from one request per batch that is not
known yet. Where the account's API does not send coupons with users, the report says so.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from referral_warehouse.api.pagination.paginator import Paginator
from referral_warehouse.api.query import Query, quote_segment
from referral_warehouse.api.responses import Page, row_id
from referral_warehouse.errors import RequestRefused
from referral_warehouse.load.page_parser import PageParser, observations, reappeared
from referral_warehouse.load.records.row_version import last_of_each_id
from referral_warehouse.load.records.schema import FETCHED_AT
from referral_warehouse.load.storage.dlt_resources import LoadBatch
from referral_warehouse.load.storage.load_db import DATASET, LoadFile

NEEDED = frozenset({"id", "name", "referral_id", "batch_id", "issued_at", "used_at"})
NAMES_TRIED_A_BATCH = 3
ENOUGH_GONE = 200
"""So many coupons asked for in a row that are not there: the rest that no user holds is not asked for one by one."""


class CouponIntake:
    """Gathers coupons page by page, completes them, and hands them over with each slice."""

    def __init__(
        self, paginator: Paginator, load_file: LoadFile, parser: PageParser, names: Collection[str] = ()
    ) -> None:
        self.paginator = paginator
        self.load_file = load_file
        self.parser = parser
        self._waiting: list[Any] = []
        self._moment: datetime | None = None
        self._seen: list[pa.Array] = []
        self.names = tuple(names)
        self.gone = load_file.vanished_ids("coupons")
        self.is_listed = False
        self.seen_names: set[str] = set()
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
            # What is no object is set aside with its reason: it stands for a coupon that nobody can read.
            self._waiting.extend(
                self._complete(coupon, user) if isinstance(coupon, dict) else coupon for coupon in coupons
            )

    def forget_seen(self) -> None:
        """A walk began afresh: what was seen before does not count as complete."""
        self._seen.clear()
        self._nameless = False

    def finish(self, part: LoadBatch) -> None:
        """Put the new and changed coupons, and the batches they name, into a slice."""
        if not self._rides and self.parser.report("users").rows_seen:
            note = "this account's API does not send coupons with users: only coupons already known are kept"
            if note not in self.parser.report("coupons").notes:
                self.parser.report("coupons").notes.append(note)
        waiting, self._waiting = self._waiting, []
        if self._moment is not None:
            self.put(waiting, self._moment, "users, their coupons", part)

    def put(self, coupons: list[Any], moment: datetime, where: str, part: LoadBatch) -> None:
        """Put what is new or changed among some coupons, and the batches they name, into a slice."""
        report = self.parser.report("coupons")
        report.observed_at = report.observed_at or moment
        report.rows_seen += len(coupons)
        if not coupons:
            return
        table, rejects = self.parser.read_rows("coupons", coupons, moment, where)
        rows = last_of_each_id(table.combine_chunks())
        self._seen.append(pa.array([found.known_id for found in rejects if found.known_id is not None], pa.int64()))
        self._nameless = self._nameless or any(found.known_id is None for found in rejects)
        part.add("quarantine", self.parser.take_quarantine())
        if not rows.num_rows:
            return
        self._seen.append(rows.column("id").combine_chunks())
        if self.names:
            self.seen_names.update(rows.column("name").to_pylist())
        part.add("observations", reappeared("coupons", rows, self.gone))
        part.add("coupons", self.load_file.without_unchanged("coupons", rows))
        self._take_batches(coupons, moment, part)
        self._fetch_batches(rows, part)

    def vanished(self, moment: datetime, part: LoadBatch) -> None:
        """Find the coupons that no user holds any more (call after a complete walk of users only).

        Each is asked for by its name: it may have lost its holder alone, and is nobody's from then on. Where the
        account lists coupons, the list tells.
        """
        if not self._rides or self._nameless or self.is_listed:  # one without a readable id may be any of them
            return
        stored = self.load_file.connection.execute(
            f"select id, name, referral_id is not null from {DATASET}.coupons"
        ).fetchall()
        unseen = set(self.missing())
        names = {identifier: name for identifier, name, _ in stored if identifier in unseen}
        missing = [identifier for identifier, _, is_held in stored if is_held and identifier in unseen]
        # what nobody holds is in no list: only its name tells whether it is still there
        unheld = [identifier for identifier in names.keys() - missing if names[identifier] not in self.names]
        self.parser.report("coupons").is_complete = True
        lost: list[int] = []
        asked_count = 0
        while missing and (not lost or len(lost) < asked_count):
            asked_count += min(ENOUGH_GONE, len(missing))
            asked, missing = missing[:ENOUGH_GONE], missing[ENOUGH_GONE:]
            lost.extend(self.not_there({identifier: names[identifier] for identifier in asked}, moment, part))
        lost.extend(self.not_there({identifier: names[identifier] for identifier in sorted(unheld)}, moment, part))
        self.bury([*lost, *missing], moment, part)

    def released(self, users: Sequence[int], moment: datetime, part: LoadBatch) -> None:
        """Look by name for the coupons of some users who are gone: nobody's, somebody else's, or gone with them."""
        if not users or self.is_listed:
            return
        held = self.load_file.connection.execute(
            f"select id, name from {DATASET}.coupons where referral_id in ({','.join(map(str, users))}) order by id"
        ).fetchall()
        names = {identifier: name for identifier, name in held if identifier not in self.gone}
        self.bury(self.not_there(names, moment, part), moment, part)

    def not_there(self, names: dict[int, str], moment: datetime, part: LoadBatch) -> list[int]:
        """Of some coupons, by id and name, those that do not answer to their name; the others go into the slice."""
        found = dict(zip(names, self.by_names(list(names.values())), strict=True))
        there = {i: row for i, row in found.items() if row is not None and row_id(row) == i}
        self.put([*there.values()], moment, "coupons by name", part)
        return [identifier for identifier in names if identifier not in there]

    def missing(self) -> list[int]:
        """The coupons we hold that were not seen since the walk began."""
        return self.load_file.live_ids_missing_from("coupons", self._seen, self.gone)

    def bury(self, ids: list[int], moment: datetime, part: LoadBatch) -> None:
        """Coupons that are not there any more: a tombstone each, the last row stays."""
        part.add("observations", observations("coupons", ids, "vanished", moment))
        self.gone.update(ids)

    def by_names(self, names: Sequence[str]) -> list[dict[str, Any] | None]:
        """Coupons with their batches, several under way; None for those that are not there (any more)."""
        return list(self.paginator.fetch_objects(map(_query, names)))

    def _complete(self, coupon: dict[str, Any], user: dict[str, Any]) -> dict[str, Any]:
        name = coupon.get("name")
        if not coupon.keys() >= NEEDED and isinstance(name, str):
            details = self._by_name(name)
            if details is not None:
                coupon = {**details, **coupon}
        if coupon.get("referral_id") is None and "referral_id" not in coupon:
            coupon = {**coupon, "referral_id": row_id(user)}
        return coupon

    def _take_batches(self, coupons: list[Any], moment: datetime, part: LoadBatch) -> None:
        """The batches that came inside of coupons."""
        came = {
            row_id(b): b
            for c in coupons
            if isinstance(c, dict) and isinstance(b := c.get("batch"), dict) and row_id(b) not in self._batches
        }
        if came:
            part.add("coupon_batches", self.parser.read_rows("coupon_batches", [*came.values()], moment, "batches")[0])
            self._batches.update(came)

    def _fetch_batches(self, rows: pa.Table, part: LoadBatch) -> None:
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
                    "coupon_batches", self.parser.read_rows("coupon_batches", [batch], moment, f"batch {batch_id}")[0]
                )
                self._batches.add(batch_id)
            else:
                note = f"the name of coupon batch {batch_id} could not be asked for"
                self.parser.report("coupons").notes.append(note)

    def _by_name(self, name: str) -> dict[str, Any] | None:
        """A coupon with its batch, or None when it is not there (any more). Source: Coupons > Coupon Relations.

        Web servers refuse some encoded names in their own ways (400, 404, 405, a redirect): that is one coupon's lot.
        """
        return self.by_names([name])[0]


def _query(name: str) -> Query | None:
    try:
        return Query(f"coupons/{quote_segment(name)}", relations=("batch",), per_page=None)
    except RequestRefused:
        return None
