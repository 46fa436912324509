"""Independent lookups: responses in any order, failures at any place, a consumer that stops at any time."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from referral_warehouse.api.client import Client
from referral_warehouse.api.concurrency_limit import ConcurrencyLimit
from referral_warehouse.api.pagination.id_ranges import page_starts
from referral_warehouse.api.pagination.paginator import Paginator
from referral_warehouse.api.pagination.prefetch import Prefetcher
from referral_warehouse.api.query import Purpose, Query
from referral_warehouse.errors import ProtectiveStop
from referral_warehouse.settings import Settings
from tests.api.scripted_server import Request, Response, ScriptedServer, Step

THREADS = 4


@pytest.fixture
def client(make_client: Callable[..., Client], settings: Settings) -> Client:
    return make_client(replace(settings, concurrency=THREADS))


class Ordering:
    """Ends calls in a given order, as far as they are in flight; counts how many are in flight together."""

    def __init__(self, order: list[int]) -> None:
        self._order = order
        self._condition = threading.Condition()
        self._inside: set[int] = set()
        self._left = len(order)
        self.begun: list[int] = []
        self.fewest = THREADS

    def call(self, number: int, fails: bool) -> int:
        with self._condition:
            self.begun.append(number)
            self._inside.add(number)
            self._condition.notify_all()
            # each ends when all that can be in flight are, and it is the first among them
            self._condition.wait_for(lambda: self._is_next(number), timeout=5)
            self.fewest = min(self.fewest, len(self._inside) - min(THREADS, self._left) + THREADS)
            self._inside.remove(number)
            self._left -= 1
            self._condition.notify_all()
        if fails:
            raise LookupError(number)
        return number

    def release(self) -> None:
        """Let what is in flight end: no other call begins."""
        with self._condition:
            self._left = 0
            self._condition.notify_all()

    def _is_next(self, number: int) -> bool:
        return len(self._inside) >= min(THREADS, self._left) and number == min(self._inside, key=self._order.index)


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(12)), st.sets(st.integers(0, 11), max_size=3), st.integers(0, 12))
def test_results_are_in_order_whatever_order_the_responses_arrive_in(
    order: list[int], failing: set[int], stop_after: int
) -> None:
    conductor, prefetcher, found = Ordering(order), Prefetcher(ConcurrencyLimit(THREADS)), list[int]()
    first_failure = min(failing, default=12)
    results = prefetcher.in_order((partial(conductor.call, i, i in failing) for i in range(12)), 3 * THREADS)
    with suppress(LookupError):
        for result in results:
            found.append(result)
            if len(found) == stop_after:
                break  # as an error or a signal ends the consumer
    conductor.release()
    results.close()  # type: ignore[attr-defined]
    prefetcher.close(wait=True)
    assert found == list(range(min(first_failure, stop_after or 12)))
    assert sorted(conductor.begun) == list(range(len(conductor.begun))), "calls begin in their order, and once"
    if not failing and not stop_after:
        assert conductor.fewest >= THREADS, "no call was in flight alone"


@pytest.mark.parametrize(("taken", "ahead"), [(1, 2 + 1), (10, 2 + 10), (40, 24)])
def test_calls_go_on_while_the_consumer_is_busy_and_are_bounded(taken: int, ahead: int) -> None:
    begun = threading.Semaphore(0)
    prefetcher = Prefetcher(ConcurrencyLimit(2))
    results = prefetcher.in_order((begun.release for _ in range(200)), 24)
    for _ in range(taken):
        next(results)
    for _ in range(taken + ahead):  # one a thread, and as many as were taken
        assert begun.acquire(timeout=5), "while a slice is committed, nothing is requested"
    assert not begun.acquire(timeout=0.05), "what waits in memory is not bounded"
    results.close()  # type: ignore[attr-defined]
    prefetcher.close(wait=True)


@given(st.sets(st.integers(0, 300), min_size=1), st.sets(st.integers(0, 300)), st.integers(1, 20))
def test_pages_that_begin_where_no_other_page_reaches_have_every_id(
    wanted: set[int], others: set[int], page_rows: int
) -> None:
    known = sorted(wanted | others)
    starts = page_starts(sorted(wanted), known, page_rows)
    pages = [[i for i in known if i >= start][:page_rows] for start in starts]
    assert wanted <= {i for page in pages for i in page}
    assert all(page[-1] < start for page, start in zip(pages, starts[1:], strict=False)), (
        "no page has the start of another"
    )


@pytest.fixture
def names(server: ScriptedServer) -> list[Query]:
    def answer(request: Request) -> Response:
        name = request.target.partition("?")[0].rpartition("/")[2]
        return (
            Response(404, b"{}")
            if name.startswith("gone")
            else Response(body=json.dumps({"data": {"name": name}}).encode())
        )

    server.default = answer
    return [Query(f"coupons/{'gone' if i % 5 == 0 else 'n'}{i}", per_page=None) for i in range(40)]


def test_lookups_are_counted_by_what_they_were_for(client: Client, names: list[Query]) -> None:
    with Paginator(client) as paginator:
        found = list(paginator.fetch_objects(names))
    assert [row and row["name"] for row in found] == [None if i % 5 == 0 else f"n{i}" for i in range(40)]
    assert client.sent() == {Purpose.NAME: 40}
    assert client.calls == 40


def test_a_refused_relation_is_detected_once_for_all_lookups(client: Client, server: ScriptedServer) -> None:
    def answer(request: Request) -> Response:
        return (
            Response(422, b'{"message": "no relation"}')
            if "with" in request.target
            else Response(body=b'{"data": {"id": 1}}')
        )

    server.default = answer
    queries = [Query(f"coupons/c{i}", relations=("batch",), per_page=None) for i in range(30)]
    with Paginator(client) as paginator:
        assert list(paginator.fetch_objects(queries)) == [{"id": 1}] * 30
    refused = sum("with" in request.target for request in server.requests)
    assert refused <= THREADS, "no further lookup sends what the first ones were refused for"
    assert len(server.requests) <= 30 + THREADS


def test_a_second_violation_ends_all_lookups(client: Client, server: ScriptedServer, names: list[Query]) -> None:
    accepted = server.default

    def answer(request: Request) -> Step:
        return Response(429, b"{}", {"Retry-After": "1"}) if len(server.requests) > 10 else accepted(request)

    server.default = answer
    with pytest.raises(ProtectiveStop), Paginator(client) as paginator:
        list(paginator.fetch_objects(names))
    assert len(server.requests) <= 10 + 2 * THREADS, "nothing was sent after the stop"
    assert len(client.violations) >= 2
