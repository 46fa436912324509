"""Complete lists kept as history: read completely each time, and loaded if they changed.

Knows no dlt. A list that equals the stored one adds no rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pyarrow as pa

from referral_warehouse.errors import IncompleteList
from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.context import ListAhead, LoadContext
from referral_warehouse.load.records.coercion import Reject
from referral_warehouse.load.records.row_version import with_row_versions
from referral_warehouse.load.records.schema import TableSchema
from referral_warehouse.load.storage.stored_rows import DATASET
from referral_warehouse.load.streams.stream import Stream
from referral_warehouse.sql_quoting import identifier


class CompleteList(Stream):
    """A list without dates that is short enough to be read completely."""

    compared_by: ClassVar[str | None] = "list"

    def extract(self, ctx: LoadContext) -> Iterator[LoadBatch]:
        """Read the list.

        Yields:
            One batch.

        Raises:
            IncompleteList: when the list is empty and the server does not report a total of 0.
        """
        yield self.read(ctx)

    def lists_ahead(self, _ctx: LoadContext) -> list[ListAhead] | None:
        """The list itself."""
        return [ListAhead(self.name, self.query)]

    def read(self, ctx: LoadContext) -> LoadBatch:
        """Read the list completely; see ``extract``."""
        batch = LoadBatch(is_list=True)
        tables: list[pa.Table] = [self.schema.arrow.empty_table()]
        rejects: list[Reject] = []
        total: int | None = None
        for parsed in ctx.parser.read(self.schema, ctx.read_list(self.query), self.name):
            if parsed.pages[0].page.restart:
                del tables[1:]
                rejects.clear()
            tables.append(parsed.table)
            rejects.extend(parsed.rejects)
            total = parsed.pages[-1].page.total
        rows = with_row_versions(self.schema, pa.concat_tables(tables).combine_chunks())
        report = ctx.report.stream(self.name)
        report.is_complete, report.api_count = True, rows.num_rows + len(rejects)
        ctx.parser.add_quarantine(batch)
        if not rejects:
            self.report_totals(ctx, rows)
        self.add_side_tables(ctx, rows, batch)
        active = ctx.rows.active_versions(self.name)
        rows = _with_last_good_versions(ctx, self.schema, rows, rejects)
        versions = dict(zip(rows.column("id").to_pylist(), rows.column("_row_version").to_pylist(), strict=True))
        report.our_count = rows.num_rows
        if versions == active:
            return batch
        if not versions and total != 0:
            raise IncompleteList(f"{self.name}: the list is empty, but the server does not report a total of 0.")
        batch.replace_rows(self.schema, rows)
        report.rows_written += sum(active.get(identifier) != version for identifier, version in versions.items())
        report.rows_written += len(active.keys() - versions.keys())
        return batch

    def report_totals(self, ctx: LoadContext, rows: pa.Table) -> None:
        """Report the sums of a list whose rows could all be read; does nothing unless a stream overrides it."""

    def add_side_tables(self, ctx: LoadContext, rows: pa.Table, batch: LoadBatch) -> None:
        """Add rows of side tables; does nothing unless a stream overrides it."""


def _with_last_good_versions(ctx: LoadContext, schema: TableSchema, rows: pa.Table, rejects: list[Reject]) -> pa.Table:
    """Rows of a list with the last good version of those that are in quarantine now."""
    active = ctx.rows.active_versions(schema.name)
    if not rejects or not active:
        return rows
    present = set(rows.column("id").to_pylist())
    with_id = {reject.known_id for reject in rejects}
    may_be_any = None in with_id
    kept = [identifier for identifier in active if identifier not in present and (may_be_any or identifier in with_id)]
    if not kept:
        return rows
    names = ", ".join(map(identifier, schema.stored.names))
    stored = ctx.rows.connection.execute(
        f"select {names} from {DATASET}.{schema.name} where _dlt_valid_to is null and list_contains(?, id)", [kept]
    ).to_arrow_table()
    return pa.concat_tables([rows, stored.cast(rows.schema)])
