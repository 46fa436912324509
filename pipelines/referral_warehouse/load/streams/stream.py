"""The base class of streams: a list of the API, its raw table, and how it is read and reconciled.

A stream is added by a module with a subclass of ``Stream`` (or of ``CompleteList``), and its line in ``registry``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from typing import ClassVar, TypeVar

from referral_warehouse.api.query import Query
from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.context import ListAhead, LoadContext
from referral_warehouse.load.reconcile.repair import Reconciliation
from referral_warehouse.load.records.schema import TableSchema
from referral_warehouse.load.refresh_log import RefreshRound

T = TypeVar("T")


class Stream(ABC):
    """A list of the API and its raw table.

    Class attributes:
        name: the name of the stream and of its raw table.
        path: the list, below the base URL.
        schema: the raw table.
        section: where the vendor's documentation describes the list.
        cursors: the documented date fields that new rows are requested by.
        relations: what is requested inside the rows.
        counted_flags: boolean fields whose counts are compared with the API's.
        side_tables: further raw tables that the stream fills.
        requires: streams that are read before this one, because they contain its rows.
        compared_by: ``counts`` or ``list``, as the log of runs names it; None where nothing is compared.
    """

    name: ClassVar[str]
    path: ClassVar[str]
    schema: ClassVar[TableSchema]
    section: ClassVar[str]
    cursors: ClassVar[tuple[str, ...]] = ()
    relations: ClassVar[tuple[str, ...]] = ()
    counted_flags: ClassVar[tuple[str, ...]] = ()
    side_tables: ClassVar[tuple[TableSchema, ...]] = ()
    requires: ClassVar[tuple[str, ...]] = ()
    compared_by: ClassVar[str | None] = "counts"

    @property
    def query(self) -> Query:
        """The whole list, without filters and relations."""
        return Query(self.path)

    @abstractmethod
    def extract(self, ctx: LoadContext) -> Iterator[LoadBatch]:
        """Read what is new or may have changed.

        Yields:
            Batches in the order of reading, each with the cursors of its rows.

        Raises:
            ReferralsError: any; batches yielded before stay valid.
        """

    def lists_ahead(self, _ctx: LoadContext) -> list[ListAhead] | None:
        """The complete lists that ``extract`` will read in any case, and nothing else; in their order.

        It must read them by ``ctx.read_list``, whose pages may then have been requested before. None where ``extract``
        sends other requests too, or where it is not known beforehand what it will read.
        """
        return None

    def reconcile(self, ctx: LoadContext) -> Reconciliation:
        """Compare the API's counts with the local ones, and repair what differs; called after the commit of the run.

        Returns:
            What was found and repaired. Streams that are compared while they are read return that.
        """
        return ctx.report.stream(self.name).reconciliation

    def refresh_round(self, _ctx: LoadContext) -> RefreshRound | None:
        """What keeps the rows fresh that no query by date returns, at the end of a run; None for a complete list."""
        return None


def gather(ctx: LoadContext, stream: str, batches: Generator[LoadBatch, None, T] | Iterator[LoadBatch]) -> T | None:
    """Pass all batches to the store and report progress; returns what the generator returns."""
    while True:
        try:
            batch = next(batches)
        except StopIteration as end:
            result: T | None = end.value
            return result
        ctx.store.add(batch)
        ctx.report_progress(stream)
