"""Lists that are begun before they are used: in order, bounded in memory and in requests, and ended with their run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from dataclasses import replace
from functools import partial

import pytest

from referral_warehouse.api.client import Client
from referral_warehouse.api.concurrency_limit import ConcurrencyLimit
from referral_warehouse.api.pagination.fallback import RequestFallback
from referral_warehouse.api.pagination.lists_ahead import ROWS_AHEAD, ListsAhead
from referral_warehouse.api.pagination.paginator import Paginator
from referral_warehouse.api.pagination.prefetch import Prefetcher
from referral_warehouse.api.query import Purpose, Query
from referral_warehouse.api.responses import Page
from referral_warehouse.settings import Settings
from tests.api.scripted_server import Request, Response, ScriptedServer, ok

THREADS = 3


@pytest.fixture
def client(make_client: Callable[..., Client], settings: Settings) -> Client:
    return make_client(replace(settings, concurrency=THREADS))


def page(*ids: int) -> Page:
    return Page([{"id": one} for one in ids], None, None, None)


class Taken:
    """The numbers of the pages that were made, and whether the next one is wanted."""

    def __init__(self) -> None:
        self.made: list[int] = []
        self.wanted = threading.Semaphore(0)

    def pages(self, numbers: range) -> Iterator[Page]:
        for number in numbers:
            self.made.append(number)
            self.wanted.release()
            yield page(number)


def test_lists_are_read_one_after_the_other_and_no_further_than_rows_may_wait() -> None:
    taken = Taken()
    ahead = ListsAhead([partial(taken.pages, range(4)), partial(taken.pages, range(4, 10))], most_rows=3)
    ahead.start()
    for _ in range(4):
        assert taken.wanted.acquire(timeout=30)
    assert not taken.wanted.acquire(timeout=0.2), "three rows wait, and the fourth page is there"
    assert [found.ids() for found in ahead.pages(0)] == [[number] for number in range(4)]
    assert [found.ids() for found in ahead.pages(1)] == [[number] for number in range(4, 10)]
    ahead.join()
    assert taken.made == list(range(10))


def test_an_error_is_raised_where_its_list_is_used_after_the_pages_before_it() -> None:
    def broken() -> Iterator[Page]:
        yield page(2)
        raise LookupError

    ahead = ListsAhead([lambda: iter([page(1)]), broken, lambda: iter([page(3)])])
    ahead.start()
    ahead.join()
    assert [found.ids() for found in ahead.pages(0)] == [[1]]
    second = ahead.pages(1)
    assert next(second).ids() == [2]
    with pytest.raises(LookupError):
        next(second)
    with pytest.raises(LookupError):
        next(ahead.pages(2))


def test_a_list_that_nobody_uses_ends_when_it_is_closed() -> None:
    taken = Taken()
    ahead = ListsAhead([partial(taken.pages, range(10))], most_rows=1)
    ahead.start()
    assert taken.wanted.acquire(timeout=30)
    ahead.close()
    ahead.join()
    assert len(taken.made) <= 2


def test_a_consumer_in_another_thread_ends_when_its_calls_are_cancelled() -> None:
    prefetcher = Prefetcher(ConcurrencyLimit(1))
    begun, held, ended = threading.Event(), threading.Event(), threading.Event()

    def block() -> None:
        begun.set()
        held.wait(30)

    def consume(calls: list[Callable[[], None]]) -> None:
        with pytest.raises(CancelledError):
            list(prefetcher.in_order(calls))
        ended.set()

    first = prefetcher.in_order([block])
    threading.Thread(target=lambda: list(first), daemon=True).start()
    assert begun.wait(30)
    submitted = threading.Event()

    def calls() -> Iterator[Callable[[], None]]:
        submitted.set()
        yield lambda: None

    waiting = threading.Thread(target=consume, args=[calls()], daemon=True)
    waiting.start()
    try:
        assert submitted.wait(30)
        waiting.join(0.2)  # it waits for a call that has not begun
        prefetcher.close(wait=False)
        assert ended.wait(30)
    finally:
        held.set()


def rows_of(request: Request, hold: threading.Event | None = None) -> Response:
    response = ok({"data": [{"id": 1}], "meta": {"total": 1, "last_page": 1}})
    response.wait = hold if "users" not in request.target else None
    return response


def test_no_more_requests_are_in_flight_than_the_concurrency_allows(client: Client, server: ScriptedServer) -> None:
    held = threading.Event()
    server.default = partial(rows_of, hold=held)
    with Paginator(client) as paginator:
        lists = [paginator.begin_lists([Query(f"list{number}")])[0] for number in range(THREADS + 2)]
        try:
            for _ in range(THREADS):
                assert server.arrived.acquire(timeout=30)
            assert not server.arrived.acquire(timeout=0.2)
        finally:
            held.set()
        assert [found.ids() for pages in lists for found in pages] == [[1]] * (THREADS + 2)


def test_calls_of_a_list_that_is_begun_are_counted_apart(client: Client, server: ScriptedServer) -> None:
    server.default = rows_of
    with Paginator(client) as paginator:
        (pages,) = paginator.begin_lists([Query("rewards", counted_apart="rewards")])
        list(paginator.iter_all(Query("users")))
        list(pages)
        assert paginator.sent("rewards") == {Purpose.PAGE: 1}
        assert paginator.sent() == {Purpose.PAGE: 1}
        assert paginator.calls == 2


def test_what_was_begun_ends_with_the_paginator(client: Client, server: ScriptedServer) -> None:
    held = threading.Event()
    server.default = partial(rows_of, hold=held)
    try:
        paginator = Paginator(client)
        paginator.begin_lists([Query("rewards"), Query("rewards/due")])
        assert server.arrived.acquire(timeout=30)
        interrupt = KeyboardInterrupt()
        paginator.__exit__(KeyboardInterrupt, interrupt, None)
        client.stop()  # as the runner does
        for thread in [found for found in threading.enumerate() if found.name == "lists ahead"]:
            thread.join(30)
            assert not thread.is_alive()
    finally:
        held.set()
    assert "due" not in " ".join(request.target for request in server.requests)


def test_a_list_whose_rows_wait_ends_with_a_run_that_fails(client: Client, server: ScriptedServer) -> None:
    many = [{"id": number} for number in range(1, ROWS_AHEAD + 1)]
    server.default = lambda _: ok({"data": many, "meta": {"total": len(many), "last_page": 1}})
    paginator = Paginator(client)
    paginator.begin_lists([Query("rewards/issued"), Query("rewards/due")])
    for _ in range(2):
        assert server.arrived.acquire(timeout=30)
    paginator.__exit__(LookupError, LookupError(), None)
    for thread in [found for found in threading.enumerate() if found.name == "lists ahead"]:
        thread.join(30)
        assert not thread.is_alive()


def test_requests_are_sent_in_their_order_however_many_lookups_another_thread_has(
    make_client: Callable[..., Client], settings: Settings, server: ScriptedServer
) -> None:
    client = make_client(replace(settings, concurrency=1))
    held, fallback = threading.Event(), RequestFallback(client)
    server.default = lambda request: rows_of(request, held if "first" in request.target else None)

    def look_up() -> None:
        for path in ("first", "second", "third"):
            fallback.page(Query(path))

    busy, list_thread = threading.Thread(target=look_up), threading.Thread(target=fallback.page, args=[Query("list")])
    busy.start()
    assert server.arrived.acquire(timeout=30)
    list_thread.start()
    for _ in range(30_000):
        if len(client._turns) == 2:
            break
        list_thread.join(0.001)
    held.set()
    busy.join(30)
    list_thread.join(30)
    assert [request.target.rpartition("/")[2].partition("?")[0] for request in server.requests] == [
        "first", "list", "second", "third",
    ]  # fmt: skip
