"""A slow call delays its own page and no other; shown by the order of responses, not by time."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest

from referral_warehouse.api.client import Client
from referral_warehouse.api.pagination.paginator import PAGES_AHEAD, Paginator
from referral_warehouse.api.query import Query
from referral_warehouse.settings import Settings
from tests.api.scripted_server import Request, Response, ScriptedServer

SIZE, THREADS = 5, 3


@pytest.fixture
def client(make_client: Callable[..., Client], settings: Settings) -> Client:
    return make_client(replace(settings, concurrency=THREADS))


def numbers(upto: int, hold: dict[int, threading.Event], requested: queue.Queue[int]) -> Callable[[Request], Response]:
    """A list of the ids 1 to ``upto`` in pages of five; the pages of ``hold`` wait for their event."""

    def answer(request: Request) -> Response:
        parameters = dict(parse_qsl(urlsplit(request.target).query))
        ids = list(range(1, upto + 1))
        for number in (0, 1):
            value = int(parameters.get(f"filters[{number}][value]", "0"))
            match parameters.get(f"filters[{number}][operator]"):
                case "gt":
                    ids = [one for one in ids if one > value]
                case "lte":
                    ids = [one for one in ids if one <= value]
        if parameters.get("order[direction]") == "desc":
            ids.reverse()
        size, page = min(SIZE, int(parameters.get("per_page", SIZE))), int(parameters.get("page", 1))
        rows = [{"id": one} for one in ids[(page - 1) * size : page * size]]
        meta = {"total": len(ids), "last_page": -(-len(ids) // size)}
        if page > 1:
            requested.put(page)
        return Response(body=json.dumps({"data": rows, "meta": meta}).encode(), wait=hold.get(page))

    return answer


@pytest.mark.parametrize("held", [2, 9])
def test_all_other_pages_are_fetched_while_one_is_slow(client: Client, server: ScriptedServer, held: int) -> None:
    upto, slow, requested = SIZE * 25, threading.Event(), queue.Queue[int]()
    server.default = numbers(upto, {held: slow}, requested)
    found: list[int] = []

    def read() -> None:
        with Paginator(client) as paginator:
            for page in paginator.iter_all(Query("users")):
                found.extend(page.ids())

    reading = threading.Thread(target=read)
    reading.start()
    try:
        # All but the first: that one was fetched to see what the server supports, and again when pagination begins.
        seen = [requested.get(timeout=30) for _ in range(23)]
        assert max(found) < held * SIZE + SIZE
    finally:
        slow.set()
        reading.join(30)
    assert found == list(range(1, upto + 1))
    while not requested.empty():
        seen.append(requested.get())
    assert len(seen) == len(set(seen)), "no page was requested twice"


def test_what_is_fetched_beyond_a_slow_call_is_bounded(client: Client, server: ScriptedServer) -> None:
    most, slow, requested = PAGES_AHEAD, threading.Event(), queue.Queue[int]()
    server.default = numbers(SIZE * (most + 40), {2: slow}, requested)
    with Paginator(client) as paginator:
        pages = paginator.iter_all(Query("users"))
        reading = threading.Thread(target=lambda: list(pages))
        reading.start()
        try:
            for _ in range(most):
                requested.get(timeout=30)
            with pytest.raises(queue.Empty):
                requested.get(timeout=0.2)
        finally:
            slow.set()
            reading.join(30)
