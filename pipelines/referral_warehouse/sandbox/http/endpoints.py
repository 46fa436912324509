"""The documented endpoints of campaigns, users and rewards: from a request to a body. Must not know the rate limit."""

from __future__ import annotations

import re

import orjson
from starlette.requests import Request
from starlette.responses import Response

from referral_warehouse.sandbox.domain import people
from referral_warehouse.sandbox.domain.resources import (
    CAMPAIGNS,
    COUPONS,
    REWARDS,
    REWARDS_DUE,
    REWARDS_ISSUED,
    USERS,
    Resource,
)
from referral_warehouse.sandbox.domain.store import NoSuchRow
from referral_warehouse.sandbox.http.envelopes import Body, list_envelope, page_bounds, single_envelope
from referral_warehouse.sandbox.http.forms import Form
from referral_warehouse.sandbox.http.php_params import parse_body
from referral_warehouse.sandbox.http.query_parser import ResourceQuery, parse_resource_query
from referral_warehouse.sandbox.http.refusals import Refusal, invalid
from referral_warehouse.sandbox.service import Service

API = "/api/v1"
_ID = re.compile(r"\d{1,18}")

# The fields after ``meta`` in each list, exactly as in its sample.
_CLOSINGS: dict[str, Body] = {
    "campaigns": {"code": 200, "message": None},
    "users": {"code": 200, "message": None},
    "rewards": {"code": 200, "message": "Paginated rewards response"},
    "rewards_due": {},
    "rewards_issued": {},
    "coupons": {"code": 200, "message": "Paginated coupons response"},
}


def answer(body: Body, status: int = 200) -> Response:
    """A response with a JSON body."""
    return Response(orjson.dumps(body), status, media_type="application/json")


def service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def form_of(request: Request) -> Form:
    """The parameters of the body, to be checked."""
    found = parse_body(request.headers.get("content-type", ""), await request.body())
    return Form(found, service_of(request).quirks)


# Reading.


def _list(request: Request, resource: Resource) -> Response:
    service = service_of(request)
    quirks = service.quirks
    query = parse_resource_query(resource, request.url.query, quirks)
    service.shift()
    with service.store.lock:
        ids = service.lists.ids(resource, query, quirks, call=request.scope.get("sandbox.call", 0))
        start, end = page_bounds(query.page, query.per_page, len(ids), quirks.oversize_pages)
        rows = service.lists.rows(resource, ids[start:end], query, quirks)
        total = len(ids)
    return answer(
        list_envelope(
            rows,
            url=f"{request.url.scheme}://{request.url.netloc}{request.url.path}",
            query=request.url.query,
            page=query.page,
            per_page=query.per_page,
            total=total,
            closing=_CLOSINGS.get(resource.name, {}),
            quirks=quirks,
        )
    )


def one_row(service: Service, resource: Resource, row_id: int, query: ResourceQuery) -> Body:
    rows = service.lists.rows(resource, [row_id], query, service.quirks)
    if not rows:
        raise Refusal(404)
    return rows[0]


def _path_id(request: Request) -> int:
    text = request.path_params["id"]
    if not _ID.fullmatch(text):
        raise Refusal(404)
    return int(text)


async def list_campaigns(request: Request) -> Response:
    return _list(request, CAMPAIGNS)


async def list_users(request: Request) -> Response:
    return _list(request, USERS)


async def list_rewards(request: Request) -> Response:
    return _list(request, REWARDS)


async def list_rewards_due(request: Request) -> Response:
    return _list(request, REWARDS_DUE)


async def list_rewards_issued(request: Request) -> Response:
    return _list(request, REWARDS_ISSUED)


async def list_coupons(request: Request) -> Response:
    """The list of all coupons, which is not documented; 404 unless the quirk ``coupon_list`` is on."""
    if not service_of(request).quirks.coupon_list:
        raise Refusal(404)
    return _list(request, COUPONS)


async def get_campaign(request: Request) -> Response:
    service = service_of(request)
    query = parse_resource_query(CAMPAIGNS, request.url.query, service.quirks, is_list=False)
    return answer(single_envelope(one_row(service, CAMPAIGNS, _path_id(request), query), None))


async def get_reward(request: Request) -> Response:
    service = service_of(request)
    query = parse_resource_query(REWARDS, request.url.query, service.quirks, is_list=False)
    return answer(single_envelope(one_row(service, REWARDS, _path_id(request), query), "Single Reward Response"))


async def get_user(request: Request) -> Response:
    service = service_of(request)
    query = parse_resource_query(USERS, request.url.query, service.quirks, is_list=False)
    relations = tuple(dict.fromkeys((*query.relations, "rewards_due", "rewards_issued")))
    query = ResourceQuery(relations=relations, fields=query.fields)
    return answer(single_envelope(one_row(service, USERS, _path_id(request), query), None))


# Writing.

_WRITTEN = ResourceQuery(relations=("campaign", "referrer"))


async def create_user(request: Request) -> Response:
    service, form = service_of(request), await form_of(request)
    with service.store.transaction():
        first_name = form.text("first_name", required=True)
        email = form.email("email", required=True)
        campaign_id = form.number("campaign_id", required=True)
        referrer_id = form.number("referrer_id")
        code = form.text("referrer_code")
        form.boolean("notify")
        form.finish()
        store = service.store
        if not store.one("select 1 from campaigns where id = ?", campaign_id):
            raise invalid("campaign_id", "The selected campaign id is invalid.")
        if referrer_id is None and code is not None:
            found = store.one("select id from users where code = ?", code)
            if found is None:
                raise invalid("referrer_code", "The selected referrer code is invalid.")
            referrer_id = found[0]
        try:
            user_id = people.add_user(
                store, campaign_id or 0, first_name or "", email or "", referrer_id=referrer_id, source="API"
            )
        except NoSuchRow:
            raise invalid("referrer_id", "The selected referrer is not in this campaign.") from None
        row = one_row(service, USERS, user_id, _WRITTEN)
    return answer(single_envelope(row, "User successfully added.", 201), 201)


async def update_user(request: Request) -> Response:
    service, form, user_id = service_of(request), await form_of(request), _path_id(request)
    with service.store.transaction():
        one_row(service, USERS, user_id, ResourceQuery())
        first_name, email = form.text("first_name"), form.email("email")
        qualified = form.boolean("qualified")
        form.finish()
        if first_name is not None or email is not None:
            people.edit_user(service.store, user_id, first_name, email)
        if qualified is not None:
            (people.qualify if qualified else people.unqualify)(service.store, user_id)
        row = one_row(service, USERS, user_id, _WRITTEN)
    return answer(single_envelope(row, "User successfully updated."))


async def delete_user(request: Request) -> Response:
    service, user_id = service_of(request), _path_id(request)
    with service.store.transaction():
        row = one_row(service, USERS, user_id, ResourceQuery())
        people.delete_user(service.store, user_id)
    return answer(single_envelope(row, "User successfully deleted."))
