"""A server in front of the sandbox that answers some questions in its own way: another implementation of the API."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from urllib.parse import parse_qsl, urlsplit

import httpx

from tests.loopback_server import LoopbackServer, QuietHandler

Own = Callable[[str, dict[str, str]], tuple[int, bytes] | None]
Bend = Callable[[str, dict[str, str], bytes], bytes]


def nothing_of_its_own(_path: str, _asked: dict[str, str]) -> None:
    """The sandbox answers everything."""


def as_it_came(_path: str, _asked: dict[str, str], body: bytes) -> bytes:
    """The sandbox's answer, as it is."""
    return body


class Front(LoopbackServer):
    """Use as a context manager. ``own(path, parameters)`` gives a status and body, or None to ask the sandbox.

    ``bend(path, parameters, body)`` gives what becomes of an answer of the sandbox; it may be changed between calls.
    """

    def __init__(self, base_url: str, own: Own = nothing_of_its_own, bend: Bend = as_it_came) -> None:
        self.bend = bend
        front = self
        target = urlsplit(base_url)
        http = httpx.Client(base_url=f"http://{target.netloc}", trust_env=False, timeout=10)

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                asked = urlsplit(self.path)
                path, parameters = asked.path.removeprefix(f"{target.path}/"), dict(parse_qsl(asked.query))
                answer, headers = own(path, parameters), {}
                if answer is None:
                    reply = http.get(self.path, headers={"Authorization": self.headers["Authorization"]})
                    body = front.bend(path, parameters, reply.content)
                    answer, headers["Date"] = (reply.status_code, body), reply.headers["date"]
                elif answer[1].startswith(b"<"):
                    headers["Content-Type"] = "text/html; charset=UTF-8"
                self.answer(*answer, headers)

        self._http = http
        super().__init__(Handler, target.path)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._http.close()
