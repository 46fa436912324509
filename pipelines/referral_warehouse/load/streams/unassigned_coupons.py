"""Coupons that are in no user: from a list where the account has one, by configured names; finds deleted ones.

A coupon by its name is documented, a list is not. Where ``/coupons`` nevertheless returns a list, it is read
completely; where not, that is saved and tried again with a sweep. Knows no dlt.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from referral_warehouse.api.query import Query
from referral_warehouse.api.responses import row_id
from referral_warehouse.errors import ApiUnavailable, AuthenticationError, BadEnvelope, RequestRefused
from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.context import LoadContext
from referral_warehouse.load.storage.stored_rows import DATASET
from referral_warehouse.load.streams.coupon_reader import CouponReader
from referral_warehouse.load.streams.coupon_schema import COUPONS, NEEDED_FIELDS

COUPON_LIST = Query("coupons", relations=("batch",))
READ_EACH_TIME = 5_000
"""Coupons of a list that is read at every sync (20 calls); a longer one only where a count differs, and by sweeps."""
VERIFIED = 20
"""Of the coupons that a list lacks, so many are requested by name before they count as deleted."""
NAMES_SHOWN = 3


class UnassignedCoupons:
    """Finds coupons that are in no user. ``saved`` holds the changed state of the stream after ``read``."""

    def __init__(self, ctx: LoadContext) -> None:
        self._coupons = ctx.shared(CouponReader)
        self._paginator = ctx.paginator
        self._rows = ctx.rows
        self._flush = ctx.store.flush
        self._report = ctx.report.stream(COUPONS.name)
        self._latest = ctx.parser.latest
        self._names = ctx.request.coupon_names
        self._reads_everything = ctx.reads_everything
        self._state = ctx.store.state(COUPONS.name)
        self._batch = LoadBatch()

    def read(self) -> LoadBatch:
        """Read the list, or the coupons of the configured names.

        Calls: 1 for a list that was not requested since the last sweep; 1 and the pages of a list; else 1 for each name
        that is in no user.
        """
        if self._latest is None:
            return self._batch
        is_listed, total = self._request_list()
        if not is_listed:
            self._request_names(self._latest)
            return self._batch
        self._flush()  # coupons of users count as stored
        live = self._rows.live_count(COUPONS.name)
        if self._reads_everything or total is None or total <= READ_EACH_TIME or total != live:
            self._read_list(self._latest)
        return self._batch

    def _request_list(self) -> tuple[bool, int | None]:
        """Whether there is a list, and how many coupons it has."""
        if self._state.get("list") is False and not self._reads_everything:
            return False, None
        try:
            is_listed, total = True, self._paginator.count(Query(COUPON_LIST.path))
        except (RequestRefused, ApiUnavailable, BadEnvelope, AuthenticationError):
            # A 403 may mean that the list does not exist; a refused token stops the next request.
            is_listed, total = False, None
        self._remember(is_listed=is_listed)
        return is_listed, total

    def _read_list(self, observed_at: datetime) -> None:
        """Read the whole list: also unassigned coupons; finds deleted ones."""
        self._coupons.clear_seen()
        listed: list[dict[str, Any]] = []
        total: int | None = None
        for page in self._paginator.iter_all(COUPON_LIST):
            if page.restart:
                listed.clear()
            listed.extend(row for row in page.rows if isinstance(row, dict))
            total = page.total
        if not all(row.keys() >= NEEDED_FIELDS for row in listed):
            self._reject_list("has no users of coupons and dates of use")
            return
        self._report.api_count = len({row_id(row) for row in listed})
        self._coupons.put(listed, observed_at, "the list of coupons", self._batch)
        if not listed and total != 0:
            return
        missing = self._coupons.missing()
        if self._are_gone(missing[:VERIFIED], observed_at):
            self._coupons.mark_gone(missing, observed_at, self._batch)
            self._report.is_complete = True
        else:
            self._reject_list("does not have all coupons")

    def _are_gone(self, ids: list[int], observed_at: datetime) -> bool:
        """Whether coupons missing from a list are deleted: none of them is found by its name."""
        names = {identifier: name for identifier, name, _ in self._live()}
        requested = {identifier: names[identifier] for identifier in ids}
        return len(self._coupons.verify(requested, observed_at, self._batch)) == len(ids)

    def _reject_list(self, why: str) -> None:
        self._remember(is_listed=False)
        self._report.notes.append(f"the list at /coupons {why}, so it is not used; coupons are read with their users")

    def _remember(self, *, is_listed: bool) -> None:
        if is_listed is not self._state.get("list"):
            self._state = {**self._state, "list": is_listed}
            self._batch.states[COUPONS.name] = self._state
        self._coupons.is_listed = is_listed

    def _request_names(self, observed_at: datetime) -> None:
        """Request the coupons of the configured names, unless they are in users or used."""
        live = self._live()
        known = set() if self._reads_everything else {name for _, name, is_unneeded in live if is_unneeded}
        requested = [name for name in self._names if name not in known and name not in self._coupons.seen_names]
        if not requested:
            return
        found = dict(zip(requested, self._coupons.by_names(requested), strict=True))
        existing = [row for row in found.values() if row is not None]
        self._coupons.put(existing, observed_at, "coupons by name", self._batch)
        lost = [name for name, row in found.items() if row is None]
        if lost:
            shown = ", ".join(map(repr, lost[:NAMES_SHOWN])) + (" …" if len(lost) > NAMES_SHOWN else "")
            self._report.notes.append(
                f"{len(lost)} of {len(self._names)} names in the coupon file do not exist: {shown}"
            )
        ids = {name: identifier for identifier, name, _ in self._live()}
        self._coupons.mark_gone([ids[name] for name in lost if name in ids], observed_at, self._batch)

    def _live(self) -> list[tuple[int, str, bool]]:
        """Id and name of the stored coupons that are not gone, and whether requesting them is unnecessary."""
        found = self._rows.connection.execute(
            f"select id, name, referral_id is not null or used_at is not null from {DATASET}.{COUPONS.name}"
        ).fetchall()
        return [row for row in found if row[0] not in self._coupons.gone]
