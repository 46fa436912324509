"""A slow call holds its own page and nobody else's; shown by the order of answers, never by time."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

import pytest

from referral_warehouse.api.client import Client
from referral_warehouse.api.pagination.paginator import PAGES_AHEAD, Paginator
from referral_warehouse.api.query import Query
from tests.api.scripted_server import Request, Say, ScriptedServer

SIZE, THREADS = 5, 3


def numbers(upto: int, hold: dict[int, threading.Event], seen: list[int]) -> Callable[[Request], Say]:
    """A list of the ids 1 to ``upto`` in pages of five; the pages of ``hold`` wait for their event."""

    def answer(request: Request) -> Say:
        asked = dict(parse_qsl(urlsplit(request.target).query))
        ids = list(range(1, upto + 1))
        for number in (0, 1):
            value = int(asked.get(f"filters[{number}][value]", "0"))
            match asked.get(f"filters[{number}][operator]"):
                case "gt":
                    ids = [one for one in ids if one > value]
                case "lte":
                    ids = [one for one in ids if one <= value]
        if asked.get("order[direction]") == "desc":
            ids.reverse()
        size, page = min(SIZE, int(asked.get("per_page", SIZE))), int(asked.get("page", 1))
        rows = [{"id": one} for one in ids[(page - 1) * size : page * size]]
        meta = {"total": len(ids), "last_page": -(-len(ids) // size)}
        if page > 1:
            seen.append(page)
        return Say(body=json.dumps({"data": rows, "meta": meta}).encode(), wait=hold.get(page))

    return answer


@pytest.mark.parametrize("held", [2, 9])
def test_all_other_pages_are_fetched_while_one_is_slow(client: Client, server: ScriptedServer, held: int) -> None:
    upto, slow, seen = SIZE * 25, threading.Event(), list[int]()
    server.default = numbers(upto, {held: slow}, seen)
    found: list[int] = []

    def walk() -> None:
        with Paginator(client, THREADS) as paginator:
            for page in paginator.iter_all(Query("users")):
                found.extend(page.ids())

    walking = threading.Thread(target=walk)
    walking.start()
    try:
        # All but the first: that one was fetched to see what the server supports, and again when pagination begins.
        while len(seen) < 23:
            assert server.arrived.acquire(timeout=30), "the others wait for the slow one"
        assert max(found) < held * SIZE + SIZE
    finally:
        slow.set()
        walking.join(30)
    assert found == list(range(1, upto + 1))
    assert len(seen) == len(set(seen)), "no page was asked for twice"


def test_what_is_fetched_beyond_a_slow_call_is_bounded(client: Client, server: ScriptedServer) -> None:
    most, slow, seen = THREADS * PAGES_AHEAD, threading.Event(), list[int]()
    server.default = numbers(SIZE * (most + 40), {2: slow}, seen)
    with Paginator(client, THREADS) as paginator:
        pages = paginator.iter_all(Query("users"))
        walking = threading.Thread(target=lambda: list(pages))
        walking.start()
        try:
            while len(seen) < most:
                assert server.arrived.acquire(timeout=30)
            assert not server.arrived.acquire(timeout=0.2), "one more was asked for"
            assert len(seen) == most
        finally:
            slow.set()
            walking.join(30)
