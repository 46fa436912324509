"""Runs an ASGI application over HTTP in a thread, for those who have a token. Prints nothing; knows no application."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import secrets
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

import uvicorn

HOST = "127.0.0.1"
SHORTEST_TOKEN = 16
GRACE_S = 1


def new_token() -> str:
    """A random token of 256 bits."""
    return secrets.token_urlsafe(32)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens there.

    Raises: OSError or UnicodeError where there is no such host.
    """
    return all(
        ipaddress.ip_address(str(place[0])).is_loopback
        for *_, place in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    )


class TokenRequired:
    """An ASGI application that answers 401 to every request without the token, before anything reads it.

    Args: ``has_passwords`` accepts the token as the password of any user name too, which browsers ask for.
    """

    def __init__(self, app: Any, token: str, *, has_passwords: bool = False) -> None:
        self._app = app
        self._token = token.encode()
        self._has_passwords = has_passwords

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass on what has the token, and the server's own start and end."""
        if scope["type"] != "lifespan" and not self._is_allowed(scope):
            await self._refuse(send)
            return
        await self._app(scope, receive, send)

    def _is_allowed(self, scope: Any) -> bool:
        given = [value for name, value in scope.get("headers", ()) if name == b"authorization"]
        if len(given) != 1:
            return False
        kind, _, credentials = given[0].partition(b" ")
        if kind.lower() == b"bearer":  # names of HTTP authentication schemes are case-insensitive
            return hmac.compare_digest(credentials, self._token)
        is_password = self._has_passwords and kind.lower() == b"basic"
        return is_password and hmac.compare_digest(_password(credentials), self._token)

    async def _refuse(self, send: Any) -> None:
        body = b'{"error":"The token is missing or wrong.","next_step":"Send Authorization: Bearer <token>."}'
        challenge = (
            b'Bearer, Basic realm="token as the password", charset="UTF-8"' if self._has_passwords else b"Bearer"
        )
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"www-authenticate", challenge),
        ]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _password(credentials: bytes) -> bytes:
    try:
        return base64.b64decode(credentials, validate=True).partition(b":")[2]
    except binascii.Error:
        return b""


class HttpServer:
    """A running server; use it as a context manager. ``url`` is its address, without a slash at the end.

    Args: ``make_app`` gets the port and makes the ASGI application. ``port`` 0 lets the system choose.
    Raises (on entering): OSError when there is no such host, or the port is taken.
    """

    def __init__(
        self,
        make_app: Callable[[int], Any],
        token: str,
        port: int = 0,
        *,
        host: str = HOST,
        has_passwords: bool = False,
    ) -> None:
        self._make_app = make_app
        self._token = token
        self._place = host, port
        self._has_passwords = has_passwords
        self.url = ""

    def __enter__(self) -> HttpServer:
        listener = self._listen()
        host, port = listener.getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        app = TokenRequired(self._make_app(port), self._token, has_passwords=self._has_passwords)
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                app, ws="none", loop="asyncio", log_config=None, access_log=False, proxy_headers=False,
                server_header=False, timeout_graceful_shutdown=GRACE_S,
            )
        )  # fmt: skip
        self._thread = threading.Thread(target=self._uvicorn.run, args=([listener],), name="http", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._uvicorn.should_exit = True
        self._thread.join()

    def wait(self) -> None:
        """Return when the server has ended; a signal interrupts the waiting."""
        self._thread.join()

    def _listen(self) -> socket.socket:
        host, port = self._place
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(place)
            listener.listen(128)
        except BaseException:
            listener.close()
            raise
        return listener
