"""Results are in the order of the calls, and memory and threads are bounded by the numbers given."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from referral_warehouse.api.concurrency_limit import ConcurrencyLimit
from referral_warehouse.api.pagination.prefetch import Prefetcher


@pytest.fixture
def prefetcher() -> Iterator[Prefetcher]:
    made = Prefetcher(ConcurrencyLimit(3))
    yield made
    made.close(wait=True)


def test_results_come_in_the_order_of_the_calls(prefetcher: Prefetcher) -> None:
    slow = threading.Event()

    def first() -> int:
        slow.wait(30)
        return 0

    def last() -> int:
        slow.set()
        return 9

    calls = [first, *[lambda number=number: number for number in range(1, 9)], last]
    assert list(prefetcher.in_order(calls, results_ahead=12)) == list(range(10))


def test_calls_are_taken_only_when_they_can_begin(prefetcher: Prefetcher) -> None:
    taken: list[int] = []

    def calls() -> Iterator[Callable[[], int]]:
        for number in range(100):
            taken.append(number)
            yield taken.__len__

    results = prefetcher.in_order(calls())
    for _ in range(10):
        next(results)
    assert len(taken) <= 13
    results.close()  # type: ignore[attr-defined]


def test_an_error_is_raised_in_its_turn_and_no_further_call_begins(prefetcher: Prefetcher) -> None:
    begun: list[int] = []

    def call(number: int) -> int:
        begun.append(number)
        if number == 1:
            raise LookupError
        return number

    results = prefetcher.in_order(partial(call, number) for number in range(100))
    assert next(results) == 0
    with pytest.raises(LookupError):
        list(results)
    assert len(begun) <= 5
