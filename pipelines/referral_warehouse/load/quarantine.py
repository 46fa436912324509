"""The quarantine: rows that cannot be read exactly are kept in ``raw.quarantine``, and resolved once they can be read.

Knows no HTTP and no dlt. A row is identified by its stream and its text, so that the same bad row is one row however
often it is read; an id that can be read again resolves all the bad rows it had.
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
from referral_warehouse.load.records.coercion import Coerced, Reject
from referral_warehouse.load.records.json_text import whole_text
from referral_warehouse.load.records.schema import FETCHED_AT, QUARANTINE, id_in
from referral_warehouse.load.storage.stored_rows import StoredRows

CONTRADICTION = "the id occurs more than once in one response, with different contents"


class Quarantine:
    """The rows that one run quarantines, and those it finds readable again.

    Args:
        run_id: marks the quarantined rows.
        stored: the rows quarantined by earlier runs; None where there were none.
    """

    def __init__(self, run_id: str, stored: StoredRows | None = None) -> None:
        self._run_id = run_id
        self._rows: list[dict[str, Any]] = []
        # stream → id → key → the whole row, or None where it is in the load file
        self._open: dict[str, dict[int, dict[str, dict[str, Any] | None]]] = {}
        self._seen: set[str] = set()
        self._stored = stored
        for stream, record_id, key in stored.open_quarantine() if stored is not None else ():
            identifier = id_in(record_id)
            if identifier is not None:
                self._open.setdefault(stream, {}).setdefault(identifier, {})[key] = None

    def has_open(self, stream: str) -> bool:
        """Whether a row of the stream is in quarantine that may turn out to be readable."""
        return bool(self._open.get(stream))

    def record(self, stream: str, coerced: Coerced, observed_at: datetime) -> int:
        """Quarantine the rejected rows of a response, and resolve those that it shows to be readable.

        Args:
            stream: the raw table.
            coerced: the parsed response.
            observed_at: when it was observed (naive UTC).

        Returns:
            How many rows were quarantined that this run had not quarantined before.
        """
        before = len(self._seen)
        for reject in coerced.rejects:
            refusal = self._row(stream, reject, observed_at)
            self._rows.append(refusal)
            self._seen.add(refusal["key"])
            if reject.known_id is not None:
                self._open.setdefault(stream, {}).setdefault(reject.known_id, {})[refusal["key"]] = refusal
        unresolved = self._open.get(stream)
        if not unresolved:
            return len(self._seen) - before
        refused = {reject.known_id for reject in coerced.rejects}
        for identifier in unresolved.keys() & set(coerced.table.column("id").to_pylist()) - refused:
            for key, row in unresolved.pop(identifier).items():
                whole = self._stored.quarantined(key) if row is None and self._stored is not None else row
                if whole:
                    kept = {name: whole.get(name) for name in QUARANTINE.arrow.names}
                    self._rows.append(kept | {"resolved_at": observed_at})
        return len(self._seen) - before

    def take(self) -> pa.Table:
        """Return the changes since the last call, as rows of ``raw.quarantine``."""
        table = pa.Table.from_pylist(self._rows, schema=QUARANTINE.arrow)
        self._rows.clear()
        return table

    def _row(self, stream: str, reject: Reject, observed_at: datetime) -> dict[str, Any]:
        return {
            "key": quarantine_key(stream, reject.identity or reject.raw or ""),
            "stream": stream,
            "record_id": reject.record_id,
            "reason": reject.reason,
            "raw": reject.raw,
            "run_id": self._run_id,
            "quarantined_at": observed_at,
            "resolved_at": None,
        }


def quarantine_key(stream: str, identity: str) -> str:
    """What identifies a row of the quarantine: a digest of its stream and its text, or of what replaces the text."""
    return hashlib.blake2b(f"{stream}\0{identity}".encode(), digest_size=16).hexdigest()


def without_contradictions(coerced: Coerced, rows: Sequence[Any]) -> Coerced:
    """Reject the rows of one response that share an id and differ, because it cannot be known which of them is right.

    Equal rows stay; it makes no difference which of them is kept.
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
