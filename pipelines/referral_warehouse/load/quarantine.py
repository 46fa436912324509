"""The quarantine: rows that cannot be read exactly wait here for ``raw.quarantine``, and leave it once they can be.

Knows no HTTP and no dlt. A row is named by its stream and its text, so that the same bad row is one row however often
it comes; an id that comes again and can be read closes all the bad forms it had.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from referral_warehouse.load.records import converters
from referral_warehouse.load.records.json_text import whole_text
from referral_warehouse.load.records.schema import FETCHED_AT, QUARANTINE, Coerced, Reject, id_in
from referral_warehouse.load.storage.load_db import LoadFile

CONTRADICTION = "the id stands more than once in one answer, with different contents"


class Quarantine:
    """What one run sets aside, and what it finds mended."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._rows: list[dict[str, Any]] = []
        # stream → id → key → the whole row, or None where it is in the load file
        self._open: dict[str, dict[int, dict[str, dict[str, Any] | None]]] = {}
        self._seen: set[str] = set()
        self._file: LoadFile | None = None

    def know(self, load_file: LoadFile) -> None:
        """Learn what earlier runs set aside."""
        self._file = load_file
        for stream, record_id, key in load_file.open_quarantine():
            identifier = id_in(record_id)
            if identifier is not None:
                self._open.setdefault(stream, {}).setdefault(identifier, {})[key] = None

    def settle(self, stream: str, coerced: Coerced, moment: datetime) -> int:
        """Set the rejects of an answer aside, and close what it shows to be readable.

        Returns: how many rows were set aside that this run had not set aside before.
        """
        before = len(self._seen)
        for reject in coerced.rejects:
            refusal = self._row(stream, reject, moment)
            self._rows.append(refusal)
            self._seen.add(refusal["key"])
            if reject.known_id is not None:
                self._open.setdefault(stream, {}).setdefault(reject.known_id, {})[refusal["key"]] = refusal
        waiting = self._open.get(stream)
        if not waiting:
            return len(self._seen) - before
        refused = {reject.known_id for reject in coerced.rejects}
        for identifier in waiting.keys() & set(coerced.table.column("id").to_pylist()) - refused:
            for key, row in waiting.pop(identifier).items():
                whole = self._file.quarantined(key) if row is None and self._file is not None else row
                if whole:
                    self._rows.append({name: whole.get(name) for name in QUARANTINE.names} | {"resolved_at": moment})
        return len(self._seen) - before

    def take(self) -> pa.Table:
        """What changed since the last call, as a table of ``raw.quarantine``."""
        table = pa.Table.from_pylist(self._rows, schema=QUARANTINE)
        self._rows.clear()
        return table

    def _row(self, stream: str, reject: Reject, moment: datetime) -> dict[str, Any]:
        return {
            "key": hashlib.blake2b(f"{stream}\0{reject.raw}".encode(), digest_size=16).hexdigest(),
            "stream": stream,
            "record_id": reject.record_id,
            "reason": reject.reason,
            "raw": reject.raw,
            "run_id": self._run_id,
            "quarantined_at": moment,
            "resolved_at": None,
        }


def without_contradictions(coerced: Coerced, rows: Sequence[Any]) -> Coerced:
    """Reject the rows of one answer that share an id and differ: one moment has one truth, and nobody knows which.

    Rows that are the same twice stay; which of them is kept makes no difference.
    """
    ids = coerced.table.column("id")
    refused = {reject.known_id for reject in coerced.rejects} - {None}
    if not refused and pc.count_distinct(ids).as_py() == coerced.table.num_rows:
        return coerced
    found = ids.to_pylist()
    doubtful = {identifier for identifier, count in Counter(found).items() if count > 1 or identifier in refused}
    compared = coerced.table.drop_columns([FETCHED_AT])
    for identifier in doubtful - refused:
        same = compared.filter(pc.equal(ids, identifier)).to_pylist()
        if all(row == same[0] for row in same):
            doubtful.discard(identifier)
    if not doubtful:
        return coerced
    known = {reject.raw for reject in coerced.rejects}
    rejects = [
        Reject(str(identifier), CONTRADICTION, whole_text(row))
        for row in rows
        if (identifier := _readable_id(row)) in doubtful and whole_text(row) not in known
    ]
    kept = coerced.table.filter(pa.array([identifier not in doubtful for identifier in found]))
    return replace(coerced, table=kept, rejects=[*coerced.rejects, *rejects])


def _readable_id(row: Any) -> int | None:
    try:
        return converters.read_int(row.get("id")) if isinstance(row, dict) else None
    except ValueError:
        return None
