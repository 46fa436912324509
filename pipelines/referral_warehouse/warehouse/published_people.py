"""People in the published snapshot: who is deleted there, and to whom something is owed.

A deletion that is published has passed the guard against implausible deletions. Knows the published tables; forgets
nobody.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from referral_warehouse.warehouse.published import PUBLISHED, open_published, tables_of
from referral_warehouse.workspace.current_snapshot import current_number

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings

DELETED = "select user_id from core.users where deleted_at is not null"
DUE = "select recipient_id from core.rewards_due"
IN_PROCESS = "select recipient_id from core.rewards_issued where is_in_process and deleted_at is null"
UNUSED = """
with issued as (
    select
        rewards_issued.recipient_id,
        sum(rewards_issued.issued_count) as issued_count,
        bool_or(
            units.expires_after_days is null
            or coalesce(rewards_issued.issued_at, rewards_issued.first_seen_at)
            > cast(? as timestamp) - to_days(cast(units.expires_after_days as integer))
        ) as has_valid
    from core.rewards_issued as rewards_issued
    inner join core.units as units on rewards_issued.unit = units.unit and units.settles_on = 'use'
    where rewards_issued.deleted_at is null
    group by rewards_issued.recipient_id
),

used as (
    select user_id, count(*) as used_count
    from core.coupons
    where is_used
    group by user_id
)

select issued.recipient_id
from issued
left join used on issued.recipient_id = used.user_id
where issued.has_valid and issued.issued_count > coalesce(used.used_count, 0)
"""
"""Recipients of rewards that are owed until they are used, with fewer coupons used than rewards issued."""


def deleted_people(settings: Settings) -> set[int]:
    """The users who are deleted in the published snapshot; none where nothing is published.

    Raises: ReferralsError when the snapshot cannot be read.
    """
    return _ids(settings, {"core.users": DELETED}, [])


def people_owed(settings: Settings, now: datetime) -> set[int]:
    """The people to whom something is owed in the published snapshot at a time (naive UTC).

    Raises: ReferralsError when the snapshot cannot be read.
    """
    return _ids(settings, {"core.rewards_due": DUE, "core.rewards_issued": IN_PROCESS}, []) | _ids(
        settings, {"core.units": UNUSED}, [now]
    )


def has_published(settings: Settings) -> bool:
    """Whether there is a published snapshot."""
    return current_number(settings.published_dir) is not None


def _ids(settings: Settings, queries: dict[str, str], values: list[object]) -> set[int]:
    """The ids that queries find, each if its table is published."""
    if not has_published(settings):
        return set()
    found: set[int] = set()
    with open_published(settings) as (connection, _):
        connection.execute("set timezone = 'UTC'")
        there = tables_of(connection, PUBLISHED)
        for table, sql in queries.items():
            if table in there:
                found.update(row[0] for row in connection.execute(sql, values).fetchall() if row[0] is not None)
    return found
