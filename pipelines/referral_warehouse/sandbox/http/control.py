"""The sandbox's control endpoints for other processes, below /_sandbox/: time, rows, events, calls, quirks, actions.

Not part of the documented API: the rate limit does not count them, quirks do not apply. The Bearer token is the same.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

import anyio.to_thread
import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from referral_warehouse.sandbox.domain.actions import ACTIONS, Actions
from referral_warehouse.sandbox.domain.resources import TABLES
from referral_warehouse.sandbox.http.php_params import as_words, parse_query
from referral_warehouse.sandbox.http.refusals import Refusal
from referral_warehouse.sandbox.service import Service

_TIMES = ("joined_at", "at")


def _open(request: Request) -> Service:
    service: Service = request.app.state.service
    if not service.is_authorized(request.headers.get("authorization", "")):
        raise Refusal(401)
    return service


def _answer(document: Any) -> Response:
    return Response(orjson.dumps(document, default=_as_text), media_type="application/json")


def _as_text(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    raise TypeError(type(value).__name__)


def _whole(request: Request, name: str, default: int, most: int = 10**12) -> int:
    value = parse_query(request.url.query).get(name, str(default))
    words = as_words(value)
    if len(words) != 1 or not words[0].isdecimal() or int(words[0]) > most:
        raise Refusal(400, f"{name} must be a whole number up to {most}.")
    return int(words[0])


async def _document(request: Request) -> dict[str, Any]:
    try:
        document = orjson.loads(await request.body() or b"{}")
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise Refusal(400, "The body must be a JSON object.")
    return document


async def advance(request: Request) -> Response:
    """POST /_sandbox/advance?days=1"""
    service, days = _open(request), _whole(request, "days", 1, most=3660)
    await anyio.to_thread.run_sync(service.advance, days)
    return _answer({"now": service.store.now})


async def wait(request: Request) -> Response:
    """POST /_sandbox/wait?seconds=1"""
    service = _open(request)
    service.wait(_whole(request, "seconds", 1))
    return _answer({"now": service.store.now})


async def now(request: Request) -> Response:
    """GET /_sandbox/now"""
    return _answer({"now": _open(request).store.now})


async def tables(request: Request) -> Response:
    """GET /_sandbox/tables/{name} returns the rows without quirks, money as text."""
    service, name = _open(request), request.path_params["name"]
    if name not in TABLES:
        raise Refusal(404, f"There is no table {name}; there are {', '.join(TABLES)}.")
    return _answer(await anyio.to_thread.run_sync(service.rows, name))


async def events(request: Request) -> Response:
    """GET /_sandbox/events?after=0"""
    service = _open(request)
    return _answer(await anyio.to_thread.run_sync(service.store.events, _whole(request, "after", 0)))


async def calls(request: Request) -> Response:
    """GET /_sandbox/calls lists the API requests so far, DELETE clears the list."""
    service = _open(request)
    if request.method == "DELETE":
        service.reset_calls()
    return _answer([asdict(call) for call in service.calls()])


async def quirks(request: Request) -> Response:
    """GET /_sandbox/quirks returns the switches, POST sets those named and turns all others off."""
    service = _open(request)
    if request.method == "POST":
        try:
            service.set_quirks(type(service.quirks)().changed(await _document(request)))
        except ValueError as error:
            raise Refusal(400, str(error)) from None
    return _answer(asdict(service.quirks))


async def action(request: Request) -> Response:
    """POST /_sandbox/actions/{name} with the action's arguments as a JSON object."""
    service, name = _open(request), request.path_params["name"]
    if name not in ACTIONS:
        raise Refusal(404, f"There is no action {name}; there are {', '.join(ACTIONS)}.")
    arguments = await _document(request)
    try:
        for key in _TIMES:
            if arguments.get(key):
                arguments[key] = datetime.fromisoformat(arguments[key])
        return _answer({"result": getattr(Actions(service), name)(**arguments)})
    except LookupError as error:
        raise Refusal(404, str(error)) from None
    except (TypeError, ValueError, ArithmeticError) as error:
        raise Refusal(400, str(error)) from None


CONTROL_ROUTES = [
    Route("/_sandbox/advance", advance, methods=["POST"]),
    Route("/_sandbox/wait", wait, methods=["POST"]),
    Route("/_sandbox/now", now, methods=["GET"]),
    Route("/_sandbox/tables/{name}", tables, methods=["GET"]),
    Route("/_sandbox/events", events, methods=["GET"]),
    Route("/_sandbox/calls", calls, methods=["GET", "DELETE"]),
    Route("/_sandbox/quirks", quirks, methods=["GET", "POST"]),
    Route("/_sandbox/actions/{name}", action, methods=["POST"]),
    # The paths of version 0.2.
    Route("/_sandbox/traps", quirks, methods=["GET", "POST"]),
    Route("/_sandbox/acts/{name}", action, methods=["POST"]),
]
