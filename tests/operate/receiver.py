"""A server on loopback that stores the requests it receives, and answers as a test chooses."""

from __future__ import annotations

import json
import time
from typing import Any, NamedTuple

from tests.loopback_server import LoopbackServer, QuietHandler


class Received(NamedTuple):
    """A request: its path with the query, its kind of content, and its body."""

    path: str
    kind: str
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


class Receiver(LoopbackServer):
    """Use as a context manager. ``received`` are the requests; ``status`` and ``wait_s`` are how it answers."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.status = 200
        self.wait_s = 0.0
        receiver = self

        class Handler(QuietHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append(Received(self.path, self.headers["Content-Type"], body))
                time.sleep(receiver.wait_s)
                self.answer(receiver.status, b"ok", {"Location": receiver.url("elsewhere")})

        super().__init__(Handler, path="")

    def url(self, path: str) -> str:
        return f"{self.base_url}/{path}"
