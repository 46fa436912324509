"""An HTTP server on loopback in a thread of its own, on a port that the system picks; it ends with its ``with``.

The time that servers send stays within one day, because marts count days: a sync after midnight has to publish again.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

DAY_S = 86_400
AGREE_S = 14 * 60
"""How far a server's clock may differ from this machine's, and both still count as right (with a minute to spare)."""


class TimeOfOneDay:
    """A clock that no midnight UTC passes for 28 minutes, at the speed of this machine's clock.

    In the last 14 minutes before midnight it is ahead, so that its day has begun; in the 14 before them it is behind;
    otherwise it shows this machine's time. The loader accepts it either way.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        left_s = DAY_S - now() % DAY_S
        self._ahead_s = left_s if left_s <= AGREE_S else -AGREE_S if left_s <= 2 * AGREE_S else 0.0

    def __call__(self) -> float:
        """Seconds since 1970."""
        return self._now() + self._ahead_s


server_time = TimeOfOneDay()


class QuietHandler(BaseHTTPRequestHandler):
    """Keeps connections open and prints nothing."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def date_time_string(self, timestamp: float | None = None) -> str:
        """A Date header; of now, on the day of this run, if no time is given."""
        return super().date_time_string(server_time() if timestamp is None else timestamp)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Send a whole answer, without a Date unless it is among ``headers``."""
        self.send_response_only(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class QuietServer(ThreadingHTTPServer):
    """Prints nothing about a client that closed its connection: commands of a test have the same standard error."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class LoopbackServer:
    """Use as a context manager. ``base_url`` is where the API begins."""

    def __init__(self, handler: type[BaseHTTPRequestHandler], path: str = "/api/v1") -> None:
        self._server = QuietServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}{path}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
