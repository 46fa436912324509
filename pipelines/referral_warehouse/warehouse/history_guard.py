"""Refuses a draft with less history than the published data, unless that is accepted.

Only earlier syncs know when rewards became due, which records are gone and when they were first seen; the API does not
return it. So the draft is compared with the published data itself: a load file that was lost, damaged, emptied by a
setting or restored from an old backup lacks some of it, whatever its own log contains. Knows the published tables, not
the models.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from referral_warehouse.errors import HistoryLost
from referral_warehouse.warehouse.published import PUBLISHED, tables_of

if TYPE_CHECKING:
    import duckdb

RECORDS = {
    "campaigns": ("core.campaigns", "campaign_id"),
    "rewards": ("core.rewards", "reward_id"),
    "users": ("core.users", "user_id"),
    "rewards_issued": ("core.rewards_issued", "issued_id"),
    "coupons": ("core.coupons", "coupon_id"),
}
"""Streams whose table keeps every record ever seen. Former rewards due are in ``ops.history`` alone."""

IS_CREDIBLE = "between timestamp '2010-01-01' and (select as_of_at from as_of)"
"""A condition for times: those before the vendor existed or after the newest observation are from a wrong clock, and
may be corrected."""

AS_OF = """
as_of as (
    select coalesce(max(observed_at), timestamp 'infinity') as as_of_at
    from (select observed_at from draft.ops.runs union all select observed_at from draft.ops.run_streams)
)"""

MISSING_RECORDS = """
select count(*), (select count(*) from {catalog}.{table})
from {catalog}.{table}
anti join draft.{table} as now using ({key})
"""

SEEN_LATER = """
with {as_of}
select count(*), min(before.first_seen_at), min_by(now.first_seen_at, before.first_seen_at)
from {catalog}.{table} as before
inner join draft.{table} as now using ({key})
where now.first_seen_at > before.first_seen_at and before.first_seen_at {is_credible}
"""

COUNTS = {
    "versions_begun_count": "version(s) that began",
    "versions_ended_count": "version(s) that ended",
    "vanished_count": "deletion(s) noticed",
    "reappeared_count": "reappearance(s) noticed",
}

LOST_HISTORY = """
with {as_of},
compared as (
    select
        coalesce(before.stream, now.stream) as stream,
        before.observed_at,
        {pairs}
        before.checksum as checksum_before,
        now.checksum as checksum_now
    from {catalog}.ops.history as before
    full join draft.ops.history as now on before.stream = now.stream and before.observed_at = now.observed_at
),
with_difference as (
    select
        *,
        observed_at {is_credible} and ({is_less}) as is_less,
        observed_at {is_credible} and {is_same} and checksum_before <> checksum_now as is_other
    from compared
)
select
    stream,
    count(*) filter (where is_other),
    min(observed_at) filter (where is_less or is_other),
    {sums}
from with_difference
group by stream
order by stream
"""

MISSING_SYNCS = """
with before as ({syncs}),
now as ({syncs_now})
select count(*) filter (where run_id not in (select run_id from now)), count(*), min(observed_at) from before
"""

SYNCS = """
select run_id, max(observed_at) as observed_at
from {catalog}.ops.run_streams
group by run_id
having bool_or(stream = 'rewards_due' and is_complete) and bool_or(stream = 'rewards_issued')
"""

LEDGER_TIMES = """
with {as_of}
select count(distinct before.sync_at), (
    select count(distinct sync_at) from draft.marts.reward_ledger
    where sync_at <= (select max(sync_at) from {catalog}.marts.reward_ledger)
)
from {catalog}.marts.reward_ledger as before
where before.sync_at {is_credible}
"""
"""For snapshots without ``ops.history``: the number of syncs with movements of rewards."""


def refuse_shorter_history(connection: duckdb.DuckDBPyConnection) -> None:
    """Compare the draft with the published snapshot, both attached.

    Raises:
        HistoryLost: when published history is not in the draft; it names streams and numbers.
    """
    lost = list(_losses(connection))
    if lost:
        raise HistoryLost(f"The load file has less history than the published data: {'; '.join(lost)}.")


def _losses(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    tables = tables_of(connection, PUBLISHED)
    for stream, (table, key) in RECORDS.items():
        if key in tables.get(table, ()):
            yield from _lost_records(connection, stream, table, key, has_dates="first_seen_at" in tables[table])
    if tables.get("ops.history", set()) >= {"checksum", *COUNTS}:
        yield from _lost_history(connection)
    elif "sync_at" in tables.get("marts.reward_ledger", ()):
        yield from _lost_movements(connection)
    if tables.get("ops.run_streams", set()) >= {"run_id", "stream", "is_complete", "observed_at"}:
        yield from _lost_syncs(connection)


def _lost_records(
    connection: duckdb.DuckDBPyConnection, stream: str, table: str, key: str, *, has_dates: bool
) -> Iterator[str]:
    words = {"catalog": PUBLISHED, "table": table, "key": key, "as_of": AS_OF, "is_credible": IS_CREDIBLE}
    missing, known = connection.execute(MISSING_RECORDS.format(**words)).fetchall()[0]
    if missing:
        yield f"{stream}: {missing:,} of {known:,} records are missing"
    if has_dates:
        later, before, now = connection.execute(SEEN_LATER.format(**words)).fetchall()[0]
        if later:
            dates = f"{before:%Y-%m-%d %H:%M}, now {now:%Y-%m-%d %H:%M}"
            yield f"{stream}: {later:,} of {known:,} records have a later first_seen_at (published {dates})"


def _lost_history(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Differences of ``ops.history`` by time; for implausible times, in total."""
    pairs = "".join(
        f"coalesce(before.{name}, 0) as before_{name}, coalesce(now.{name}, 0) as now_{name}, " for name in COUNTS
    )
    sql = LOST_HISTORY.format(
        catalog=PUBLISHED, as_of=AS_OF, is_credible=IS_CREDIBLE, pairs=pairs,
        is_less=" or ".join(f"now_{name} < before_{name}" for name in COUNTS),
        is_same=" and ".join(f"now_{name} = before_{name}" for name in COUNTS),
        sums=", ".join(
            f"greatest(sum(before_{name}) - sum(now_{name}), "
            f"coalesce(sum(greatest(before_{name} - now_{name}, 0)) filter (where is_less), 0)), sum(before_{name})"
            for name in COUNTS
        ),
    )  # fmt: skip
    for stream, other, first_at, *sums in connection.execute(sql).fetchall():
        counts = zip(COUNTS.values(), sums[::2], sums[1::2], strict=True)
        lost = [f"{missing:,} of {known:,} {words}" for words, missing, known in counts if missing > 0]
        since = f", the earliest of {first_at:%Y-%m-%d %H:%M}" if first_at is not None else ""
        if lost:
            yield f"{stream}: {', '.join(lost)} are missing{since}"
        elif other:
            yield f"{stream}: at {other:,} time(s) other records or values changed than was published{since}"


def _lost_movements(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    words = {"catalog": PUBLISHED, "as_of": AS_OF, "is_credible": IS_CREDIBLE}
    before, now = connection.execute(LEDGER_TIMES.format(**words)).fetchall()[0]
    if now < before:
        yield f"rewards: movements at {now:,} sync(s) instead of {before:,} are known"


def _lost_syncs(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Missing syncs: movements are between syncs, so without their log earlier balances cannot be computed."""
    sql = MISSING_SYNCS.format(syncs=SYNCS.format(catalog=PUBLISHED), syncs_now=SYNCS.format(catalog="draft"))
    # only the ids are compared: a corrected clock may have moved the times
    missing, known, first_at = connection.execute(sql).fetchall()[0]
    if missing:
        since = f" since {first_at:%Y-%m-%d %H:%M}" if first_at is not None else ""
        yield f"log of syncs: {missing:,} of {known:,} syncs of both reward lists{since} are missing"
