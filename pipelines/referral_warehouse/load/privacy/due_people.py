"""Finds people who are due to be forgotten: those whose deletion was observed long ago, and those without activity.

Reads the load file; people without any personal value there are never due. Knows neither the settings nor what is
published, and forgets nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from datetime import datetime

import duckdb

from referral_warehouse.deletion_limit import Disappearance
from referral_warehouse.load.privacy.forgotten import Forgotten
from referral_warehouse.load.records.schema import TableSchema
from referral_warehouse.load.storage.stored_rows import DATASET
from referral_warehouse.sql_quoting import identifier

DELETED = f"""
with marks as (
    select
        id,
        what,
        observed_at,
        max(observed_at) filter (where what = 'reappeared') over (partition by id) as reappeared_at
    from {DATASET}.observations
    where stream = 'users' and what in ('vanished', 'reappeared')
)

select id as user_id
from marks
where what = 'vanished' and observed_at > coalesce(reappeared_at, timestamp '0001-01-01')
group by id
having min(observed_at) < ?
"""
"""Users who are gone, since before a time; at equal times reappearing wins, as in the models."""

INACTIVE = f"""
with activity as (
    select id as user_id, coalesce(greatest(date, qualified_at), _fetched_at) as active_at from {DATASET}.users
    union all
    select referrer_id, date from {DATASET}.users
    union all
    select recipient_id, greatest(_dlt_valid_from, _dlt_valid_to) at time zone 'UTC' from {DATASET}.rewards_due
    union all
    select recipient_id, coalesce(issued_at, _dlt_valid_from at time zone 'UTC') from {DATASET}.rewards_issued
    union all
    select referral_id, greatest(issued_at, used_at) from {DATASET}.coupons
)

select user_id
from activity
where
    user_id is not null
    and user_id not in (
        select recipient_id from {DATASET}.rewards_due where _dlt_valid_to is null and recipient_id is not null
    )
group by user_id
having max(active_at) < ?
"""
"""People without a reward due who did nothing, and got nothing, since before a time."""
ACTIVITY_STREAMS = frozenset({"users", "rewards_due", "rewards_issued", "coupons"})
"""The streams that activity is computed from."""
READ = f"select distinct stream from {DATASET}.run_streams where observed_at is not null"


class HeldPeople:
    """The people with a personal value in the load file who were not forgotten.

    Args:
        connection: the load file; its time zone becomes UTC.
        schemas: the raw tables.
        forgotten: who was forgotten.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, schemas: Mapping[str, TableSchema], forgotten: Forgotten
    ) -> None:
        connection.execute("set timezone = 'UTC'")
        self._connection = connection
        self._forgotten = forgotten
        columns = _columns(connection)
        has_log = "run_streams" in columns
        self._read = {name for (name,) in connection.execute(READ).fetchall()} if has_log else set()
        self._held = " union ".join(
            f"select {schema.person} as user_id from {DATASET}.{identifier(schema.name)} "
            f"where {' or '.join(f'{identifier(name)} is not null' for name in names)}"
            for schema in schemas.values()
            if schema.person and (names := sorted(schema.personal_columns.keys() & columns.get(schema.name, set())))
        )

    def count(self) -> int:
        """How many there are."""
        row = self._connection.execute(f"select count(user_id) from ({self._held})").fetchone()
        return int(row[0]) if row else 0

    def deleted(self, before: datetime) -> list[int]:
        """Who was first observed to be gone before a time (naive UTC), and did not return."""
        return self._select_held(DELETED, before) if "users" in self._read else []

    def inactive(self, before: datetime) -> list[int]:
        """Who has no reward due, and did nothing since before a time (naive UTC).

        Nobody until every stream that activity is computed from was read once.
        """
        return self._select_held(INACTIVE, before) if self._read >= ACTIVITY_STREAMS else []

    def implausible(self, deleted: Set[int], max_percent: int) -> str | None:
        """Why so many deletions are more likely a fault of the API, in words; None where they are plausible."""
        found = Disappearance("users", len(deleted), self.count())
        return str(found) if found.exceeds(max_percent) else None

    def _select_held(self, sql: str, before: datetime) -> list[int]:
        rows = self._connection.execute(
            f"select user_id from ({sql}) where user_id in (select user_id from ({self._held})) order by user_id",
            [before],
        ).fetchall()
        return [user_id for (user_id,) in rows if not self._forgotten.is_person(user_id)]


def _columns(connection: duckdb.DuckDBPyConnection) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for table, column in connection.execute(
        "select table_name, column_name from duckdb_columns() where schema_name = ? "
        "and database_name = current_database()",
        [DATASET],
    ).fetchall():
        found.setdefault(table, set()).add(column)
    return found
