"""Observations: changes of rows that have no date in the API, as rows of ``raw.observations``.

Pure. ``vanished`` is the tombstone of an id; ``reappeared`` cancels it. ``changed`` has the values of a row before and
after; ``seen late`` those of a row that is dated before an earlier run, which did not find it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from referral_warehouse.load.records.schema import FETCHED_AT, OBSERVATIONS

VANISHED, REAPPEARED = "vanished", "reappeared"
CHANGED, SEEN_LATE = "changed", "seen late"


def observations(stream: str, ids: Iterable[int], what: str, observed_at: datetime) -> pa.Table:
    """One observation for each id; ``observed_at`` is naive UTC."""
    rows = [
        {"stream": stream, "id": identifier, "what": what, "observed_at": observed_at, "before": None, "after": None}
        for identifier in ids
    ]
    return pa.Table.from_pylist(rows, schema=OBSERVATIONS.arrow)


def reappeared(stream: str, rows: pa.Table, gone: set[int]) -> pa.Table:
    """Observations of the rows that had a tombstone and exist again; they are removed from ``gone``."""
    back = sorted(gone.intersection(rows.column("id").to_pylist())) if gone else []
    gone.difference_update(back)
    return observations(stream, back, REAPPEARED, pc.max(rows.column(FETCHED_AT)).as_py())


def date_tombstones(tables: Sequence[pa.Table], stream: str, valid_from: datetime) -> list[pa.Table]:
    """The same observations, in which no tombstone of a stream is earlier than ``valid_from``.

    A row may change and vanish within one run, and must not vanish before its last version begins, which is at that
    time. Ids that reappeared afterwards keep their times.
    """
    rows = [row for table in tables for row in table.to_pylist()]
    last = {row["id"]: row["what"] for row in rows if row["stream"] == stream}
    for row in rows:
        if row["stream"] == stream and row["what"] == VANISHED == last[row["id"]]:
            row["observed_at"] = max(row["observed_at"], valid_from)
    return [pa.Table.from_pylist(rows, schema=OBSERVATIONS.arrow)]
