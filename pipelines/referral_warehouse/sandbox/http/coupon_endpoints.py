"""The documented endpoints of coupons and the inbound webhook: names in paths, qualifications by code or coupon.

A coupon's name in the path can contain any character, so it is decoded here from the raw path.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_to_bytes

from starlette.requests import Request
from starlette.responses import Response

from referral_warehouse.sandbox.domain import coupons, people
from referral_warehouse.sandbox.domain.resources import COUPONS
from referral_warehouse.sandbox.domain.store import NoSuchRow
from referral_warehouse.sandbox.http.endpoints import API, answer, form_of, one_row, service_of
from referral_warehouse.sandbox.http.envelopes import message_envelope, single_envelope
from referral_warehouse.sandbox.http.query_parser import parse_resource_query
from referral_warehouse.sandbox.http.refusals import Refusal, invalid
from referral_warehouse.sandbox.service import Service

_SUFFIX = b"/qualification"


def _coupon_name(request: Request) -> tuple[str, bool]:
    """The name, decoded once from the raw path, and whether ``/qualification`` follows it."""
    raw: bytes = request.scope["raw_path"].split(b"?", 1)[0][len(f"{API}/coupons/") :]
    is_qualification = raw.endswith(_SUFFIX)
    if is_qualification and request.method == "POST":
        raw = raw[: -len(_SUFFIX)]
    try:
        return unquote_to_bytes(raw).decode(), is_qualification
    except UnicodeDecodeError:
        raise Refusal(404) from None


async def coupon(request: Request) -> Response:
    """GET shows a coupon, POST on its qualification uses or returns it."""
    name, is_qualification = _coupon_name(request)
    service = service_of(request)
    found = service.store.one("select id from coupons where name = ?", name)
    if request.method == "POST":
        if not is_qualification:
            raise Refusal(405, headers={"Allow": "GET"})
        return await _qualify_coupon(request, service, found)
    if found is None:
        raise Refusal(405, headers={"Allow": "POST"}) if is_qualification else Refusal(404)
    query = parse_resource_query(COUPONS, request.url.query, service.quirks, is_list=False)
    return answer(single_envelope(one_row(service, COUPONS, found[0], query), "Single Coupon Response"))


async def _qualify_coupon(request: Request, service: Service, found: tuple[Any, ...] | None) -> Response:
    form = await form_of(request)
    if found is None:
        raise Refusal(404)
    with service.store.transaction():
        misspelled = form.boolean("qualifed")  # the documentation's spelling
        qualified = form.boolean("qualified", required=misspelled is None)
        form.finish()
        try:
            if misspelled if qualified is None else qualified:
                coupons.use_coupon(service.store, found[0])
                message = "Coupon marked as used and related user marked as qualified successfully."
            else:
                coupons.return_coupon(service.store, found[0])
                message = "Coupon marked as unused and related user marked as unqualified successfully."
        except NoSuchRow:
            raise invalid("coupon", "The coupon has not been issued to a user.") from None
    return answer(message_envelope(message, 200))


async def inbound_webhook(request: Request) -> Response:
    """Qualify a user by code or coupon. Not part of the API: the token in the path replaces the Bearer header."""
    service, form = service_of(request), await form_of(request)
    if request.path_params["token"] != service.webhook_token:
        raise Refusal(401)
    with service.store.transaction():
        name = form.text("coupon")
        code = form.text("code", required=name is None)
        form.finish()
        if code is not None:
            found = service.store.one("select id from users where code = ?", code)
            if found is None:
                raise Refusal(404, "No user has this code.")
            people.qualify(service.store, found[0])
        else:
            found = service.store.one("select id from coupons where name = ? and referral_id is not null", name)
            if found is None:
                raise Refusal(404, "No user has this coupon.")
            coupons.use_coupon(service.store, found[0])
    return answer(message_envelope("User has now been qualified.", 201), 201)
