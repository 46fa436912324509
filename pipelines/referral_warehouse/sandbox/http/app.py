"""The routes, put together: documented API, inbound webhook and control endpoints, behind one middleware."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from referral_warehouse.sandbox.http import coupon_endpoints, endpoints
from referral_warehouse.sandbox.http.connections import Connections
from referral_warehouse.sandbox.http.control import CONTROL_ROUTES
from referral_warehouse.sandbox.http.middleware import ApiMiddleware, refusal_reply
from referral_warehouse.sandbox.http.refusals import Refusal
from referral_warehouse.sandbox.service import Service

API = endpoints.API

ROUTES = [
    Route(f"{API}/campaigns", endpoints.list_campaigns, methods=["GET"]),
    Route(f"{API}/campaigns/{{id}}", endpoints.get_campaign, methods=["GET"]),
    Route(f"{API}/users", endpoints.list_users, methods=["GET"]),
    Route(f"{API}/users", endpoints.create_user, methods=["POST"]),
    Route(f"{API}/users/{{id}}", endpoints.get_user, methods=["GET"]),
    Route(f"{API}/users/{{id}}", endpoints.update_user, methods=["PUT"]),
    Route(f"{API}/users/{{id}}", endpoints.delete_user, methods=["DELETE"]),
    Route(f"{API}/rewards", endpoints.list_rewards, methods=["GET"]),
    Route(f"{API}/rewards/due", endpoints.list_rewards_due, methods=["GET"]),
    Route(f"{API}/rewards/issued", endpoints.list_rewards_issued, methods=["GET"]),
    Route(f"{API}/rewards/{{id}}", endpoints.get_reward, methods=["GET"]),
    Route(f"{API}/coupons", endpoints.list_coupons, methods=["GET"]),
    Route(f"{API}/coupons/{{name:path}}", coupon_endpoints.coupon, methods=["GET", "POST"]),
    Route("/webhook/{token}/qualify", coupon_endpoints.inbound_webhook, methods=["POST"]),
]


def build_app(service: Service, connections: Connections) -> ApiMiddleware:
    """The ASGI application of one account."""

    def refuse(_: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            error = Refusal(error.status_code, headers=error.headers)
        if not isinstance(error, Refusal):
            error = Refusal(500)
        reply = refusal_reply(error, service.quirks)
        return Response(reply.body, reply.status, {name.decode(): value.decode() for name, value in reply.headers})

    app = Starlette(
        routes=[*ROUTES, *CONTROL_ROUTES],
        exception_handlers={HTTPException: refuse, Refusal: refuse, Exception: refuse},
    )
    app.router.redirect_slashes = False
    app.state.service = service
    return ApiMiddleware(app, service, connections)
