"""The stored users, as reconciliation counts them. Knows the raw tables; sends no requests."""

from __future__ import annotations

from datetime import datetime

from referral_warehouse.load.reconcile.counts import LocalRows
from referral_warehouse.load.records.schema import OBSERVATIONS, QUARANTINE
from referral_warehouse.load.storage.stored_rows import DATASET, StoredRows
from referral_warehouse.load.streams.user_schema import USERS


class UserRows:
    """Counts and lists stored users."""

    def __init__(self, stored: StoredRows) -> None:
        self._stored = stored

    def count(self, condition: str) -> int:
        """The number of live users that meet a condition."""
        return self._stored.live_count(USERS.name, condition)

    def ids(self, condition: str) -> list[int]:
        """The ids of live users that meet a condition."""
        return self._stored.live_ids(USERS.name, condition)

    def local(self, since: datetime) -> LocalRows:
        """The users for a comparison of counts; ``since`` is when the last complete read began.

        Rows quarantined before it and not again since then do not exist any more, nor do rows that vanished later.
        """
        gone = (
            f"select id from {DATASET}.{OBSERVATIONS.name} where stream = '{USERS.name}' and what = 'vanished' "
            "and observed_at >= refused.quarantined_at and id = try_cast(refused.record_id as bigint)"
        )
        refused = self._stored.connection.execute(
            f"select try_cast(record_id as bigint), count(distinct key) from {DATASET}.{QUARANTINE.name} as refused "
            f"where stream = '{USERS.name}' and quarantined_at >= ? and not exists ({gone}) group by 1",
            [since],
        ).fetchall()
        return LocalRows(
            self,
            [row for identifier, keys in refused for row in ([None] * keys if identifier is None else [identifier])],
        )
