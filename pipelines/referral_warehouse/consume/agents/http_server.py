"""The tools as an ASGI application for this machine alone; it refuses requests of web pages. Knows no token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

from referral_warehouse.consume.http_server import HOST

PATH = "/mcp"
MAX_BODY_BYTES = 1_000_000


def agents_app(server: MCPServer[Any]) -> Callable[[int], Any]:
    """A function that makes the application for a port. A request must name that port of this machine as its host."""

    def make(port: int) -> Any:
        # A web page reaches a local server by a host name of its own (DNS rebinding): only these names are accepted.
        own = [f"{HOST}:{port}", f"localhost:{port}"]
        return server.streamable_http_app(
            streamable_http_path=PATH,
            json_response=True,
            stateless_http=True,
            max_request_body_size=MAX_BODY_BYTES,
            transport_security=TransportSecuritySettings(
                allowed_hosts=own, allowed_origins=[f"http://{name}" for name in own]
            ),
        )

    return make
