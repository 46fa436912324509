"""Records what changes the days of a funnel that are over: users whose counted values changed, or who were seen late.

Knows no dlt and no model. A change is an observation with the values before and after it. A user who is new is
recorded only where one of the user's dates lies before the day of the run before: that day was counted without them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
import pyarrow as pa

from referral_warehouse.load.context import LoadContext
from referral_warehouse.load.records.observations import CHANGED, SEEN_LATE
from referral_warehouse.load.records.schema import FETCHED_AT, OBSERVATIONS
from referral_warehouse.load.streams.user_schema import USER_CURSORS, USERS

COUNTED = ("campaign_id", "referrer_id", "date", "qualified", "qualified_at", "unsubscribed", "unsubscribed_at")
"""The fields by which a user is counted on a day. None of them is personal data."""

Values = tuple[Any, ...]


class UserChanges:
    """Compares the rows of users that are to be written with the stored ones. Nothing is recorded before every user was
    read once, of another account's users, and where no rows are kept.

    Args:
        ctx: the run.
    """

    def __init__(self, ctx: LoadContext) -> None:
        self._rows = ctx.rows
        self._is_recording = (
            ctx.store.keeps_rows and "cursors" in ctx.store.state(USERS.name) and not ctx.report.is_other_account
        )
        self._counted_until = self._start_of_last_day() if self._is_recording else None
        self._seen: dict[int, Values] = {}  # by earlier batches of the run, which may not be stored yet

    def observe(self, rows: pa.Table) -> pa.Table:
        """Observations of the users among some new or changed rows that are counted otherwise than before."""
        if not self._is_recording or rows.num_rows == 0:
            return OBSERVATIONS.arrow.empty_table()
        ids = rows.column("id").to_pylist()
        stored = self._rows.values_of(USERS.name, ids, COUNTED) | {i: v for i in ids if (v := self._seen.get(i))}
        found = []
        for row in rows.select(["id", FETCHED_AT, *COUNTED]).to_pylist():
            before, after = stored.get(row["id"]), tuple(row[name] for name in COUNTED)
            if before == after or (before is None and not self._is_late(row)):
                continue
            self._seen[row["id"]] = after
            found.append({
                "stream": USERS.name, "id": row["id"], "what": SEEN_LATE if before is None else CHANGED,
                "observed_at": row[FETCHED_AT], "before": None if before is None else _json(before),
                "after": _json(after),
            })  # fmt: skip
        return pa.Table.from_pylist(found, schema=OBSERVATIONS.arrow)

    def _is_late(self, row: dict[str, Any]) -> bool:
        dates = [row[name] for name in USER_CURSORS if row[name] is not None]
        return self._counted_until is not None and any(moment < self._counted_until for moment in dates)

    def _start_of_last_day(self) -> datetime | None:
        last = self._rows.last_observed_at(USERS.name)
        return None if last is None else last.replace(hour=0, minute=0, second=0, microsecond=0)


def _json(values: Values) -> str:
    return orjson.dumps(dict(zip(COUNTED, values, strict=True))).decode()
