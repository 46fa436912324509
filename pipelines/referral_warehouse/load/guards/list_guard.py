"""Refuses complete lists that lost most of their rows, before they become history.

Rewards due have no dates: a list that is empty by mistake would end every version, and the rows of the next correct
response would start again with today's date. So lists are checked before they are committed. A tombstone of a user or
coupon can be removed without loss; the warehouse checks those before it publishes. Knows no dlt.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from referral_warehouse.deletion_limit import Disappearance, refuse_disappearances
from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.records.schema import OBSERVATIONS, LoadStrategy
from referral_warehouse.load.storage.stored_rows import DATASET, StoredRows
from referral_warehouse.load.streams.reward_schema import REWARDS_DUE, REWARDS_ISSUED

GONE = f"""
from {DATASET}.{{stream}} as known
anti join listed using (id)
where known._dlt_valid_to is null
"""

# Issued: the same recipient now has the same reward in the issued list; or it is still due, with another id.
NOT_ISSUED = f"""
and not exists (
    from issued
    where issued.reward_id is not distinct from known.reward_id
        and issued.recipient_id is not distinct from known.recipient_id
)
and not exists (
    from {DATASET}.rewards_issued as issued
    where issued.reward_id is not distinct from known.reward_id
        and issued.recipient_id is not distinct from known.recipient_id
        and issued._dlt_valid_from > known._dlt_valid_from
)
and not exists (
    from listed
    anti join (from {DATASET}.rewards_due where _dlt_valid_to is null) as before using (id)
    where listed.reward_id is not distinct from known.reward_id
        and listed.recipient_id is not distinct from known.recipient_id
)
"""


def refuse_emptied_lists(stored: StoredRows, batch: LoadBatch, max_percent: int) -> None:
    """Compare the complete lists in a batch with the current versions in the load file.

    Args:
        stored: the stored rows.
        batch: the batch that is about to be committed.
        max_percent: of the records of a list, how many may be gone.

    Raises:
        MassDisappearance: naming lists and numbers; nothing of the batch is written then.
    """
    refuse_disappearances(_found(stored, batch), max_percent, "the last load")


def _found(stored: StoredRows, batch: LoadBatch) -> Iterator[Disappearance]:
    for name, tables in batch.tables.items():
        if batch.schemas[name].strategy is LoadStrategy.LIST_HISTORY:
            yield _compare(stored, name, pa.concat_tables(tables), batch.rows(REWARDS_ISSUED))
    gone = {
        row["id"]: row["what"] == "vanished"
        for row in batch.rows(OBSERVATIONS).to_pylist()
        if row["stream"] == REWARDS_ISSUED.name
    }
    if any(gone.values()):
        before = stored.active_versions(REWARDS_ISSUED.name).keys() - stored.vanished_ids(REWARDS_ISSUED.name)
        gone_count = sum(identifier in before and is_gone for identifier, is_gone in gone.items())
        yield Disappearance(REWARDS_ISSUED.name, gone_count, len(before))


def _compare(stored: StoredRows, stream: str, listed: pa.Table, issued: pa.Table) -> Disappearance:
    is_due = stream == REWARDS_DUE.name
    connection = stored.connection
    connection.register("listed", listed)
    connection.register("issued", issued)
    try:
        sql = f"select count(*) {GONE.format(stream=stream)}"
        [(gone,)] = connection.execute(sql).fetchall()
        if gone and is_due:  # issued rewards are read only where records are gone
            [(gone,)] = connection.execute(sql + NOT_ISSUED).fetchall()
        [(before,)] = connection.execute(
            f"select count(*) from {DATASET}.{stream} where _dlt_valid_to is null"
        ).fetchall()
    finally:
        connection.unregister("listed")
        connection.unregister("issued")
    return Disappearance(stream, gone, before, " without having been issued" if is_due else "")
