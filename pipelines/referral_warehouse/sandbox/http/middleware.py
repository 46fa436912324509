"""Checks before and around every endpoint: block, redirect, token, rate limit, Accept; applies quirks to responses.

Must not know resources. Every response is sent from here, with the account's clock as its Date.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import Any

import orjson
from starlette.requests import Request

from referral_warehouse.sandbox.http.connections import Connections
from referral_warehouse.sandbox.http.limiter import BLOCK_S, LimitDecision
from referral_warehouse.sandbox.http.refusals import Refusal, refusal_body
from referral_warehouse.sandbox.quirks import Quirks
from referral_warehouse.sandbox.service import Call, Service

Send = Callable[[Any], Awaitable[None]]
App = Callable[[Any, Any, Send], Awaitable[None]]

API_PREFIX = "/api/"
_HTML = b"<!DOCTYPE html><html><head><title>%b</title></head><body><h1>%b</h1></body></html>"


@dataclass
class Reply:
    """A response before it is sent."""

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)


class ApiMiddleware:
    """ASGI middleware around the application. Args: ``connections`` closes connections for quirks."""

    def __init__(self, app: App, service: Service, connections: Connections) -> None:
        self._app = app
        self._service = service
        self._connections = connections

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"].startswith(API_PREFIX):
            await self._serve_call(scope, receive, send)
        else:
            reply = await self._inner(scope, receive)
            await self._send(reply, send)

    async def _serve_call(self, scope: Any, receive: Any, send: Send) -> None:
        service, request = self._service, Request(scope)
        quirks, number = service.next_call()
        scope["sandbox.call"] = number
        authorized = service.is_authorized(request.headers.get("authorization", ""))
        decision: LimitDecision | None = None
        resets = False
        try:
            self._check_access(request, quirks, number, authorized)
            decision = service.limiter.spend(1 + quirks.others_spend, quirks.sliding_window)
            self._check_rate_limit(decision, quirks)
            resets = _is_due(quirks.reset_every, number)
            if _is_due(quirks.slow_every, number):
                await self._connections.pause(quirks.slow_s)
            self._fail_by_quirk(quirks, number)
            if not accepts_json(request.headers.get("accept", "*/*")):
                raise Refusal(406)
            if resets and not quirks.reset_in_body:
                reply = Reply(0, b"")
            else:
                reply = await self._inner(scope, receive)
        except Refusal as refusal:
            reply = refusal_reply(refusal, quirks)
        if reply.status >= 400 and quirks.html_errors and "application/json" not in request.headers.get("accept", ""):
            reply = _as_html(reply)
        if _is_due(quirks.bad_json_every, number):
            reply = _corrupt(
                reply, quirks.bad_json_kind or ("truncated", "html", "empty")[number // quirks.bad_json_every % 3]
            )
        if decision is not None and service.limiter.limit and not quirks.no_rate_headers:
            reply.headers.append((b"x-ratelimit-limit", str(service.limiter.limit).encode()))
            reply.headers.append((b"x-ratelimit-remaining", str(decision.remaining).encode()))
        service.record(
            Call(
                request.method,
                request.url.path,
                request.url.query,
                0 if resets else reply.status,
                authorized,
                service.limiter_clock(),
            )
        )
        if resets:
            await self._break(scope, receive, send, reply)
        else:
            await self._send(reply, send)

    # Reasons to refuse a call, in the order in which they are checked.

    def _check_access(self, request: Request, quirks: Quirks, number: int, authorized: bool) -> None:
        blocked_s = BLOCK_S if quirks.blocked else self._service.limiter.blocked_for()
        if blocked_s:
            raise _block(blocked_s)
        if quirks.redirect_to:
            query = f"?{request.url.query}" if request.url.query else ""
            target = f"{quirks.redirect_to.rstrip('/')}{request.url.path}{query}"
            raise Refusal(301, "Moved Permanently", headers={"Location": target})
        if not authorized or 0 < quirks.token_expires_after < number:
            raise Refusal(401, headers={"WWW-Authenticate": "Bearer"})

    def _check_rate_limit(self, decision: LimitDecision, quirks: Quirks) -> None:
        if decision.status == 403:
            raise _block(decision.retry_after_s)
        if decision.status == 429:
            raise self._too_many(decision.retry_after_s, quirks)

    def _fail_by_quirk(self, quirks: Quirks, number: int) -> None:
        if _is_due(quirks.fail_every, number):
            raise Refusal(quirks.fail_status)
        if _is_due(quirks.throttle_every, number):
            raise self._too_many(1.0, quirks)

    def _too_many(self, wait_s: float, quirks: Quirks) -> Refusal:
        seconds = max(math.ceil(wait_s), 1)
        headers = {
            "seconds": {"Retry-After": str(seconds)},
            "date": {"Retry-After": self._http_date(seconds)},
            "zero": {"Retry-After": "0"},
            "absent": {},
        }[quirks.retry_after]
        return Refusal(429, headers=headers)

    # Sending.

    def _http_date(self, ahead_s: int = 0) -> str:
        return format_datetime(self._service.now_plus(ahead_s), usegmt=True)

    async def _inner(self, scope: Any, receive: Any) -> Reply:
        """The application's whole response, not sent yet."""
        reply = Reply(500, b"")

        async def capture(message: Any) -> None:
            if message["type"] == "http.response.start":
                reply.status = message["status"]
                reply.headers = [pair for pair in message["headers"] if pair[0] != b"content-length"]
            else:
                reply.body += message.get("body", b"")

        await self._app(scope, receive, capture)
        return reply

    async def _send(self, reply: Reply, send: Send, body_bytes: int | None = None) -> None:
        length = (b"content-length", str(len(reply.body)).encode())
        date = (b"date", self._http_date().encode())
        await send({"type": "http.response.start", "status": reply.status, "headers": [*reply.headers, length, date]})
        if body_bytes is None:
            await send({"type": "http.response.body", "body": reply.body})
        else:
            await send({"type": "http.response.body", "body": reply.body[:body_bytes], "more_body": True})

    async def _break(self, scope: Any, receive: Any, send: Send, reply: Reply) -> None:
        """Send half of the body, or nothing, and close the connection."""
        if reply.status:
            await self._send(reply, send, len(reply.body) // 2)
        self._connections.reset(scope["client"], with_fin=bool(reply.status))
        while (await receive())["type"] != "http.disconnect":
            pass


def accepts_json(accept: str) -> bool:
    """Whether an Accept header permits JSON."""
    for part in accept.split(","):
        kind, *options = [word.strip().lower() for word in part.split(";")]
        if kind in ("application/json", "application/*", "*/*") and "q=0" not in options:
            return True
    return accept.strip() == ""


def refusal_reply(refusal: Refusal, quirks: Quirks) -> Reply:
    """The documented error body."""
    status, body = refusal_body(refusal, quirks)
    headers = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in refusal.headers.items()]
    return Reply(status, orjson.dumps(body), [(b"content-type", b"application/json"), *headers])


def _block(seconds: float) -> Refusal:
    return Refusal(
        403,
        "Your IP address has been blocked for exceeding the API limits.",
        headers={"Retry-After": str(math.ceil(seconds))},
    )


def _is_due(every: int, number: int) -> bool:
    return every > 0 and number % every == 0


def _as_html(reply: Reply) -> Reply:
    title = str(reply.status).encode()
    kept = [pair for pair in reply.headers if pair[0] != b"content-type"]
    return Reply(reply.status, _HTML % (title, title), [*kept, (b"content-type", b"text/html; charset=utf-8")])


def _corrupt(reply: Reply, kind: str) -> Reply:
    if kind == "html":
        return Reply(200, _HTML % (b"Welcome", b"Please log in"), [(b"content-type", b"text/html; charset=utf-8")])
    body = reply.body[: len(reply.body) // 2] if kind == "truncated" else b""
    return Reply(200, body, [(b"content-type", b"application/json")])
