"""Serves the tools over HTTP on this machine alone: 127.0.0.1, a token, and no pages of other sites. Prints nothing."""

from __future__ import annotations

import hmac
import secrets
import socket
import threading
from types import TracebackType
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

HOST = "127.0.0.1"
PATH = "/mcp"
SHORTEST_TOKEN = 16
MAX_BODY_BYTES = 1_000_000
GRACE_S = 1


def new_token() -> str:
    """A random token of 256 bits."""
    return secrets.token_urlsafe(32)


class TokenRequired:
    """An ASGI application that answers 401 to every request without the token, before anything reads it."""

    def __init__(self, app: Any, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass on what has the token, and the server's own start and end."""
        if scope["type"] != "lifespan" and not self._is_allowed(scope):
            await _refuse(send)
            return
        await self._app(scope, receive, send)

    def _is_allowed(self, scope: Any) -> bool:
        given = [value for name, value in scope.get("headers", ()) if name == b"authorization"]
        return len(given) == 1 and hmac.compare_digest(given[0], self._expected)


async def _refuse(send: Any) -> None:
    body = b"A token is needed: Authorization: Bearer <token>.\n"
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"www-authenticate", b"Bearer"),
    ]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class HttpServer:
    """A running server; use it as a context manager. ``url`` is where clients connect.

    Args: ``port`` 0 lets the system choose. Raises (on entering): OSError when the port is taken.
    """

    def __init__(self, server: MCPServer[Any], token: str, port: int = 0) -> None:
        self._server = server
        self._token = token
        self._port = port
        self.url = ""

    def __enter__(self) -> HttpServer:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, self._port))
            listener.listen(128)
        except BaseException:
            listener.close()
            raise
        port = listener.getsockname()[1]
        self.url = f"http://{HOST}:{port}{PATH}"
        # A page of another site reaches a local server by a name of its own (DNS rebinding): only these are answered.
        own = [f"{HOST}:{port}", f"localhost:{port}"]
        app = self._server.streamable_http_app(
            streamable_http_path=PATH,
            json_response=True,
            stateless_http=True,
            max_request_body_size=MAX_BODY_BYTES,
            transport_security=TransportSecuritySettings(
                allowed_hosts=own, allowed_origins=[f"http://{name}" for name in own]
            ),
        )
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                TokenRequired(app, self._token), ws="none", loop="asyncio", log_config=None, access_log=False,
                proxy_headers=False, server_header=False, timeout_graceful_shutdown=GRACE_S,
            )
        )  # fmt: skip
        self._thread = threading.Thread(target=self._uvicorn.run, args=([listener],), name="mcp", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._uvicorn.should_exit = True
        self._thread.join()
