"""List guard: complete lists that lost most of their rows are not taken over as history.

What is due has no dates: a list that came back empty by mistake would end every version, and the rows of the next
right answer would begin anew, with today's date. So this is asked before the lists are committed. Users and coupons
lose nothing by a tombstone that is taken back; the warehouse looks at those before it publishes. Knows no dlt.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from referral_warehouse.deletion_limit import Disappearance, refuse_disappearances
from referral_warehouse.load.storage.dlt_resources import LoadBatch, table_schema
from referral_warehouse.load.storage.load_db import DATASET, LoadFile

LISTS = ("campaigns", "rewards", "rewards_due")

GONE = f"""
from {DATASET}.{{stream}} as known
anti join listed using (id)
where known._dlt_valid_to is null
"""

# Issued: the same recipient has the same reward in the issued list since; or it is due still, under another id.
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


def refuse_emptied_lists(load_file: LoadFile, part: LoadBatch, max_percent: int) -> None:
    """Compare the complete lists in a slice with the versions that hold in the load file.

    Args:
        load_file: what is known so far.
        part: the slice that is about to be committed.
        max_percent: of the records of a list, how many may be gone.

    Raises:
        MassDisappearance: naming lists and numbers; nothing of the slice is written then.
    """
    refuse_disappearances(_found(load_file, part), max_percent, "the last load")


def _found(load_file: LoadFile, part: LoadBatch) -> Iterator[Disappearance]:
    for stream in LISTS:
        if stream in part.tables:
            yield _compare(load_file, part, stream)
    gone = {
        row["id"]: row["what"] == "vanished"
        for rows in part.tables.get("observations", [])
        for row in rows.to_pylist()
        if row["stream"] == "rewards_issued"
    }
    if any(gone.values()):
        before = load_file.active_versions("rewards_issued").keys() - load_file.vanished_ids("rewards_issued")
        yield Disappearance("rewards_issued", sum(i in before and is_gone for i, is_gone in gone.items()), len(before))


def _compare(load_file: LoadFile, part: LoadBatch, stream: str) -> Disappearance:
    is_due = stream == "rewards_due"
    connection = load_file.connection
    issued = [table_schema("rewards_issued").empty_table(), *part.tables.get("rewards_issued", [])]
    connection.register("listed", pa.concat_tables(part.tables[stream]))
    connection.register("issued", pa.concat_tables(issued))
    try:
        sql = f"select count(*) {GONE.format(stream=stream)}"
        [(gone,)] = connection.execute(sql).fetchall()
        if gone and is_due:  # what was issued is looked up only where something is gone
            [(gone,)] = connection.execute(sql + NOT_ISSUED).fetchall()
        [(before,)] = connection.execute(
            f"select count(*) from {DATASET}.{stream} where _dlt_valid_to is null"
        ).fetchall()
    finally:
        connection.unregister("listed")
        connection.unregister("issued")
    return Disappearance(stream, gone, before, " without having been issued" if is_due else "")
