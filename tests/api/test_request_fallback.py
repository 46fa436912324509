"""Reduced queries where a server refuses a part of them, over a real socket; and pagination over it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from referral_warehouse.api.client import Client
from referral_warehouse.api.clock import ClientClock
from referral_warehouse.api.pagination.fallback import UNPROVEN_ATTEMPTS, RequestFallback
from referral_warehouse.api.pagination.paginator import Paginator
from referral_warehouse.api.query import Filter, Query
from referral_warehouse.errors import ApiUnavailable, AuthenticationError, BadEnvelope, FilterIgnored, RequestRefused
from referral_warehouse.settings import Settings
from tests.api.scripted_server import Request, Response, ScriptedServer, ok

USERS = Query("users", order="id", relations=("coupon",))
PARAMETERS = {"relations": "with[]", "order": "order[field]", "per_page": "per_page"}
REFUSALS = {
    "400": Response(400, b'{"code": 400, "message": "Validation errors in your request"}'),
    "422": Response(422, b'{"message": "The given data was invalid.", "errors": {"with": ["invalid"]}}'),
    "422 as a page": Response(422, b"<html><title>Unprocessable Content</title></html>"),
    "500": Response(500, b'{"message": "Server Error"}'),
}


def sent_parameters(request: Request) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(request.target).query))


def refuse(parameters: set[str], refusal: Response) -> Callable[[Request], Response]:
    """A server that does not take some parameters and otherwise holds one row."""
    whole = ok({"data": [{"id": 1}], "meta": {"total": 1, "last_page": 1}})
    return lambda request: refusal if parameters & sent_parameters(request).keys() else whole


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("part", PARAMETERS)
def test_a_part_that_is_refused_is_left_out_from_then_on(
    server: ScriptedServer, client: Client, part: str, refusal: str
) -> None:
    server.default = refuse({PARAMETERS[part]}, REFUSALS[refusal])
    fallback = RequestFallback(client)
    assert fallback.page(USERS).rows == [{"id": 1}]
    server.requests.clear()
    assert fallback.page(replace(USERS, filters=(Filter("date", "gte", "2026-05-01"),))).total == 1
    (request,) = server.requests
    assert set(PARAMETERS.values()) - sent_parameters(request).keys() == {PARAMETERS[part]}


def test_several_parts_can_be_at_fault(server: ScriptedServer, client: Client) -> None:
    server.default = refuse({"with[]", "per_page"}, REFUSALS["422"])
    fallback = RequestFallback(client)
    assert fallback.page(USERS).rows == [{"id": 1}]
    server.requests.clear()
    fallback.page(USERS)
    assert len(server.requests) == 1


def test_what_one_list_refuses_does_not_reduce_queries_of_another(server: ScriptedServer, client: Client) -> None:
    server.default = refuse({"with[]"}, REFUSALS["422"])
    fallback = RequestFallback(client)
    fallback.page(USERS)
    server.requests.clear()
    fallback.page(replace(USERS, path="rewards/due", relations=("reward",)))
    assert "with[]" in sent_parameters(server.requests[0])


@pytest.mark.parametrize("refusal", ["400", "422", "500"])
def test_a_request_that_always_fails_raises_its_first_error(
    server: ScriptedServer, client: Client, refusal: str
) -> None:
    server.default = lambda _request: REFUSALS[refusal]
    with pytest.raises(ApiUnavailable if refusal == "500" else RequestRefused, match=f"HTTP {refusal}"):
        RequestFallback(client).page(USERS)
    assert len(server.requests) == (UNPROVEN_ATTEMPTS + 8 if refusal == "500" else 2)


def test_parts_that_succeeded_before_are_not_left_out(server: ScriptedServer, client: Client) -> None:
    fallback = RequestFallback(client)
    server.default = lambda _request: ok({"data": [], "meta": {"total": 0}})
    fallback.page(USERS)
    server.requests.clear()
    server.default = lambda _request: REFUSALS["422"]
    with pytest.raises(RequestRefused):
        fallback.page(replace(USERS, filters=(Filter("id", "gt", 7),)))
    assert len(server.requests) == 1


def test_an_outage_that_ends_leaves_nothing_out(server: ScriptedServer, client: Client) -> None:
    server.script.extend([REFUSALS["500"]] * 8)
    server.default = lambda _request: ok({"data": [{"id": 1, "coupon": None}], "meta": {"total": 1}})
    fallback = RequestFallback(client)
    assert fallback.page(USERS).rows == [{"id": 1, "coupon": None}]
    assert all(name in sent_parameters(server.requests[-1]) for name in PARAMETERS.values())


@pytest.mark.parametrize("status", [502, 503, 504])
def test_an_outage_does_not_reduce_the_query(server: ScriptedServer, client: Client, status: int) -> None:
    server.default = lambda _request: Response(status, b"")
    with pytest.raises(ApiUnavailable):
        RequestFallback(client).page(USERS)
    assert len(server.requests) == 8


@pytest.mark.parametrize("text", ["HTTP 500", "Error: HTTP 500, please wait"])
def test_the_text_of_a_response_does_not_reduce_the_query(server: ScriptedServer, client: Client, text: str) -> None:
    server.default = lambda _request: Response(200, f"<html><title>{text}</title></html>".encode())
    with pytest.raises(ApiUnavailable, match="HTTP 500") as failed:
        RequestFallback(client).page(USERS)
    assert failed.value.status is None
    assert len(server.requests) == 8


@pytest.mark.parametrize(
    ("status", "error"), [(401, AuthenticationError), (404, RequestRefused), (405, RequestRefused)]
)
def test_refusals_that_are_not_about_the_query_are_final(
    server: ScriptedServer, client: Client, status: int, error: type[Exception]
) -> None:
    server.default = lambda _request: Response(status, b'{"message": "Not Found"}')
    with pytest.raises(error):
        RequestFallback(client).page(USERS)
    assert len(server.requests) == 1


def test_a_bad_envelope_is_requested_again_and_then_refused(server: ScriptedServer, client: Client) -> None:
    bad = ok({"message": "hello"})
    server.script.extend([bad, bad, ok({"data": [], "meta": {"total": 0}})])
    assert RequestFallback(client).page(USERS).total == 0
    server.default = lambda _request: bad
    server.requests.clear()
    with pytest.raises(BadEnvelope, match="users"):
        RequestFallback(client).page(USERS)
    assert len(server.requests) == 3


def test_single_objects_are_requested_with_fewer_parameters_too(server: ScriptedServer, client: Client) -> None:
    coupon = ok({"data": {"id": 1, "name": "A"}})
    server.default = lambda request: REFUSALS["422"] if "with[]" in sent_parameters(request) else coupon
    fallback = RequestFallback(client)
    for name in ("A", "B"):
        assert fallback.single(Query(f"coupons/{name}", relations=("batch",), per_page=None))["id"] == 1
    assert len(server.requests) == 3


# -- pagination over a socket
# -----------------------------------------------------------------------------------------------


def listing(
    count: int, *, refused: tuple[str, ...] = (), status: int = 422, size: int = 25
) -> Callable[[Request], Response]:
    """A list of ``count`` rows by id that takes id filters, order and page; filters on some fields are refused."""

    def answer(request: Request) -> Response:
        found = sent_parameters(request)
        rows: list[dict[str, Any]] = [{"id": n, "date": f"2026-05-{1 + n % 20:02}"} for n in range(1, count + 1)]
        at = 0
        while f"filters[{at}][field]" in found:
            field, operator, value = (found[f"filters[{at}][{part}]"] for part in ("field", "operator", "value"))
            if field in refused:
                return Response(status, b'{"message": "The selected field is invalid."}')
            rows = [
                row
                for row in rows
                if {"gt": int(row["id"]) > int(value), "lte": int(row["id"]) <= int(value)}[operator]
            ]
            at += 1
        rows.sort(key=lambda row: int(row["id"]), reverse=found.get("order[direction]") == "desc")
        many = min(int(found.get("per_page", size)), size)
        start = (int(found.get("page", 1)) - 1) * many
        meta = {"total": len(rows), "last_page": max(-(-len(rows) // many), 1)}
        return Response(200, json.dumps({"data": rows[start : start + many], "meta": meta}).encode())

    return answer


@pytest.mark.parametrize("status", [400, 422, 500])
@pytest.mark.parametrize("refused", [(), ("id",)])
@pytest.mark.parametrize("count", [0, 1, 25, 26, 240])
def test_a_whole_list_over_a_socket(
    server: ScriptedServer, client: Client, settings: Settings, count: int, refused: tuple[str, ...], status: int
) -> None:
    server.default = listing(count, refused=refused, status=status)
    with Paginator(client) as paginator:
        found = [identifier for page in paginator.iter_all(Query("users")) for identifier in page.ids()]
    assert sorted(found) == list(range(1, count + 1))


@pytest.mark.parametrize("status", [400, 422, 500])
def test_a_refused_filter_is_an_ignored_one(
    server: ScriptedServer, client: Client, settings: Settings, status: int
) -> None:
    server.default = listing(60, refused=("date",), status=status)
    with Paginator(client) as paginator:
        with pytest.raises(FilterIgnored, match="date"):
            list(paginator.iter_matching(Query("users"), Filter("date", "gte", "2026-05-04"), bool))
        assert paginator.count(Query("users", filters=(Filter("date", "gte", "2026-05-04"),))) is None
        assert paginator.count(Query("users")) == 60


def test_a_filtered_query_does_not_hide_that_the_api_is_unavailable(
    server: ScriptedServer, client: Client, settings: Settings
) -> None:
    server.default = lambda _request: REFUSALS["500"]
    with Paginator(client) as paginator, pytest.raises(ApiUnavailable):
        paginator.count(Query("users", filters=(Filter("qualified", "equal", 1),)))


def test_a_prefetched_page_is_decoded_where_it_is_used(server: ScriptedServer, settings: Settings) -> None:
    good, broken = ok({"data": [{"id": 1}], "meta": {"total": 1, "last_page": 1}}), Response(200, b'{"data": [{"id"')
    with Client(settings, clock=ClientClock(sleep=lambda _: None)) as client:
        fallback = RequestFallback(client)
        server.default = lambda _: broken
        finish = fallback.begin(USERS)  # received whole, so nothing is wrong yet
        assert len(server.requests) == 1
        server.default = lambda _: good
        assert finish().ids() == [1], "what cannot be decoded is requested again"
        assert len(server.requests) == 2


def test_a_refused_prefetched_page_is_requested_with_fewer_parameters(
    server: ScriptedServer, settings: Settings
) -> None:
    server.default = refuse({PARAMETERS["relations"]}, REFUSALS["422"])
    with Client(settings, clock=ClientClock(sleep=lambda _: None)) as client:
        assert RequestFallback(client).begin(USERS)().ids() == [1]
