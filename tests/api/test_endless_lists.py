"""Lists that do not end: every page announces another one, and reading ends with an error that reports it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from referral_warehouse.api.client import Client
from referral_warehouse.api.pagination import list_bound
from referral_warehouse.api.pagination.paginator import Paginator
from referral_warehouse.api.query import Filter, Query
from referral_warehouse.api.responses import Page
from referral_warehouse.errors import BadEnvelope, DataRefused, IncompleteList
from tests.api.scripted_server import Request, Response, ScriptedServer

USERS = Query("users")
SIZE = 3
Rows = list[dict[str, Any]]
Envelope = Callable[[int], dict[str, Any]]


def requested(request: Request) -> tuple[int, int, bool]:
    """The page, the id above which rows are requested, and whether newest first."""
    query = parse_qs(urlsplit(request.target).query)
    above = 0
    for index in itertools.count():
        operator = query.get(f"filters[{index}][operator]")
        if operator is None:
            break
        if operator == ["gt"]:
            above = int(query[f"filters[{index}][value]"][0])
    return int(query.get("page", ["1"])[0]), above, query.get("order[direction]") == ["desc"]


def ever_new(page: int, above: int) -> Rows:
    start = above + (page - 1) * SIZE
    return [{"id": start + offset} for offset in range(1, SIZE + 1)]


def always_the_same(_page: int, _above: int) -> Rows:
    return [{"id": offset} for offset in range(1, SIZE + 1)]


def two_in_turn(page: int, _above: int) -> Rows:
    return [{"id": offset + SIZE * (page % 2)} for offset in range(1, SIZE + 1)]


def without_ids(page: int, _above: int) -> Rows:
    return [{"name": f"{page}-{offset}"} for offset in range(SIZE)]


def same_without_ids(_page: int, _above: int) -> Rows:
    return [{"name": offset} for offset in range(SIZE)]


ENVELOPES: dict[str, Envelope] = {
    "links alone": lambda page: {"links": {"next": f"https://api.example.com/users?page={page + 1}"}},
    "nothing at all": lambda _page: {},
    "a total that grows": lambda page: {"meta": {"total": 100 * page, "last_page": 34 * page}},
}
ROWS = [ever_new, always_the_same, two_in_turn, without_ids, same_without_ids]
WAYS: dict[str, Callable[[Paginator], Iterator[Page]]] = {
    "the whole list": lambda paginator: paginator.iter_all(USERS),
    "a filter": lambda paginator: paginator.iter_matching(
        USERS, Filter("date", "gte", "2026-01-01"), lambda _row: True
    ),
    "a range of ids": lambda paginator: paginator.iter_id_range(USERS, 5, 1_000_000_000),
}


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("way", WAYS)
def test_a_list_without_an_end_is_refused(
    client: Client, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, way: str, rows: Callable[[int, int], Rows]
) -> None:
    monkeypatch.setattr(list_bound, "SPARE_PAGES", 12)
    for envelope, honours_ids in itertools.product(ENVELOPES.values(), (True, False)):

        def answer(request: Request, envelope: Envelope = envelope, honours_ids: bool = honours_ids) -> Response:
            page, above, is_descending = requested(request)
            found = rows(page, above if honours_ids else 0)
            if honours_ids and is_descending and "id" in found[0]:
                found = [{"id": 10**12}, {"id": 10**12 - 1}]
            return Response(body=json.dumps({"data": found} | envelope(page)).encode())

        server.default = answer
        before = client.calls
        with Paginator(client) as paginator, pytest.raises(DataRefused, match="users") as refused:
            for _ in WAYS[way](paginator):
                pass
        assert "Next: " in str(refused.value)
        assert client.calls - before < 1_500


@pytest.mark.parametrize("rows", [always_the_same, same_without_ids])
def test_the_same_page_for_millions_of_rows_is_refused_soon(
    client: Client, server: ScriptedServer, rows: Callable[[int, int], Rows]
) -> None:
    server.default = lambda request: Response(
        body=json.dumps({"data": rows(*requested(request)[:2]), "meta": {"total": 40_000_000}}).encode()
    )
    with (
        Paginator(client) as paginator,
        pytest.raises(IncompleteList, match="users: consecutive pages have the same 3 rows"),
    ):
        list(paginator.iter_all(USERS))
    assert client.calls < 30


@pytest.mark.parametrize("meta", [{"last_page": 1_000_000_000}, {"total": 25_000_000_000, "last_page": 1_000_000_000}])
def test_a_last_page_of_a_billion_is_refused_at_once(
    client: Client, server: ScriptedServer, meta: dict[str, int]
) -> None:
    server.default = lambda request: Response(
        body=json.dumps({"data": ever_new(*requested(request)[:2]), "meta": meta}).encode()
    )
    with Paginator(client) as paginator, pytest.raises(BadEnvelope, match=r"users.*1000000000|25000000000"):
        list(paginator.iter_all(USERS))
    assert client.calls <= 3


def test_the_bound_is_far_beyond_the_reported_total() -> None:
    bound = list_bound.ListBound("users")
    for number in range(1, 1_000):
        bound.add(Page([{"id": number}], 500, 500, None))
    uncounted = list_bound.ListBound("users")
    for number in range(list_bound.SPARE_PAGES):
        uncounted.add(Page([{"id": number}], None, None, None))
    with pytest.raises(
        IncompleteList, match=r"users: the list does not end: 4,001 pages were read, and it reported no total"
    ):
        uncounted.add(Page([{"id": -1}], None, None, None))


def test_one_id_out_of_order_affects_one_record(client: Client, server: ScriptedServer) -> None:
    """A record with an absurd id in the middle of an ordered list."""
    absurd: list[Any] = [2**63 - 1, -5, 0, 2**70, "9" * 5_000, None, True, [], {"a": 1}, 1e300, "x"]
    for odd in absurd:
        ids: list[Any] = list(range(1, 61))

        def answer(request: Request, odd: Any = odd, ids: list[Any] = ids) -> Response:
            query = parse_qs(urlsplit(request.target).query)
            found = list(ids)
            for index in range(3):
                if f"filters[{index}][value]" in query:
                    value = int(query[f"filters[{index}][value]"][0])
                    is_lower = query[f"filters[{index}][operator]"] == ["gt"]
                    found = [one for one in found if (one > value if is_lower else one <= value)]
            if query.get("order[direction]") == ["desc"]:
                found.reverse()
            page = int(query.get("page", ["1"])[0])
            rows = [{"id": odd if one == 31 else one, "n": one} for one in found[(page - 1) * 5 : page * 5]]
            meta = {"total": len(found), "last_page": max(-(-len(found) // 5), 1)}
            return Response(body=json.dumps({"data": rows, "meta": meta}).encode())

        server.default = answer
        with Paginator(client) as paginator:
            held: set[int] = set()
            for page in paginator.iter_all(USERS):
                if page.restart:
                    held.clear()
                held.update(row["n"] for row in page.rows)
        assert held == set(range(1, 61)), odd
