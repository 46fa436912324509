"""The context of a stream during a run: the request, the API, the local rows and the report.

Knows no dlt. ``LoadStore`` has two implementations: for the load file and for the public dlt source.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar, cast

from referral_warehouse.api.pagination.paginator import Paginator
from referral_warehouse.api.query import Purpose, Query
from referral_warehouse.api.responses import Page
from referral_warehouse.events import Progress
from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.page_parser import PageParser
from referral_warehouse.load.privacy.policy import KEEP_ALL, Policy
from referral_warehouse.load.report import LoadReport
from referral_warehouse.load.storage.stored_rows import StoredRows
from referral_warehouse.settings import Settings

T = TypeVar("T")


PAGES_LEFT = 4
"""For each request that may be in flight: when so few pages of a list are left to be requested, others are begun."""


@dataclass(frozen=True, slots=True)
class ListAhead:
    """A complete list that a stream reads in any case, so that it may be requested before its turn."""

    stream: str
    query: Query


def ignore_progress(_stage: str, _facts: dict[str, Any]) -> None:
    """Ignore progress."""


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """What a run is to load.

    Args:
        streams: the names of the streams, with those that they require.
        sweep: whether everything is read, instead of what is new.
        rebuild: as ``sweep``, without reading what is new first.
        accept_account: whether another account may replace the data of the directory.
        accept_deletions: whether complete lists may lose most of their rows.
        command: what the user ran, for the log of runs.
        coupon_names: names of coupons to request.
        on_progress: is called with a stage (the name of a stream, ``sweep`` or ``repair``) and
            ``{"rows": 250, "calls_left": 39}``; the latter only while a list of known length is read.
        policy: what becomes of personal fields.
    """

    streams: frozenset[str]
    sweep: bool = False
    rebuild: bool = False
    accept_account: bool = False
    accept_deletions: bool = False
    command: str = "load"
    coupon_names: tuple[str, ...] = ()
    on_progress: Progress = ignore_progress
    policy: Policy = KEEP_ALL

    def replacing_account(self) -> LoadRequest:
        """The request for a directory whose account is replaced: everything is read, and deletions are accepted."""
        return replace(self, rebuild=True, accept_deletions=True)


class LoadStore(Protocol):
    """Stores batches, and returns what is stored already."""

    @property
    def keeps_rows(self) -> bool:
        """Whether committed rows can be counted; only then counts are compared with the API's."""
        ...

    @property
    def rows(self) -> StoredRows:
        """Queries on the stored rows, without those of batches that are not committed yet."""
        ...

    def state(self, stream: str) -> dict[str, Any]:
        """The saved cursors of a stream (a copy; empty before its first run)."""
        ...

    def add(self, batch: LoadBatch) -> None:
        """Add a batch; it is committed once there are enough rows."""
        ...

    def flush(self) -> None:
        """Commit all batches except complete lists, so that their rows are stored."""
        ...


class LoadContext:
    """The context of one run, for its streams."""

    def __init__(
        self, settings: Settings, request: LoadRequest, paginator: Paginator, store: LoadStore, parser: PageParser
    ) -> None:
        self.settings = settings
        self.request = request
        self.paginator = paginator
        self.store = store
        self.parser = parser
        self._sent_before: dict[str, Counter[Purpose]] = {}
        self._pages: dict[str, Iterable[Page]] = {}
        self._allowed: list[ListAhead] = []
        self._begun: set[str] = set()
        self._shared: dict[object, object] = {}

    @property
    def rows(self) -> StoredRows:
        """Queries on the stored rows."""
        return self.store.rows

    @property
    def report(self) -> LoadReport:
        """What the run did so far."""
        return self.parser.report

    def replace_account(self) -> None:
        """Change the request of this run to one that replaces the account of the directory."""
        self.request = self.request.replacing_account()

    @property
    def reads_everything(self) -> bool:
        """Whether the run reads whole lists: on request, or because a sweep was due."""
        return self.request.sweep or self.request.rebuild or self.report.swept

    def shared(self, make: Callable[[LoadContext], T]) -> T:
        """The one object of a class in this run, created on first use: streams share their readers in this way."""
        if make not in self._shared:
            self._shared[make] = make(self)
        return cast(T, self._shared[make])

    def keep_pages(self, query: Query, pages: Iterable[Page]) -> list[Page]:
        """Keep the pages of a complete list that was read already for the stream that loads it."""
        self._pages[query.path] = kept = list(pages)
        return kept

    def allow_ahead(self, lists: list[ListAhead]) -> None:
        """Set which complete lists may begin, one after the other, near the end of the list that is read next."""
        self._allowed = lists

    def begin_ahead_near_end(self, pages: Iterable[Page]) -> Iterator[Page]:
        """The pages of a list; begins the allowed lists when few of its pages are left to be requested."""
        for page in pages:
            few = PAGES_LEFT * self.paginator.concurrency
            unsent = self.paginator.unsent
            if page.is_all or page.is_last or (unsent is not None and unsent <= few):
                self.begin_ahead()
            yield page
        self.begin_ahead()

    def begin_ahead(self) -> None:
        """Begin the allowed lists, once."""
        lists, self._allowed = self._allowed, []
        if not lists:
            return
        queries = [replace(one.query, counted_apart=one.stream) for one in lists]
        for one, pages in zip(lists, self.paginator.begin_lists(queries), strict=True):
            self._pages[one.query.path] = pages
            self._begun.add(one.query.path)
            report = self.report.stream(one.stream)
            report.observed_at = report.observed_at or self.parser.latest  # not later than its first page

    def is_begun(self, query: Query) -> bool:
        """Whether a complete list was begun, and is not used yet."""
        return query.path in self._begun and query.path in self._pages

    def discard_begun(self) -> None:
        """Let the lists that were begun, and are not used yet, be requested again when they are read."""
        for path in self._begun:
            self._pages.pop(path, None)
        self.paginator.end_lists()

    def read_list(self, query: Query) -> Iterator[Page]:
        """The pages of a complete list; those that were kept or begun are not requested again."""
        kept = self._pages.pop(query.path, None)
        return self.paginator.iter_all(query) if kept is None else iter(kept)

    def count_calls(self, stream: str) -> int:
        """Count the calls since the previous count as calls of a stream; returns how many they were.

        Calls of lists that were begun while another stream was read count for their own stream.
        """
        spent = Counter[Purpose]()
        for counted_apart in ("", stream):
            sent = self.paginator.sent(counted_apart)
            spent += sent - self._sent_before.get(counted_apart, Counter())
            self._sent_before[counted_apart] = sent
        report = self.report.stream(stream)
        report.calls += spent.total()
        report.calls_for.update(spent)
        return spent.total()

    def report_progress(self, stream: str) -> None:
        """Report how many rows of a stream were read so far, and how many calls the list takes that is being read."""
        left = self.paginator.calls_left
        facts = {"rows": self.report.stream(stream).rows_seen} | ({"calls_left": left} if left else {})
        self.request.on_progress(stream, facts)
