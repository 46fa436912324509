"""Refuses a draft in which too many published records are gone, because a wrong response is more likely.

The draft is compared with the published snapshot, so that several syncs in a row cannot exceed the limit: a refused one
leaves the published records unchanged, and the next is compared with the same. Knows the published tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from referral_warehouse.deletion_limit import Disappearance, refuse_disappearances
from referral_warehouse.warehouse.published import PUBLISHED, tables_of

if TYPE_CHECKING:
    import duckdb

LIVE = {
    "campaigns": ("core.campaigns", "campaign_id"),
    "users": ("core.users", "user_id"),
    "rewards": ("core.rewards", "reward_id"),
    "rewards_issued": ("core.rewards_issued", "issued_id"),
    "coupons": ("core.coupons", "coupon_id"),
}
"""Streams whose table marks deleted records: the table and its key."""

DISAPPEARED = """
with before as (select {key} from {catalog}.{table} where deleted_at is null),
now as (select {key} from draft.{table} where deleted_at is null)
select (select count(*) from before), (select count(*) from before anti join now using ({key}))
"""

# By reward and recipient, since the rest of a partly issued reward may have another id.
REVERSED = """
with due_before as (
    select coalesce(reward_id, 0) as reward_id, coalesce(recipient_id, 0) as recipient_id, count(*) as before_count
    from {catalog}.core.rewards_due
    group by all
),
due_now as (
    select coalesce(reward_id, 0) as reward_id, coalesce(recipient_id, 0) as recipient_id, count(*) as now_count
    from draft.core.rewards_due
    group by all
),
issued as (
    select 1 as direction, reward_id, recipient_id, issued_count from draft.core.rewards_issued where deleted_at is null
    union all
    select -1 as direction, reward_id, recipient_id, issued_count
    from {catalog}.core.rewards_issued
    where deleted_at is null
),
issued_since as (
    select
        coalesce(reward_id, 0) as reward_id,
        coalesce(recipient_id, 0) as recipient_id,
        greatest(sum(direction), sum(direction * issued_count), 0) as issued_count
    from issued
    group by all
)
select
    coalesce(sum(before_count), 0),
    coalesce(sum(greatest(before_count - coalesce(now_count, 0) - coalesce(issued_count, 0), 0)), 0)
from due_before
left join due_now using (reward_id, recipient_id)
left join issued_since using (reward_id, recipient_id)
"""


def refuse_mass_disappearance(connection: duckdb.DuckDBPyConnection, max_percent: int) -> None:
    """Compare the draft with the published snapshot, both attached.

    Args:
        connection: has the draft and the published snapshot attached.
        max_percent: the percentage of a stream's published records that may be gone.

    Raises:
        MassDisappearance: naming streams and numbers.
    """
    refuse_disappearances(_found(connection), max_percent, "the last publication")


def _found(connection: duckdb.DuckDBPyConnection) -> Iterator[Disappearance]:
    tables = tables_of(connection, PUBLISHED)
    for stream, (table, key) in LIVE.items():
        if tables.get(table, set()) >= {key, "deleted_at"}:
            sql = DISAPPEARED.format(catalog=PUBLISHED, table=table, key=key)
            before, gone = connection.execute(sql).fetchall()[0]
            yield Disappearance(stream, gone, before)
    if {"core.rewards_due", "core.rewards_issued"} <= tables.keys():
        before, gone = connection.execute(REVERSED.format(catalog=PUBLISHED)).fetchall()[0]
        yield Disappearance("rewards_due", int(gone), int(before), " without having been issued")
