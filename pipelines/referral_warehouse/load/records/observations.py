"""Observations: what was found out about rows that has no date of its own, as rows of ``raw.observations``.

Pure. ``vanished`` is the tombstone of an id; ``reappeared`` takes it back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from referral_warehouse.load.records.schema import FETCHED_AT, OBSERVATIONS

VANISHED, REAPPEARED = "vanished", "reappeared"


def observations(stream: str, ids: Iterable[int], what: str, observed_at: datetime) -> pa.Table:
    """One observation for each id; ``observed_at`` is naive UTC."""
    rows = [
        {"stream": stream, "id": identifier, "what": what, "observed_at": observed_at, "before": None, "after": None}
        for identifier in ids
    ]
    return pa.Table.from_pylist(rows, schema=OBSERVATIONS.arrow)


def reappeared(stream: str, rows: pa.Table, gone: set[int]) -> pa.Table:
    """Observations of the rows that carried a tombstone and are there again; they are taken out of ``gone``."""
    back = sorted(gone.intersection(rows.column("id").to_pylist())) if gone else []
    gone.difference_update(back)
    return observations(stream, back, REAPPEARED, pc.max(rows.column(FETCHED_AT)).as_py())


def date_tombstones(tables: Sequence[pa.Table], stream: str, valid_from: datetime) -> list[pa.Table]:
    """Observations in which no row of a stream is gone before its last version began, which is at ``valid_from``.

    A row may change and leave within one run. Ids that were there again afterwards keep their times.
    """
    rows = [row for table in tables for row in table.to_pylist()]
    last = {row["id"]: row["what"] for row in rows if row["stream"] == stream}
    for row in rows:
        if row["stream"] == stream and row["what"] == VANISHED == last[row["id"]]:
            row["observed_at"] = max(row["observed_at"], valid_from)
    return [pa.Table.from_pylist(rows, schema=OBSERVATIONS.arrow)]
