"""Records changes of users that change the counts of past days.

Knows no dlt and no model. A change is an observation with the values before and after it. A day is past where a run has
read the users on a later day. Who joins, qualifies or unsubscribes today changes no past day and is not recorded.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import orjson
import pyarrow as pa

from referral_warehouse.load.context import LoadContext
from referral_warehouse.load.records.observations import CHANGED, SEEN_LATE
from referral_warehouse.load.records.schema import FETCHED_AT, OBSERVATIONS
from referral_warehouse.load.streams.user_schema import USERS

COUNTED = ("campaign_id", "referrer_id", "date", "qualified", "qualified_at", "unsubscribed", "unsubscribed_at")
"""The fields by which a user is counted on a day. None of them is personal data."""

Values = tuple[Any, ...]
Places = set[tuple[str, int | None, date]]


class UserChanges:
    """Compares the rows of users that are to be written with the stored ones.

    Nothing is recorded before every user was read once, for the users of another account, and where no rows are kept.

    Args:
        ctx: the run.
    """

    def __init__(self, ctx: LoadContext) -> None:
        self._rows = ctx.rows
        self._is_recording = (
            ctx.store.keeps_rows and "cursors" in ctx.store.state(USERS.name) and not ctx.report.is_other_account
        )
        last = self._rows.last_observed_at(USERS.name) if self._is_recording else None
        self._past_until = None if last is None else last.date()
        self._seen: dict[int, Values] = {}  # by earlier batches of the run, which may not be stored yet

    def observe(self, rows: pa.Table) -> pa.Table:
        """Observations of those new or changed rows that change the counts of past days."""
        if self._past_until is None or rows.num_rows == 0:
            return OBSERVATIONS.arrow.empty_table()
        ids = rows.column("id").to_pylist()
        stored = self._rows.values_of(USERS.name, ids, COUNTED) | {i: v for i in ids if (v := self._seen.get(i))}
        found = []
        for row in rows.select(["id", FETCHED_AT, *COUNTED]).to_pylist():
            before, after = stored.get(row["id"]), tuple(row[name] for name in COUNTED)
            changed = _places(before) ^ _places(after)
            if not any(day < self._past_until for _, _, day in changed):
                continue
            self._seen[row["id"]] = after
            found.append({
                "stream": USERS.name, "id": row["id"], "what": SEEN_LATE if before is None else CHANGED,
                "observed_at": row[FETCHED_AT], "before": None if before is None else _json(before),
                "after": _json(after),
            })  # fmt: skip
        return pa.Table.from_pylist(found, schema=OBSERVATIONS.arrow)


def _places(values: Values | None) -> Places:
    """Where a user is counted: measure, campaign and day. They follow ``marts.referral_funnel_daily``."""
    if values is None:
        return set()
    campaign, referrer, joined_at, is_qualified, qualified_at, is_unsubscribed, unsubscribed_at = values
    counted = {
        "joined": joined_at,
        "invited": None if referrer is None else joined_at,
        "qualified": qualified_at if is_qualified and referrer is not None else None,
        "unsubscribed": unsubscribed_at if is_unsubscribed else None,
    }
    return {(measure, campaign, at.date()) for measure, at in counted.items() if at is not None}


def _json(values: Values) -> str:
    return orjson.dumps(dict(zip(COUNTED, values, strict=True))).decode()
