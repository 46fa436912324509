"""Rewards issued: rows gain versions as they are completed, and get a tombstone when they leave the list.

Knows no dlt: puts what changed into a slice. A reward in process has no date, so a date filter alone would lose it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc

from referral_warehouse.api.pagination.paginator import Paginator
from referral_warehouse.api.query import Filter, Query
from referral_warehouse.api.responses import Page, row_id
from referral_warehouse.errors import IncompleteWalk
from referral_warehouse.load.page_parser import PageParser, Repair, observations, reappeared
from referral_warehouse.load.reconcile.counts import Holdings, largest_known_id
from referral_warehouse.load.records.row_version import with_row_versions
from referral_warehouse.load.records.schema import arrow_schema, id_in
from referral_warehouse.load.registry import STREAMS
from referral_warehouse.load.storage.dlt_resources import LoadBatch, table_schema
from referral_warehouse.load.storage.load_db import DATASET, LoadFile
from referral_warehouse.load.streams.cursors import advance, is_since, lane_start

ASKED_SINGLY = 20
LONGEST_IN_ADDRESS = 1_000
"""Bytes of one percent-encoded value."""


def _has_id(identifier: int, row: Any) -> bool:
    return row_id(row) in (None, identifier)


def _has_status(status: object, row: Any) -> bool:
    return not isinstance(row, dict) or row.get("status") == status


def _fits_an_address(status: str) -> bool:
    """Whether servers take a status as part of a URL; many end at 8,000 bytes and refuse control characters."""
    return status.isprintable() and len(quote(status)) <= LONGEST_IN_ADDRESS


class IssuedIntake:
    """Rewards issued: new ids, new issue dates, and those still in process, whose date is null and finds no filter."""

    def __init__(self, paginator: Paginator, load_file: LoadFile, parser: PageParser, state: dict[str, Any]) -> None:
        self._paginator = paginator
        self._load_file = load_file
        self._parser = parser
        self._query = Query(STREAMS["rewards_issued"].path)
        self._gone = load_file.vanished_ids("rewards_issued")
        self._nameless = False
        self.state = state

    def whole(self, part: LoadBatch) -> Repair:
        """Every reward issued (the first run, a sweep, a server that does not filter); finds those that are gone.

        Returns: how many rows that changed.
        Raises: IncompleteWalk when the list is empty without the server saying that it holds nothing.
        """
        self._nameless = False
        self._total: int | None = None
        before, gone = self._versions(part), frozenset(self._gone)
        seen = self._take(self._paginator.iter_all(self._query), part, "", is_whole=True)
        missing = before.keys() - seen - self._gone  # also what came earlier in this run
        if missing and not seen and self._total != 0:
            raise IncompleteWalk(
                "rewards_issued: the list came back empty, but the server does not say that it holds nothing."
            )
        if not self._nameless:  # a row without a readable id may be any of them
            self._bury(sorted(missing), part)
        self._parser.report("rewards_issued").is_complete = True
        return self._repaired(part, before, gone)

    def span(self, part: LoadBatch, above: int | None, upto: int, expected: Iterable[int]) -> Repair:
        """A range of ids, read again: what is missing here, what changed and what of ``expected`` is gone.

        Raises: FilterIgnored, IncompleteWalk (nothing of the range counts then).
        """
        self._nameless = False
        before, gone = self._versions(part), frozenset(self._gone)
        # an id more on either side: a server that takes "up to" for "below" must not seem to have lost a row
        pages = list(self._paginator.iter_id_range(self._query, None if above is None else above - 1, upto + 1))
        seen = self._take(iter(pages), part, "by id")
        if not self._nameless:
            self._bury(sorted(set(expected) - seen - self._gone), part)
        return self._repaired(part, before, gone)

    def holdings(self, part: LoadBatch) -> Holdings:
        """What we know of the list; what waits in the slice included."""
        since = datetime.fromisoformat(self.state["walked_at"]) if "walked_at" in self.state else datetime.min  # noqa: DTZ901
        stored = self._load_file.connection.execute(
            f"select record_id, key from {DATASET}.quarantine where stream = 'rewards_issued' and quarantined_at >= ?",
            [since],
        ).fetchall()
        waiting = [
            (row["record_id"], row["key"])
            for rows in part.tables.get("quarantine", [])
            for row in rows.to_pylist()
            if row["stream"] == "rewards_issued" and row["quarantined_at"] >= since
        ]
        refused = {key: id_in(record_id) for record_id, key in [*stored, *waiting]}
        return Holdings(
            partial(self.known_count, part),
            partial(self._known, part, "id"),
            [identifier for identifier in refused.values() if identifier not in self._gone],
        )

    def largest_known_id(self, part: LoadBatch) -> int | None:
        """The largest id that ever came."""
        waiting = [pc.max(rows.column("id")).as_py() for rows in part.tables.get("rewards_issued", [])]
        stored = largest_known_id(self._load_file, "rewards_issued")
        return max((identifier for identifier in (stored, *waiting) if identifier is not None), default=None)

    def _versions(self, part: LoadBatch) -> dict[int, str]:
        """id → row version, what waits in the slice included."""
        versions = self._load_file.active_versions("rewards_issued")
        for rows in part.tables.get("rewards_issued", []):
            versions.update(zip(rows.column("id").to_pylist(), rows.column("_row_version").to_pylist(), strict=True))
        return versions

    def _repaired(self, part: LoadBatch, before: dict[int, str], gone: frozenset[int]) -> Repair:
        now = self._versions(part)
        return Repair(
            missing=len(now.keys() - before.keys()),
            changed=sum(before[identifier] != now[identifier] for identifier in before),
            vanished=len(self._gone - gone),
            reappeared=len(gone - self._gone),
        )

    def lanes(self, part: LoadBatch, overlap_days: int) -> None:
        """What is new or may have changed since the saved cursor. Raises: FilterIgnored."""
        cursor = datetime.fromisoformat(self.state["cursor"])
        newest = self._load_file.column(f"select max(id) from {DATASET}.rewards_issued")[0]
        self._take(self._paginator.iter_all(self._query, newest if isinstance(newest, int) else None), part, "new")
        since = lane_start(cursor, overlap_days)
        earliest = (since - timedelta(days=1)).isoformat()
        known = self.known_count(part, f"issued_at >= '{since.isoformat()}'")
        dated = self._paginator.iter_matching(
            self._query,
            Filter("issued_at", "gte", since.isoformat()),
            lambda row: not isinstance(row, dict) or is_since(row.get("issued_at"), earliest),
            lambda page: page.total == known,  # an issue date never changes: the same count is the same rows
        )
        self._take(dated, part, "by date")
        open_statuses = self._load_file.column(
            f"select distinct status from {DATASET}.rewards_issued "
            "where issued_at is null and status is not null and _dlt_valid_to is null order by 1"
        )
        for status in open_statuses:
            in_process = partial(self._known, part, "id", "status = ? and issued_at is null", status)
            if not _fits_an_address(str(status)):
                self._follow(set(in_process()), part)
                continue
            there = self._paginator.count(self._query.where(Filter("status", "equal", str(status))))
            if there is not None and there == self.known_count(part, "status = ?", status):
                continue
            named = self._paginator.iter_matching(
                self._query,
                Filter("status", "equal", str(status)),
                partial(_has_status, status),
            )
            fetched = self._take(named, part, "in process")
            self._follow(set(in_process()) - fetched, part)

    def _follow(self, ids: set[int], part: LoadBatch) -> None:
        """Rewards that left their status, perhaps without a date: asked for by id; too many, and all are read."""
        if len(ids) > ASKED_SINGLY:
            self.whole(part)
            return
        for identifier in sorted(ids):
            condition = Filter("id", "equal", identifier)
            came = self._take(
                self._paginator.iter_matching(self._query, condition, partial(_has_id, identifier)), part, "by id"
            )
            if identifier not in came and not self._nameless:
                self._bury([identifier], part)

    def _bury(self, ids: list[int], part: LoadBatch) -> None:
        """Rewards that are not in the list any more: a tombstone each, the last row stays."""
        moment = self._parser.latest
        if ids and moment is not None:
            part.add("observations", observations("rewards_issued", ids, "vanished", moment))
            self._gone.update(ids)

    def date_tombstones(self, part: LoadBatch, valid_from: datetime) -> None:
        """A row that changed and then left within one run is gone after its last version began, not before."""
        for number, rows in enumerate(part.tables.get("observations", [])):
            moved = [
                row | {"observed_at": max(row["observed_at"], valid_from)}
                if row["stream"] == "rewards_issued" and row["what"] == "vanished" and row["id"] in self._gone
                else row
                for row in rows.to_pylist()
            ]
            part.tables["observations"][number] = pa.Table.from_pylist(moved, schema=rows.schema)

    def known_count(self, part: LoadBatch, condition: str = "true", *values: object) -> int:
        """How many rewards issued meet a condition, as far as we know; what waits in the slice included.

        Each ``?`` of the condition stands for one of ``values``: a status is text from the account.
        """
        return self._known(part, "count(*)", condition, *values)[0]

    def _known(self, part: LoadBatch, column: str, condition: str, *values: object) -> list[int]:
        waiting = pa.concat_tables(
            [table_schema("rewards_issued").empty_table(), *part.tables.get("rewards_issued", [])]
        )
        gone = pa.table({"id": pa.array(sorted(self._gone), pa.int64())})
        self._load_file.connection.register("waiting", waiting)
        self._load_file.connection.register("gone", gone)
        try:
            found = self._load_file.column(
                f"select {column} from (select id, status, issued_at from waiting union all by name "
                f"select id, status, issued_at from {DATASET}.rewards_issued "
                f"where _dlt_valid_to is null and id not in (select id from waiting)) "
                f"where id not in (from gone) and {condition}",
                values,
            )
        finally:
            self._load_file.connection.unregister("waiting")
            self._load_file.connection.unregister("gone")
        return [int(str(value)) for value in found]

    def _take(self, pages: Iterator[Page], part: LoadBatch, lane: str, *, is_whole: bool = False) -> set[int]:
        """Put what changed into the slice; gives the ids that came."""
        tables = [arrow_schema("rewards_issued").empty_table()]
        started_at: datetime | None = None
        refused: set[int] = set()
        for page in pages:
            started_at = started_at or self._parser.server_time(page)
            table, rejects = self._parser.read("rewards_issued", page, f"rewards issued {lane}".strip())
            tables.append(table)
            refused.update(found.known_id for found in rejects if found.known_id is not None)
            self._nameless = self._nameless or any(found.known_id is None for found in rejects)
            self._total = page.total
        rows = with_row_versions("rewards_issued", pa.concat_tables(tables).combine_chunks())
        part.add("quarantine", self._parser.take_quarantine())
        if rows.num_rows:
            part.add("observations", reappeared("rewards_issued", rows, self._gone))
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
            walked_at = {"walked_at": started_at.isoformat()} if is_whole else {}
            if cursor != old or is_whole:
                self.state = {**self.state, "cursor": cursor.isoformat(), **walked_at}
                part.states["rewards_issued"] = self.state
        return refused.union(ids)
