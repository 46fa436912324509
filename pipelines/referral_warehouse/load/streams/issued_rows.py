"""The local rows of rewards issued: those that are stored, and those of a batch that is not committed yet.

Knows the raw table; sends no requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.reconcile.counts import LocalRows
from referral_warehouse.load.reconcile.repair import Repair
from referral_warehouse.load.records.schema import QUARANTINE, ROW_VERSION, id_in
from referral_warehouse.load.storage.stored_rows import DATASET, StoredRows
from referral_warehouse.load.streams.reward_schema import REWARDS_ISSUED


@dataclass(frozen=True, slots=True)
class RowsBefore:
    """Row versions by id, and the ids with a tombstone, at one time."""

    versions: dict[int, str]
    gone: frozenset[int]


class IssuedRows:
    """Counts and lists rewards issued.

    Args:
        stored: the stored rows.
        batch: the rows that are not committed yet; they replace stored rows with the same id.
    """

    def __init__(self, stored: StoredRows, batch: LoadBatch) -> None:
        self._stored = stored
        self._batch = batch
        self.gone = stored.vanished_ids(REWARDS_ISSUED.name)

    def stored_versions(self) -> dict[int, str]:
        """id → row version of the stored rows."""
        return self._stored.active_versions(REWARDS_ISSUED.name)

    def snapshot(self) -> RowsBefore:
        """What is known now, to be compared later by ``repaired_since``."""
        return RowsBefore(self._versions(), frozenset(self.gone))

    def repaired_since(self, before: RowsBefore) -> Repair:
        """How many rows changed since a snapshot."""
        now = self._versions()
        return Repair(
            missing=len(now.keys() - before.versions.keys()),
            changed=sum(before.versions[identifier] != now[identifier] for identifier in before.versions),
            vanished=len(self.gone - before.gone),
            reappeared=len(before.gone - self.gone),
        )

    def count(self, condition: str, *values: object) -> int:
        """The number of live rows that meet a condition; each ``?`` stands for one of ``values``."""
        return int(self._live("count(*)", condition, *values)[0][0])

    def ids(self, condition: str) -> list[int]:
        """The ids of live rows that meet a condition."""
        return [int(identifier) for (identifier,) in self._live("id", condition)]

    def undated(self) -> dict[str | None, set[int]]:
        """The ids of live rows without a date, by their status, which is text from the account."""
        found: dict[str | None, set[int]] = {}
        for identifier, status in self._live("id, status", "issued_at is null order by status nulls first, id"):
            found.setdefault(status, set()).add(identifier)
        return found

    def largest_stored_id(self) -> int | None:
        """The largest id of the stored rows."""
        return self._stored.largest_id(REWARDS_ISSUED.name)

    def largest_known_id(self) -> int | None:
        """The largest id that was ever read, stored or not."""
        uncommitted = pc.max(self._batch.rows(REWARDS_ISSUED).column("id")).as_py()
        known = (self._stored.largest_known_id(REWARDS_ISSUED.name), uncommitted)
        return max((identifier for identifier in known if identifier is not None), default=None)

    def local(self, since: datetime) -> LocalRows:
        """The rows for a comparison of counts, with those that entered the quarantine at ``since`` or later."""
        stored = self._stored.connection.execute(
            f"select record_id, key from {DATASET}.{QUARANTINE.name} "
            f"where stream = '{REWARDS_ISSUED.name}' and quarantined_at >= ?",
            [since],
        ).fetchall()
        uncommitted = [
            (row["record_id"], row["key"])
            for row in self._batch.rows(QUARANTINE).to_pylist()
            if row["stream"] == REWARDS_ISSUED.name and row["quarantined_at"] >= since
        ]
        quarantined = {key: id_in(record_id) for record_id, key in [*stored, *uncommitted]}
        return LocalRows(self, [identifier for identifier in quarantined.values() if identifier not in self.gone])

    def _versions(self) -> dict[int, str]:
        versions = self.stored_versions()
        rows = self._batch.rows(REWARDS_ISSUED)
        versions.update(zip(rows.column("id").to_pylist(), rows.column(ROW_VERSION).to_pylist(), strict=True))
        return versions

    def _live(self, columns: str, condition: str, *values: object) -> list[tuple[Any, ...]]:
        connection = self._stored.connection
        connection.register("uncommitted", self._batch.rows(REWARDS_ISSUED))
        connection.register("gone", pa.table({"id": pa.array(sorted(self.gone), pa.int64())}))
        try:
            return connection.execute(
                f"select {columns} from (select id, status, issued_at from uncommitted union all by name "
                f"select id, status, issued_at from {DATASET}.{REWARDS_ISSUED.name} "
                f"where _dlt_valid_to is null and id not in (select id from uncommitted)) "
                f"where id not in (from gone) and {condition}",
                values,
            ).fetchall()
        finally:
            connection.unregister("uncommitted")
            connection.unregister("gone")
