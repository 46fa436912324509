"""Complete lists kept as history: campaigns, rewards and rewards due.

Knows no dlt: puts what changed into a slice. A snapshot that equals the last one writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from referral_warehouse.api.pagination.paginator import Paginator
from referral_warehouse.api.query import Query
from referral_warehouse.api.responses import Page
from referral_warehouse.errors import IncompleteWalk
from referral_warehouse.load.page_parser import PageParser
from referral_warehouse.load.records.row_version import with_row_versions
from referral_warehouse.load.records.schema import CAMPAIGN_REACH, Reject
from referral_warehouse.load.registry import STREAMS
from referral_warehouse.load.storage.dlt_resources import LoadBatch, table_schema
from referral_warehouse.load.storage.load_db import DATASET, LoadFile


def take_snapshot(
    paginator: Paginator,
    load_file: LoadFile,
    parser: PageParser,
    stream: str,
    part: LoadBatch,
    pages: Iterable[Page] | None = None,
) -> None:
    """Read a list completely and put it into the slice if anything in it changed.

    Args: ``pages`` are those of a list that was read already; None reads it now.
    Raises: IncompleteWalk when the list is empty without the server saying that it holds nothing.
    """
    tables: list[pa.Table] = []
    rejects: list[Reject] = []
    total: int | None = None
    for page in paginator.iter_all(Query(STREAMS[stream].path)) if pages is None else pages:
        if page.restart:
            tables.clear()
            rejects.clear()
        table, refused = parser.read(stream, page, stream)
        tables.append(table)
        rejects.extend(refused)
        total = page.total
    rows = with_row_versions(stream, pa.concat_tables(tables).combine_chunks())
    report = parser.report(stream)
    report.is_complete, report.api_count = True, rows.num_rows + len(rejects)
    part.add("quarantine", parser.take_quarantine())
    if stream == "campaigns":
        reach = pa.Table.from_arrays([rows.column(name) for name in CAMPAIGN_REACH.names], schema=CAMPAIGN_REACH)
        part.add("campaign_reach", load_file.without_unchanged("campaign_reach", reach))
    active = load_file.active_versions(stream)
    rows = _keep_refused(load_file, stream, rows, rejects, active)
    versions = dict(zip(rows.column("id").to_pylist(), rows.column("_row_version").to_pylist(), strict=True))
    report.our_count = rows.num_rows
    if versions == active:
        return
    if not versions and total != 0:
        raise IncompleteWalk(f"{stream}: the list came back empty, but the server does not say that it holds nothing.")
    # a table without rows retires all versions, so it goes in as it is
    part.tables[stream] = [rows]
    report.rows_written += sum(active.get(identifier) != version for identifier, version in versions.items())
    report.rows_written += len(active.keys() - versions.keys())


def _keep_refused(
    load_file: LoadFile, stream: str, rows: pa.Table, rejects: list[Reject], active: dict[int, str]
) -> pa.Table:
    """Rows in quarantine keep their last good version: it is carried over into the snapshot."""
    if not rejects or not active:
        return rows
    present = set(rows.column("id").to_pylist())
    named = {reject.known_id for reject in rejects}
    nameless = None in named
    kept = [identifier for identifier in active if identifier not in present and (nameless or identifier in named)]
    if not kept:
        return rows
    names = ", ".join(f'"{name}"' for name in table_schema(stream).names)
    stored = load_file.connection.execute(
        f"select {names} from {DATASET}.{stream} where _dlt_valid_to is null and list_contains(?, id)", [kept]
    ).to_arrow_table()
    return pa.concat_tables([rows, stored.cast(rows.schema)])
