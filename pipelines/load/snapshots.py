"""Complete lists kept as history (campaigns, rewards, rewards due), and rewards issued, which only ever gain versions.

Knows no dlt: puts what changed into a slice. A snapshot that equals the last one writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.api.envelopes import Page, row_id
from pipelines.api.paging import Walker
from pipelines.api.query import Filter, Query
from pipelines.errors import IncompleteWalk
from pipelines.load.history import with_row_versions
from pipelines.load.intake import Intake
from pipelines.load.loadfile import DATASET, LoadFile
from pipelines.load.schemas import CAMPAIGN_REACH, Reject, arrow_schema
from pipelines.load.source import Slice, table_schema
from pipelines.load.streams import STREAMS
from pipelines.load.windows import advance, lane_start

ASKED_SINGLY = 20


def take_snapshot(walker: Walker, load_file: LoadFile, intake: Intake, stream: str, part: Slice) -> None:
    """Read a list completely and put it into the slice if anything in it changed.

    Raises: IncompleteWalk when the list is empty without the server saying that it holds nothing.
    """
    tables: list[pa.Table] = []
    rejects: list[Reject] = []
    total: int | None = None
    for page in walker.whole(Query(STREAMS[stream].path)):
        if page.restart:
            tables.clear()
            rejects.clear()
        table, refused = intake.read(stream, page, stream)
        tables.append(table)
        rejects.extend(refused)
        total = page.total
    rows = with_row_versions(stream, pa.concat_tables(tables).combine_chunks())
    report = intake.report(stream)
    report.is_complete, report.api_count = True, rows.num_rows + len(rejects)
    part.add("quarantine", intake.take_quarantine())
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
    named = {int(reject.record_id) for reject in rejects if reject.record_id.lstrip("-").isdigit()}
    nameless = any(not reject.record_id.lstrip("-").isdigit() for reject in rejects)
    kept = [identifier for identifier in active if identifier not in present and (nameless or identifier in named)]
    if not kept:
        return rows
    names = ", ".join(f'"{name}"' for name in table_schema(stream).names)
    stored = load_file.connection.execute(
        f"select {names} from {DATASET}.{stream} where _dlt_valid_to is null and list_contains(?, id)", [kept]
    ).to_arrow_table()
    return pa.concat_tables([rows, stored.cast(rows.schema)])


def _has_id(identifier: int, row: Any) -> bool:
    return row_id(row) in (None, identifier)


def _has_status(status: object, row: Any) -> bool:
    return not isinstance(row, dict) or row.get("status") == status


class IssuedIntake:
    """Rewards issued: new ids, new issue dates, and those still in process, whose date is null and finds no filter."""

    def __init__(self, walker: Walker, load_file: LoadFile, intake: Intake, state: dict[str, Any]) -> None:
        self._walker = walker
        self._load_file = load_file
        self._intake = intake
        self._query = Query(STREAMS["rewards_issued"].path)
        self.state = state

    def whole(self, part: Slice) -> None:
        """Every reward issued (the first run, a sweep, or a server that does not filter)."""
        self._take(self._walker.whole(self._query), part, "")
        self._intake.report("rewards_issued").is_complete = True

    def lanes(self, part: Slice, overlap_days: int) -> None:
        """What is new or may have changed since the saved cursor. Raises: FilterIgnored."""
        cursor = datetime.fromisoformat(self.state["cursor"])
        newest = self._load_file.column(f"select max(id) from {DATASET}.rewards_issued")[0]
        self._take(self._walker.whole(self._query, newest if isinstance(newest, int) else None), part, "new")
        since = lane_start(cursor, overlap_days)
        earliest = (since - timedelta(days=1)).isoformat()
        known = self.known_count(part, f"issued_at >= '{since.isoformat()}'")
        dated = self._walker.lane(
            self._query,
            Filter("issued_at", "gte", since.isoformat()),
            lambda row: not isinstance(row, dict) or str(row.get("issued_at") or "")[:10] >= earliest,
            lambda page: page.total == known,  # an issue date never changes: the same count is the same rows
        )
        self._take(dated, part, "by date")
        open_statuses = self._load_file.column(
            f"select distinct status from {DATASET}.rewards_issued "
            "where issued_at is null and status is not null and _dlt_valid_to is null order by 1"
        )
        for status in open_statuses:
            there = self._walker.count(self._query.where(Filter("status", "equal", str(status))))
            quoted = str(status).replace("'", "''")
            if there is not None and there == self.known_count(part, f"status = '{quoted}'"):
                continue
            named = self._walker.lane(
                self._query,
                Filter("status", "equal", str(status)),
                partial(_has_status, status),
            )
            fetched = self._take(named, part, "in process")
            open_ids = self._known(part, "id", f"status = '{quoted}' and issued_at is null")
            self._follow(set(open_ids) - fetched, part)

    def _follow(self, ids: set[int], part: Slice) -> None:
        """Rewards that left their status, perhaps without a date: asked for by id; too many, and all are read."""
        if len(ids) > ASKED_SINGLY:
            self.whole(part)
            return
        for identifier in sorted(ids):
            condition = Filter("id", "equal", identifier)
            self._take(self._walker.lane(self._query, condition, partial(_has_id, identifier)), part, "by id")

    def known_count(self, part: Slice, condition: str = "true") -> int:
        """How many rewards issued meet a condition, as far as we know; what waits in the slice included."""
        return self._known(part, "count(*)", condition)[0]

    def _known(self, part: Slice, column: str, condition: str) -> list[int]:
        waiting = pa.concat_tables(
            [table_schema("rewards_issued").empty_table(), *part.tables.get("rewards_issued", [])]
        )
        self._load_file.connection.register("waiting", waiting)
        try:
            found = self._load_file.column(
                f"select {column} from (select id, status, issued_at from waiting union all by name "
                f"select id, status, issued_at from {DATASET}.rewards_issued "
                f"where _dlt_valid_to is null and id not in (select id from waiting)) where {condition}"
            )
        finally:
            self._load_file.connection.unregister("waiting")
        return [int(str(value)) for value in found]

    def _take(self, pages: Iterator[Page], part: Slice, lane: str) -> set[int]:
        """Put what changed into the slice; gives the ids that came."""
        tables = [arrow_schema("rewards_issued").empty_table()]
        started_at: datetime | None = None
        for page in pages:
            started_at = started_at or self._intake.server_time(page)
            tables.append(self._intake.read("rewards_issued", page, f"rewards issued {lane}".strip())[0])
        rows = with_row_versions("rewards_issued", pa.concat_tables(tables).combine_chunks())
        part.add("quarantine", self._intake.take_quarantine())
        active = self._load_file.active_versions("rewards_issued")
        ids, versions = rows.column("id").to_pylist(), rows.column("_row_version").to_pylist()
        changed = rows.filter(pa.array([active.get(i) != v for i, v in zip(ids, versions, strict=True)], pa.bool_()))
        earlier = part.tables.pop("rewards_issued", [])
        if earlier or changed.num_rows:
            merged = with_row_versions(
                "rewards_issued", pa.concat_tables([*earlier, changed]).combine_chunks().drop_columns(["_row_version"])
            )
            part.add("rewards_issued", merged)
        if started_at is not None:
            old = datetime.fromisoformat(self.state["cursor"]) if "cursor" in self.state else None
            largest = [pc.max(rows.column("issued_at")).as_py()]
            cursor = advance(old or min([started_at, *filter(None, largest)]), largest, started_at)
            if cursor != old:
                self.state = {"cursor": cursor.isoformat()}
                part.states["rewards_issued"] = self.state
        return set(ids)
